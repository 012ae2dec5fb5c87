"""Where a rollback goes, and where it must not."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.deployment import records
from scripts.deployment.records import BAD, DEPLOYED, FAILED, ROLLED_BACK, STARTED, Record
from scripts.deployment.schema import Revision, read_line, why_not_back
from scripts.packaging.project import PROJECT


def record(
    version: str, outcome: str = DEPLOYED, *, kind: str = "deploy", previous: str | None = None, smoke: str = ""
) -> Record:
    return Record(
        stage="staging",
        kind=kind,
        version=version,
        commit="c",
        template={},
        zip={},
        previous=previous,
        revision="r1",
        database={"before": "r1", "after": "r1"},
        schema=[],
        started="2026-11-23T08:00:00+00:00",
        who="me",
        outcome=outcome,
        smoke=smoke,
    )


def newest_first(*history: Record) -> list[Record]:
    return list(history)[::-1]


@pytest.mark.parametrize(
    ("history", "back_to"),
    [
        ([record("a"), record("b")], "a"),
        ([record("a"), record("b"), record("c", ROLLED_BACK), record("d", FAILED)], "a"),
        ([record("a"), record("b", smoke=BAD), record("c")], "a"),
        ([record("a"), record("b"), record("a", kind="rollback", previous="b"), record("c")], "a"),
        ([record("z"), record("a"), record("b"), record("a", kind="rollback", previous="b")], "z"),
        ([record("a"), record("b"), record("a", kind="rollback", previous="b"), record("b"), record("c")], "b"),
        ([record("a"), record("a")], None),
        ([], None),
    ],
    ids=[
        "before",
        "not what failed",
        "not what was smoked out",
        "not what was left",
        "further",
        "unless anew",
        "same",
        "none",
    ],
)
def test_the_release_before(history: list[Record], back_to: str | None) -> None:
    listed = newest_first(*history)
    current = records.serving(listed)
    found = records.before(listed, current.version if current else None)
    assert (found.version if found else None) == back_to


def test_only_the_newest_can_be_unfinished() -> None:
    assert records.unfinished(newest_first(record("a", STARTED), record("b"))) is None
    assert records.unfinished(newest_first(record("a"), record("b", STARTED))) is not None


def test_a_record_survives_the_bucket() -> None:
    one = record("a")
    assert records.from_json(one.as_json()) == one
    assert one.key == "stages/staging/releases/20261123T080000.000000Z-a.json"


def test_records_sort_by_when_they_were_begun() -> None:
    """The bucket lists keys in their order."""
    later = records.from_json({**record("a").as_json(), "started": "2026-11-23T08:00:00.000001+00:00"})
    assert record("b").key < later.key


# --- the schema ---


LINE = [Revision("r1", "base"), Revision("r2", "r1"), Revision("r3", "r2")]


@pytest.mark.parametrize(("wanted", "may"), [("r3", True), ("r2", True), ("r1", False), ("base", False), ("r9", False)])
def test_code_runs_on_the_schema_after_its_own_and_not_on_one_further(wanted: str, may: bool) -> None:
    assert (why_not_back(LINE, wanted) is None) is may


def test_a_revision_can_say_that_older_code_works_with_it() -> None:
    """A table more, which no code before it reads."""
    line = [*LINE[:2], Revision("r3", "r1")]
    assert why_not_back(line, "r1") is None


def test_a_revision_can_say_that_no_older_code_does() -> None:
    line = [*LINE[:2], Revision("r3", "r3")]
    why = why_not_back(line, "r2")
    assert why is not None
    assert "revision r3 since, which works with code for r3 or newer; that release was written for r2" in why


def test_the_projects_own_line_is_read() -> None:
    line = read_line(PROJECT)
    assert line[0] == Revision("r0001", "base")


MIGRATION = '"""m"""\nrevision = "{revision}"\ndown_revision = {down}\n{more}\ndef upgrade(): ...\n'


def project_with(folder: Path, *more: str) -> Path:
    versions = folder / "chalicelib" / "migrations" / "versions"
    versions.mkdir(parents=True)
    (versions.parent / "env.py").touch()
    for number, line in enumerate(more, start=1):
        down = f'"r{number - 1}"' if number > 1 else "None"
        (versions / f"r{number}_x.py").write_text(MIGRATION.format(revision=f"r{number}", down=down, more=line))
    return folder


def test_a_migration_declares_the_oldest_code_that_works_with_it(tmp_path: Path) -> None:
    line = read_line(project_with(tmp_path, "", "", 'oldest_code = "r1"'))
    assert line == [Revision("r1", "base"), Revision("r2", "r1"), Revision("r3", "r1")]


def test_a_migration_that_names_no_revision_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="oldest_code is 'r7', which is no revision"):
        read_line(project_with(tmp_path, 'oldest_code = "r7"'))
