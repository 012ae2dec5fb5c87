"""ports.Schema on Alembic: the revisions in chalicelib/migrations, applied in one transaction."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from chalicelib.adapters.postgres.owner import Postgres
from chalicelib.adapters.postgres.shares import share
from chalicelib.errors import DefiStreamError, SchemaError, StoreDownError
from chalicelib.ports import Migration

MIGRATIONS = Path(__file__).parents[1] / "migrations"
LOCK = 0x64656669  # "defi": the advisory lock of whoever changes the schema
LOCK_TIMEOUT = "10s"  # a change that waits for a table's lock makes every query after it wait too


class AlembicSchema:
    """One migration at a time, whoever starts it; one that fails leaves nothing behind.

    With every migration, even one that finds nothing to do, the server's connections are shared out anew.
    """

    def __init__(self, postgres: Postgres, *, migrations: Path = MIGRATIONS) -> None:
        self._postgres = postgres
        self._config = Config()
        self._config.set_main_option("script_location", str(migrations).replace("%", "%%"))
        self._scripts = ScriptDirectory.from_config(self._config)

    def head(self) -> str:
        return str(self._scripts.get_current_head())

    def current(self, *, deadline: float) -> str | None:
        with self._postgres.transaction(deadline) as connection:
            return _revision(connection)

    def upgrade(self, target: str, *, deadline: float) -> Migration:
        if target not in self._line(self.head()):
            raise SchemaError(f"revision {target} is not in this package, whose newest is {self.head()}")
        try:
            with self._postgres.transaction(deadline) as connection:
                done = self._upgrade(connection, target)
                share(connection)
                return done
        except DBAPIError as error:
            raise _told(error, target) from error
        except CommandError as error:
            raise SchemaError(f"the revisions to {target} make no line: {error}") from error

    def _upgrade(self, connection: Connection, target: str) -> Migration:
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
        connection.execute(text("SELECT set_config('lock_timeout', :limit, true)"), {"limit": LOCK_TIMEOUT})
        before = _revision(connection)
        if before == target:
            return Migration(before, before)
        if before is not None and before not in self._line(target):
            return Migration(before, before, ahead=True)
        self._config.attributes["connection"] = connection
        command.upgrade(self._config, target)
        return Migration(before, target)

    def _line(self, target: str) -> set[str]:
        """A revision of this package and all before it."""
        return {script.revision for script in self._scripts.iterate_revisions(target, "base")}


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _told(error: DBAPIError, target: str) -> DefiStreamError:
    """In PostgreSQL's words, which hold no row and no statement."""
    if error.connection_invalidated:
        return StoreDownError(f"the database went away while it was changed to {target}; nothing was changed")
    diagnosis = getattr(error.orig, "diag", None)
    reason = getattr(diagnosis, "message_primary", None) or type(error.orig).__name__
    return SchemaError(f"the change to {target} failed and was undone: {reason}")
