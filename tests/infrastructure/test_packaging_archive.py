"""The two zips, for AWS and for this machine, from one lock. Wheels are downloaded once and kept under build/."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from scripts import package as command
from scripts.deployment.release import read_folder
from scripts.packaging import wheels as wheels_module
from scripts.packaging.archive import COMPILED, Archive, build_archive, is_unused, source_files
from scripts.packaging.output import CACHE, package
from scripts.packaging.problems import PackagingError
from scripts.packaging.project import PROJECT
from scripts.packaging.targets import TARGETS, Target
from scripts.packaging.wheels import needed, wheels_for

LONGEST_DOWNLOAD = 300  # seconds; the first run fetches 60 MB
pytestmark = pytest.mark.timeout(LONGEST_DOWNLOAD)
# A compiled module's name without what names the Python and the machine; a library's without its hash and version.
PLATFORM = re.compile(r"\.cpython-[^.]+\.so$|-[0-9a-f]{8}\.so[.\d]*$")


def silent(text: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Archive]:
    """The zips of both targets."""
    folder = tmp_path_factory.mktemp("zips")
    return {
        name: build_archive(make(), PROJECT, folder / f"{name}.zip", CACHE, silent) for name, make in TARGETS.items()
    }


def content(archive: Archive) -> dict[str, bytes]:
    with zipfile.ZipFile(archive.path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


def test_the_two_zips_differ_in_compiled_files_only(archives):
    aws, local = content(archives["aws"]), content(archives["local"])
    plain = [{name: data for name, data in zipped.items() if not COMPILED.search(name)} for zipped in (aws, local)]
    assert plain[0].keys() == plain[1].keys()
    assert [name for name in plain[0] if plain[0][name] != plain[1][name]] == []
    assert aws != local


def test_each_compiled_module_is_in_both_zips(archives):
    modules = [{PLATFORM.sub("", name) for name in content(one) if COMPILED.search(name)} for one in archives.values()]
    assert modules[0] == modules[1]
    assert len(modules[0]) > 10


def test_the_zip_for_aws_holds_modules_for_its_python_and_processor(archives):
    """ELF header: byte 4 is the word size, 18 and 19 the machine; 183 is AArch64."""
    compiled = {name: data for name, data in content(archives["aws"]).items() if COMPILED.search(name)}
    assert {(data[:4], int.from_bytes(data[18:20], "little")) for data in compiled.values()} == {(b"\x7fELF", 183)}
    assert all("cpython-313-" in name for name in compiled if "cpython-" in name)


def test_both_zips_carry_the_same_versions(archives):
    assert archives["aws"].distributions == archives["local"].distributions


def test_every_version_is_pinned(archives):
    """A package that comes with another one must not change between two builds of the same sources."""
    pinned = (PROJECT / "constraints.txt").read_text() + (PROJECT / "requirements.txt").read_text()
    names = {re.sub(r"[-_.]+", "-", line).lower() for line in re.findall(r"^([\w.-]+)(?=\[|==)", pinned, re.MULTILINE)}
    assert {one.split()[0] for one in archives["aws"].distributions} - names == set()


def test_nothing_in_the_zip_tells_when_or_by_whom_it_was_made(archives):
    with zipfile.ZipFile(archives["aws"].path) as opened:
        entries = opened.infolist()
    assert {entry.date_time for entry in entries} == {(1980, 1, 1, 0, 0, 0)}
    assert {oct(entry.external_attr >> 16) for entry in entries} <= {"0o100644", "0o100755"}
    assert [entry.filename for entry in entries] == sorted(entry.filename for entry in entries)


def test_the_zip_holds_the_whole_product_and_nothing_of_the_laptop(archives):
    names = set(content(archives["aws"]))
    assert {path.relative_to(PROJECT).as_posix() for path in source_files(PROJECT)} <= names
    assert any(name.endswith(".lua") for name in names)
    assert {"chalice/__init__.py", "chalice/app.py"} == {name for name in names if name.startswith("chalice/")}
    assert not [name for name in names if name.startswith(("localcloud/", "scripts/", "tests/", "pip/"))]
    assert not [name for name in names if "__pycache__" in name]


def test_the_zip_is_small_enough_for_a_quick_start(archives):
    """Lambda fetches and unpacks it at every cold start; with all of botocore it would be 25 MB."""
    assert archives["aws"].size < 16_000_000


IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path[:] = [sys.argv[1], *(path for path in sys.path if "site-packages" not in path)]
import app, chalicelib, boto3, psycopg, sqlalchemy
for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
    if ".migrations." not in module.name:  # Alembic imports those itself, with its context
        importlib.import_module(module.name)
for service in sys.argv[2].split(","):
    boto3.client(service, region_name="eu-west-1")
sqlalchemy.create_engine("postgresql+psycopg://user@host/database")
from aws_xray_sdk.core import xray_recorder
assert all(found.startswith(sys.argv[1]) for found in (boto3.__file__, psycopg.__file__, app.__file__))
print(psycopg.pq.__impl__)
"""


