"""Whether code of an older release works with the database as newer ones have left it.

The schema never goes back. So each revision says what the oldest code is that works with it: ``oldest_code`` in its
file, the name of the revision that such code was written for. Without one it is the revision just before: every change
of the schema is compatible with the release that it replaces, as a canary runs both. A release carries this line, so
that it can be read without its sources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

BASE = "base"  # before the first revision
DECLARED = "oldest_code"


@dataclass(frozen=True, slots=True)
class Revision:
    """One change of the schema, and the revision of the oldest code that works with it."""

    revision: str
    oldest_code: str

    def as_json(self) -> dict[str, str]:
        return asdict(self)


def read_line(project: Path) -> list[Revision]:
    """Of a project's migrations, the oldest first. Raises ValueError for an ``oldest_code`` that is none of them."""
    from alembic.script import ScriptDirectory  # slow, and only a release that is made pays it

    scripts = ScriptDirectory(str(project / "chalicelib/migrations"))
    ordered = list(scripts.walk_revisions())[::-1]
    line: list[Revision] = []
    for script in ordered:
        before = line[-1].revision if line else BASE
        oldest = str(getattr(script.module, DECLARED, before))
        known = {BASE, *(each.revision for each in line), script.revision}
        if oldest not in known:
            raise ValueError(f"{script.path}: {DECLARED} is {oldest!r}, which is no revision up to this one")
        line.append(Revision(script.revision, oldest))
    return line


def line_of(listed: Sequence[Mapping[str, str]]) -> list[Revision]:
    return [Revision(one["revision"], one["oldest_code"]) for one in listed]


def why_not_back(line: Sequence[Revision], wanted: str) -> str | None:
    """Why code written for revision ``wanted`` must not run on a database that has all of ``line``; None if it may."""
    names = [BASE, *(each.revision for each in line)]
    if wanted not in names:
        return f"its schema {wanted} is none that the database has gone through ({', '.join(names[1:]) or 'none'})"
    place = names.index(wanted)
    for each in line[place:]:
        if names.index(each.oldest_code) > place:
            return (
                f"the database has had revision {each.revision} since, which works with code for "
                f"{each.oldest_code} or newer; that release was written for {wanted}"
            )
    return None
