"""The third-party code of the zip: wheels that pip chose for a target, kept under build/ so that it asks only once."""

from __future__ import annotations

import email
import hashlib
import importlib.util
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name, parse_wheel_filename

from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.targets import Target, fingerprint

# Lambda needs two files of Chalice and nothing of what its command line needs (chalice/deploy/packager.py).
CHALICE = "chalice"
REQUIREMENTS, CONSTRAINTS = "requirements.txt", "constraints.txt"
Say = Callable[[str], None]


def wheels_for(target: Target, project: Path, cache: Path, say: Say) -> dict[str, Path]:
    """Wheel by distribution: everything that pip chose. Raises PackagingError if pip fails or a wheel is missing."""
    folder = _downloaded(target, project, cache, say)
    return {canonicalize_name(parse_wheel_filename(path.name)[0]): path for path in sorted(folder.glob("*.whl"))}


def needed(wheels: Mapping[str, Path], project: Path, targets: Iterable[Target]) -> set[str]:
    """The distributions that requirements.txt asks for and what these ask for in turn, on any of the targets.

    pip evaluates markers with the Python that runs it, whatever --python-version says, so its choice is not trusted:
    a distribution that only another Python needs is found missing here and not in Lambda.
    """
    wanted: set[str] = set()
    for target in targets:
        environment = {name: str(value) for name, value in default_environment().items()} | dict(target.markers)
        waiting = [line for line in requirement_lines(project) if canonicalize_name(line.name) != CHALICE]
        seen: set[tuple[str, str]] = set()
        while waiting:
            requirement = waiting.pop()
            name = canonicalize_name(requirement.name)
            for extra in ("", *sorted(requirement.extras)):
                if (name, extra) in seen:
                    continue
                seen.add((name, extra))
                waiting += [one for one in _requires(wheels, name, target) if _applies(one, environment, extra)]
        wanted |= {name for name, _ in seen}
    return wanted


def requirement_lines(project: Path) -> list[Requirement]:
    """requirements.txt, without comments."""
    lines = (line.partition("#")[0].strip() for line in (project / REQUIREMENTS).read_text().splitlines())
    return [Requirement(line) for line in lines if line]


def _applies(requirement: Requirement, environment: Mapping[str, str], extra: str) -> bool:
    if requirement.marker is None:
        return not extra  # without an extra's marker it is asked for already
    return requirement.marker.evaluate({**environment, "extra": extra})


def _requires(wheels: Mapping[str, Path], name: str, target: Target) -> list[Requirement]:
    if name not in wheels:
        what = f"is needed on {target.name} and was not downloaded; pin it in {REQUIREMENTS}"
        raise PackagingError([Problem(REQUIREMENTS, name, what)])
    with zipfile.ZipFile(wheels[name]) as wheel:
        path = next(entry for entry in wheel.namelist() if entry.endswith(".dist-info/METADATA"))
        metadata = email.message_from_bytes(wheel.read(path))
    return [Requirement(text) for text in metadata.get_all("Requires-Dist", [])]


def _downloaded(target: Target, project: Path, cache: Path, say: Say) -> Path:
    """A folder of wheels, complete or not there at all."""
    lock = b"".join((project / name).read_bytes() for name in (REQUIREMENTS, CONSTRAINTS))
    folder = cache / f"{fingerprint(target)}-{hashlib.sha256(lock).hexdigest()[:12]}"
    if folder.exists():
        return folder
    if importlib.util.find_spec("pip") is None:
        raise PackagingError([Problem("this Python", "pip", "is missing; run `make setup` or `python -m ensurepip`")])
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix="unfinished-", dir=cache))
    try:
        _run_pip(target, project, unfinished, say)
        unfinished.rename(folder)
    except OSError:
        if not folder.exists():  # else another run was quicker
            raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _run_pip(target: Target, project: Path, folder: Path, say: Say) -> None:
    command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--no-input"]
    command += ["--progress-bar=off", "--only-binary=:all:", *target.pip_options, "--dest", str(folder)]
    command += ["--requirement", REQUIREMENTS, "--constraint", CONSTRAINTS]
    said: list[str] = []
    with subprocess.Popen(command, cwd=project, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line)
            if match := re.match(r"(?:Collecting|Downloading|Saved) (\S+)", line.strip()):
                say(f"wheels for {target.name}: {match.group(1).rpartition('/')[2]}")
    if pip.returncode:
        reasons = "".join(line for line in said if "ERROR" in line) or "".join(said[-5:])
        raise PackagingError([Problem(REQUIREMENTS, f"pip download for {target.name}", reasons.strip())])