def called_services() -> set[str]:
    """What chalicelib names when it asks for a boto3 client."""
    text = "".join(path.read_text() for path in source_files(PROJECT) if path.suffix == ".py")
    return set(re.findall(r"client\(\s*\"([a-z0-9-]+)\"", text))


def test_the_product_runs_from_its_zip_alone(archives, tmp_path):
    """Every module is imported and every client made by a Python that sees nothing but the unpacked zip."""
    assert {"sqs", "sns", "dynamodb", "secretsmanager"} <= called_services()
    with zipfile.ZipFile(archives["local"].path) as opened:
        opened.extractall(tmp_path)
    arguments = [str(tmp_path), ",".join(sorted(called_services()))]
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", IMPORT_ALL, *arguments], capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip() == "binary"  # psycopg with its own libpq: Lambda has none


@pytest.mark.parametrize(
    ("name", "unused"),
    [
        ("redis/client.py", False),
        ("botocore/data/sqs/2012-11-05/service-2.json.gz", False),
        ("botocore/data/ec2/2016-11-15/service-2.json.gz", True),
        ("botocore/data/endpoints.json", False),
        ("wrapt/_wrappers.c", True),
        ("sqlalchemy/testing/config.py", True),
        ("redis-8.1.0.dist-info/METADATA", False),
        ("redis-8.1.0.dist-info/RECORD", True),
        ("redis-8.1.0.dist-info/licenses/LICENSE", False),
        ("psycopg_binary-3.3.9.dist-info/sboms/auditwheel.cdx.json", True),
    ],
)
def test_only_what_no_function_opens_is_left_out(name, unused):
    assert is_unused(name) is unused


def test_what_only_another_python_needs_is_not_lost(archives):
    """pip takes markers to mean the Python that runs it; a package that only Lambda's needs would be missing there."""
    wheels = wheels_for(TARGETS["local"](), PROJECT, CACHE, silent)
    newer = Target("newer", (), {"python_version": "3.99", "python_full_version": "3.99.0", "platform_machine": "z80"})
    everywhere = needed(wheels, PROJECT, [make() for make in TARGETS.values()])
    assert needed(wheels, PROJECT, [newer]) <= everywhere
    without = {name: path for name, path in wheels.items() if name != "typing-extensions"}
    with pytest.raises(PackagingError, match="typing-extensions: is needed on local and was not downloaded"):
        needed(without, PROJECT, [TARGETS["local"]()])


def test_a_package_that_does_not_exist_is_told_and_leaves_no_folder_behind(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "requirements.txt").write_text("structlog==0.0.0.1\n")
    (project / "constraints.txt").write_text("")
    with pytest.raises(PackagingError, match=r"requirements.txt: pip download for local: ERROR: .*structlog"):
        wheels_for(TARGETS["local"](), project, tmp_path / "wheels", silent)
    assert list((tmp_path / "wheels").iterdir()) == []


