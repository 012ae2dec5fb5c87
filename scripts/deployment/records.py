"""What was deployed to a stage, when, by whom and how it ended: one document for each deployment, in the bucket."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from scripts.deployment.release import Release
from scripts.deployment.schema import Revision, line_of

DEPLOY, ROLLBACK = "deploy", "rollback"
GOOD, BAD = "passed", "failed"
STARTED, DEPLOYED, ROLLED_BACK, FAILED = "started", "deployed", "rolled-back", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One deployment. Times are UTC in ISO 8601.

    ``revision`` is what the release's code was written for, ``database`` what the database had before and after, and
    ``schema`` its whole line afterwards, which no rollback shortens. ``aliases`` are the versions of each function that
    served before and after; ``reason`` says why it did not end well.
    """

    stage: str
    kind: str
    version: str
    commit: str
    template: Mapping[str, str]
    zip: Mapping[str, str]
    previous: str | None
    revision: str
    database: Mapping[str, str]
    schema: Sequence[Mapping[str, str]]
    started: str
    who: str
    finished: str = ""
    outcome: str = STARTED
    reason: str = ""
    smoke: str = ""
    aliases: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def key(self) -> str:
        moment = datetime.fromisoformat(self.started)
        return f"{prefix(self.stage)}{moment:%Y%m%dT%H%M%S.%fZ}-{self.version}.json"

    @property
    def line(self) -> list[Revision]:
        return line_of(self.schema)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def serves(self) -> dict[str, str]:
        """The version of each function that this release brought."""
        return {name: moved["to"] for name, moved in self.aliases.items() if "to" in moved}

    def ended(self, outcome: str, *, reason: str = "", after: Mapping[str, str] | None = None) -> Record:
        """Over; ``after`` are the versions that the aliases point to."""
        aliases = {name: dict(moved) for name, moved in self.aliases.items()}
        for name, version in (after or {}).items():
            aliases.setdefault(name, {})["to"] = version
        return replace(self, finished=now(), outcome=outcome, reason=reason, aliases=aliases)

    def migrated(self, release: Release) -> Record:
        """The release's schema has been applied, whatever comes after."""
        if len(release.schema) <= len(self.schema):
            return self
        database = {**self.database, "after": release.database_revision}
        return replace(self, database=database, schema=[each.as_json() for each in release.schema])


def begin(
    release: Release, *, stage: str, kind: str, who: str, history: Sequence[Record], before: Mapping[str, str]
) -> Record:
    """The record of a deployment that is about to be made; ``before`` are the versions that serve now."""
    known = history[0].schema if history else []
    revision = known[-1]["revision"] if known else ""
    template = release.stage(stage)
    current = serving(history)
    return Record(
        stage=stage,
        kind=kind,
        version=release.version,
        commit=release.commit,
        template={"sha256": template.sha256, "key": template.key},
        zip={"sha256": release.zip_sha256, "key": release.zip_key},
        previous=current.version if current else None,
        revision=release.database_revision,
        database={"before": revision, "after": revision},
        schema=known,
        started=now(),
        who=who,
        aliases={name: {"from": version} for name, version in before.items()},
    )


def from_json(document: Mapping[str, Any]) -> Record:
    """Raises TypeError for a document that is no record."""
    return Record(**document)


def serving(history: Iterable[Record]) -> Record | None:
    """The newest deployment that took; ``history`` is the newest first."""
    return next((record for record in history if record.outcome == DEPLOYED), None)


def before(history: Iterable[Record], version: str | None) -> Record | None:
    """The newest deployment that took, of another release than ``version``, and that was not bad.

    Bad is one whose smoke test failed, or that was left by a rollback since.
    """
    left = {version}
    for record in history:
        if record.outcome != DEPLOYED:
            continue
        if record.kind == ROLLBACK:
            left.add(record.previous)
        if record.version not in left and record.smoke != BAD:
            return record
    return None


def unfinished(history: Iterable[Record]) -> Record | None:
    """The newest deployment, if it has not been seen to end."""
    newest = next(iter(history), None)
    return newest if newest is not None and newest.outcome == STARTED else None


def prefix(stage: str) -> str:
    return f"stages/{stage}/releases/"


def now() -> str:
    return datetime.now(UTC).isoformat()
