"""The zip that Lambda runs: app.py, everything under chalicelib/, Chalice's runtime and the wheels of the lock.

The same input gives the same bytes: names are sorted, times and permissions fixed, nothing is compiled (Lambda's Python
is another one than this). Left out is what no function ever opens: type stubs, sources of compiled modules, test
helpers, and botocore's descriptions of services that are not called, which are two thirds of its size.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from packaging.utils import parse_wheel_filename

from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.targets import TARGETS, Target
from scripts.packaging.wheels import CHALICE, Say, needed, wheels_for

# What chalicelib makes boto3 clients for; sts, which botocore may ask for credentials; xray, without which the X-Ray
# SDK fails at import. A test runs the zip to see that nothing is missing.
AWS_SERVICES = frozenset(
    {
        "cloudfront",
        "codedeploy",
        "dynamodb",
        "lambda",
        "s3",
        "secretsmanager",
        "sesv2",
        "sns",
        "sqs",
        "sts",
        "wafv2",
        "xray",
    }
)
CHALICE_RUNTIME = ("chalice/__init__.py", "chalice/app.py")
LAMBDA_LIMIT = 250 * 1024 * 1024  # bytes, unzipped (Lambda quotas: deployment package size)
COMPILED = re.compile(r"\.so(\.\d+)*$")
_UNUSED_SUFFIXES = {".pyi", ".pyx", ".pxd", ".c", ".h", ".js", ".css", ".rst", ".pyc"}
_UNUSED_FOLDERS = ("sqlalchemy/testing/", "alembic/testing/", "boto3/examples/", "wrapt-stubs/")
# Say how a wheel was built and unpacked, differently for each target; nothing reads them where there is no pip.
_UNUSED_METADATA = {"RECORD", "WHEEL", "sboms"}
_TIME = (1980, 1, 1, 0, 0, 0)  # the oldest that a zip can hold
_DATA_SCHEMES = {"purelib", "platlib"}


@dataclass(frozen=True, slots=True)
class Archive:
    """``sha256`` is the file's, under which it is stored; ``distributions`` are "name version"."""

    path: Path
    sha256: str
    size: int
    unzipped: int
    files: int
    distributions: tuple[str, ...]


def build_archive(target: Target, project: Path, path: Path, cache: Path, say: Say) -> Archive:
    """Write the zip. Raises PackagingError if a wheel is missing or the content is too large for Lambda."""
    wheels = wheels_for(target, project, cache, say)
    names = sorted(needed(wheels, project, [make() for make in TARGETS.values()]))
    say(f"zip for {target.name}: {len(names)} packages")
    content = dict(_chalice(wheels[CHALICE]))
    for name in names:
        content.update(_wheel(wheels[name]))
    content.update(_sources(project))
    unzipped = sum(map(len, content.values()))
    if unzipped > LAMBDA_LIMIT:
        what = f"is {unzipped:,} bytes unzipped; Lambda takes {LAMBDA_LIMIT:,}"
        raise PackagingError([Problem(str(path), "zip", what)])
    _write(path, content)
    versions = tuple(" ".join(map(str, parse_wheel_filename(wheels[name].name)[:2])) for name in (CHALICE, *names))
    data = path.read_bytes()
    return Archive(path, hashlib.sha256(data).hexdigest(), len(data), unzipped, len(content), tuple(sorted(versions)))


def is_unused(name: str) -> bool:
    """Whether a file of a wheel is of no use in Lambda."""
    path = PurePosixPath(name)
    if path.suffix in _UNUSED_SUFFIXES or name.startswith(_UNUSED_FOLDERS) or "__pycache__" in path.parts:
        return True
    if path.parts[0].endswith(".dist-info"):
        return len(path.parts) > 1 and path.parts[1] in _UNUSED_METADATA
    service = path.parts[2] if path.parts[:2] == ("botocore", "data") and len(path.parts) > 3 else None
    return service is not None and service not in AWS_SERVICES


def source_files(project: Path) -> list[Path]:
    """What of the project itself is packaged."""
    below = (path for path in (project / "chalicelib").rglob("*") if path.is_file())
    return sorted([project / "app.py", *(path for path in below if "__pycache__" not in path.parts)])


def _sources(project: Path) -> Iterator[tuple[str, bytes]]:
    for path in source_files(project):
        yield path.relative_to(project).as_posix(), path.read_bytes()


def _chalice(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as opened:
        for name in CHALICE_RUNTIME:
            yield name, opened.read(name)


def _wheel(wheel: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(wheel) as opened:
        for name in opened.namelist():
            installed = _installed_name(name)
            if installed is not None and not is_unused(installed):
                yield installed, opened.read(name)


def _installed_name(name: str) -> str | None:
    """Where a wheel's entry goes in site-packages; None for folders, scripts and headers."""
    if name.endswith("/"):
        return None
    first, _, rest = name.partition("/")
    if not first.endswith(".data"):
        return name
    scheme, _, inner = rest.partition("/")
    return inner if scheme in _DATA_SCHEMES else None


def _write(path: Path, content: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(path.name + ".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in sorted(content):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3  # Unix, whatever made it: permissions are read for no other
            entry.external_attr = (0o100755 if COMPILED.search(name) else 0o100644) << 16
            opened.writestr(entry, content[name])
    unfinished.replace(path)