def test_of_two_runs_at_once_the_slower_takes_the_wheels_of_the_quicker(tmp_path, monkeypatch):
    for name in ("requirements.txt", "constraints.txt"):
        (tmp_path / name).write_text("")
    cache, target = tmp_path / "wheels", TARGETS["local"]()
    wheel = "structlog-1.0-py3-none-any.whl"

    def quicker(*arguments: object) -> None:
        monkeypatch.setattr(wheels_module, "_run_pip", download)
        wheels_for(target, tmp_path, cache, silent)
        download(*arguments)

    def download(_target: object, _project: object, folder: Path, _say: object) -> None:
        (folder / wheel).touch()

    monkeypatch.setattr(wheels_module, "_run_pip", quicker)
    (found,) = wheels_for(target, tmp_path, cache, silent).values()
    assert list(cache.iterdir()) == [found.parent]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the command wrote, a release for two stages."""
    folder = tmp_path_factory.mktemp("out")
    stages = ["--stage", "staging", "--stage", "production"]
    assert command.main([*stages, "--out", str(folder), "--target", "local", "--version", "v1", "--json"]) == 0
    return folder


@pytest.fixture(scope="module")
def release(written: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((written / "release.json").read_text())
    return document


def test_the_command_writes_what_a_deployment_needs(written):
    assert {path.name for path in written.iterdir()} == {"release.json", "deployment.zip", "staging", "production"}
    assert {path.name for path in (written / "production").iterdir()} == {"template.json", "parameters.json"}
    assert json.loads((written / "production" / "parameters.json").read_text())["Stage"] == "production"


def test_the_same_sources_give_the_same_zip(written, archives):
    assert (written / "deployment.zip").read_bytes() == archives["local"].path.read_bytes()


def test_the_release_names_the_files_that_were_written(written, release):
    assert release["zip"]["sha256"] == hashlib.sha256((written / "deployment.zip").read_bytes()).hexdigest()
    for stage in ("staging", "production"):
        template = release["stages"][stage]["template"]
        assert template["sha256"] == hashlib.sha256((written / stage / "template.json").read_bytes()).hexdigest()
        assert template["limits"]["resources"]["limit"] == 500
    assert read_folder(written).version == "v1"


def test_the_release_carries_the_line_of_its_database(release):
    """So that it can be told later whether its code works with a newer schema."""
    assert [each["revision"] for each in release["schema"]][-1] == release["database_revision"]
    assert release["stages"]["staging"]["parameters"]["DatabaseRevision"] == release["database_revision"]


def test_the_version_is_in_no_template(written):
    """Else the same sources would not give the same template."""
    for stage in ("staging", "production"):
        assert '"v1"' not in (written / stage / "template.json").read_text()
        assert "Version" not in json.loads((written / stage / "parameters.json").read_text())


def test_the_template_asks_for_the_zip_beside_it(written, release):
    template = json.loads((written / "production" / "template.json").read_text())
    code = template["Resources"]["Process"]["Properties"]["CodeUri"]
    assert code == {"Bucket": {"Ref": "ArtifactBucket"}, "Key": release["zip"]["key"]}


def test_the_command_explains_a_resource(capsys):
    assert command.main(["--stage", "dev", "--explain", "Process", "--json"]) == 0
    assert {row["property"] for row in json.loads(capsys.readouterr().out)} >= {"Properties.Role", "Properties.Timeout"}


def test_the_command_refuses_with_a_reason(capsys):
    assert command.main(["--stage", "dev", "--explain", "Nothing"]) == 1
    assert "Nothing: there is no such resource" in capsys.readouterr().err
    with pytest.raises(SystemExit) as wrong:
        command.main(["--stage", "preview"])
    assert wrong.value.code == 2


def test_a_refused_template_leaves_the_folder_as_it_was(tmp_path):
    """The zip of a stage whose template has a fault is not put beside the template of before."""
    broken = tmp_path / "project"
    for name in ("cfn", ".chalice", "chalicelib", "requirements.txt", "constraints.txt"):
        (broken / name).parent.mkdir(parents=True, exist_ok=True)
        (broken / name).symlink_to(Path(PROJECT / name))
    (broken / "cfn").unlink()
    (broken / "cfn").mkdir()
    with pytest.raises(PackagingError, match="there is no such file"):
        package(["dev"], target="local", out=tmp_path / "out", say=silent, project=broken)
    assert not (tmp_path / "out").exists()
