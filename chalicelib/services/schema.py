"""The database's schema follows the release, and only forwards."""

from __future__ import annotations

from dataclasses import dataclass

from chalicelib.ports import Schema


@dataclass(frozen=True, slots=True)
class SchemaReport:
    """The revision that the schema has now, and what became of the wish in one sentence."""

    revision: str | None
    said: str


class MigrateSchema:
    """Guarantees: the schema is at the revision asked for or newer, or nothing has changed and an error says why.

    It is never taken back: what a newer release has stored must survive the older one, which was written to work
    with the schema that follows its own.
    """

    def __init__(self, *, schema: Schema) -> None:
        self._schema = schema

    def upgrade(self, target: str | None, *, deadline: float) -> SchemaReport:
        """To ``target``, or to the newest revision of this package. Raises SchemaError, StoreDownError."""
        done = self._schema.upgrade(target or self._schema.head(), deadline=deadline)
        if done.ahead:
            return SchemaReport(done.after, f"the schema is at {done.after}, newer than {target}: left as it is")
        if done.before == done.after:
            return SchemaReport(done.after, f"the schema was at {done.after} already")
        return SchemaReport(done.after, f"the schema went from {done.before or 'nothing'} to {done.after}")

    def current(self, *, deadline: float) -> SchemaReport:
        """Changes nothing. Raises StoreDownError."""
        revision, newest = self._schema.current(deadline=deadline), self._schema.head()
        return SchemaReport(revision, f"the schema is at {revision or 'nothing'}, this package's newest is {newest}")
