"""PostgreSQL on this machine: dumped into a file, restored into a new database, switched by renaming."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from localcloud.stores import postgres_binaries
from scripts.backups.census import Census, Collection
from scripts.backups.store import Candidate, Kept
from scripts.deployment.errors import StackError

MAINTENANCE = "template1"  # a database that can be connected to while another is dropped or renamed

TABLES = """
SELECT n.nspname, c.relname,
       coalesce(array_agg(a.attname ORDER BY a.attname) FILTER (WHERE a.atttypid = 'timestamptz'::regtype), '{}')
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY 1, 2 ORDER BY 1, 2
"""
# Of a row's text 64 bits of its MD5; the sum of them, since rows have no order.
SUM = "SELECT count(*), coalesce(sum(('x' || left(md5(t::text), 16))::bit(64)::bigint::numeric), 0), {} FROM ONLY {} t"
GRANTS = """
SELECT CASE grantee WHEN 0 THEN NULL ELSE pg_get_userbyid(grantee) END, privilege_type
FROM pg_database, aclexplode(datacl) WHERE datname = current_database()
"""


class LocalPostgresql:
    """store.Store by pg_dump and pg_restore. ``folder`` keeps the dumps; ``url`` names the database that serves."""

    name = "postgresql"

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._folder = folder
        self._database = urlsplit(url).path[1:]

    def back_up(self, backup: str) -> Kept:
        """Dump and census are of one snapshot, however much is written meanwhile."""
        file = self._folder / backup / "postgresql.dump"
        file.parent.mkdir(parents=True, exist_ok=True)
        with self._reading(self._url) as connection:
            row = connection.execute("SELECT pg_export_snapshot(), now()").fetchone() or ("", datetime.now(UTC))
            grants = connection.execute(GRANTS).fetchall()
            found = counted(connection)
            _run("pg_dump", "--format=custom", f"--snapshot={row[0]}", f"--file={file}.part", f"--dbname={self._url}")
        Path(f"{file}.part").replace(file)
        where = {"file": str(file), "grants": [list(grant) for grant in grants]}
        return Kept(store=self.name, moment=row[1].astimezone(UTC).isoformat(), where=where, census=found)

    def at(self, moment: datetime) -> Kept | None:
        """None: a dump is of the moment at which it was made."""
        return None

    def restore(self, kept: Kept, name: str) -> Candidate:
        file, database = Path(kept.where["file"]), f"{self._database}_restored_{name.lower()}"
        if not file.exists():
            raise StackError(f"the dump {file} is gone")
        with self._maintenance() as connection:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
            connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(sql.Identifier(database)))
            self._grant(connection, database, kept.where["grants"])
        _run("pg_restore", "--exit-on-error", f"--dbname={self._at(database)}", str(file))
        return {"database": database, "before": f"{self._database}_before_{name.lower()}"}

    def census(self, candidate: Candidate) -> Census:
        with self._reading(self._at(candidate["database"])) as connection:
            return counted(connection)

    def switch(self, candidate: Candidate) -> str:
        """Connections to the old one end; whoever connects by name meets the new one."""
        new, before = candidate["database"], candidate["before"]
        with self._maintenance() as connection:
            if self._exists(connection, new):
                if self._exists(connection, self._database):
                    self._rename(connection, self._database, before)
                self._rename(connection, new, self._database)
            if self._exists(connection, before):
                return f"What served before is the database {before}"
        return "There was none that served"

    def discard(self, candidate: Candidate) -> None:
        with self._maintenance() as connection:
            statement = sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            connection.execute(statement.format(sql.Identifier(candidate["database"])))

    def _at(self, database: str) -> str:
        return urlunsplit(urlsplit(self._url)._replace(path=f"/{database}"))

    @contextmanager
    def _maintenance(self) -> Iterator[psycopg.Connection[Any]]:
        with _told(), psycopg.connect(self._at(MAINTENANCE), autocommit=True) as connection:
            yield connection

    @contextmanager
    def _reading(self, url: str) -> Iterator[psycopg.Connection[Any]]:
        with _told(), psycopg.connect(url, options="-c timezone=UTC -c datestyle=ISO") as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            connection.read_only = True
            yield connection

    @staticmethod
    def _exists(connection: psycopg.Connection[Any], database: str) -> bool:
        return connection.execute("SELECT FROM pg_database WHERE datname = %s", (database,)).rowcount == 1

    @staticmethod
    def _rename(connection: psycopg.Connection[Any], old: str, new: str) -> None:
        """Nobody may be connected, nor come back before it is done."""
        names = {"old": sql.Identifier(old), "new": sql.Identifier(new)}
        connection.execute(sql.SQL("ALTER DATABASE {old} ALLOW_CONNECTIONS false").format(**names))
        now = old
        try:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", (old,)
            )
            connection.execute(sql.SQL("ALTER DATABASE {old} RENAME TO {new}").format(**names))
            now = new
        finally:
            connection.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS true").format(sql.Identifier(now)))

    @staticmethod
    def _grant(connection: psycopg.Connection[Any], database: str, grants: list[list[str | None]]) -> None:
        """Who may connect and so on, which is the database's and not in its dump. None were said: PostgreSQL's own."""
        if not grants:
            return
        name = sql.Identifier(database)
        connection.execute(sql.SQL("REVOKE ALL ON DATABASE {} FROM PUBLIC").format(name))
        for role, privilege in grants:
            whom = sql.SQL("PUBLIC") if role is None else sql.Identifier(role)
            statement = sql.SQL("GRANT {} ON DATABASE {} TO {}")
            connection.execute(statement.format(sql.SQL(str(privilege)), name, whom))


def counted(connection: psycopg.Connection[Any]) -> Census:
    """Of every table: partitions each by itself, since that is where rows are."""
    found = {}
    for schema, table, times in connection.execute(TABLES).fetchall():
        highest = sql.SQL(", ").join(sql.SQL("max({})").format(sql.Identifier(time)) for time in times)
        last = sql.SQL("greatest({})").format(highest) if times else sql.SQL("NULL::timestamptz")
        statement = sql.SQL(SUM).format(last, sql.Identifier(schema, table))
        count, total, at = connection.execute(statement).fetchone() or (0, 0, None)
        newest = at.astimezone(UTC).isoformat() if at else None
        found[f"{schema}.{table}"] = Collection(count, f"{int(total) % (1 << 128):032x}", newest)
    return found


def _run(program: str, *arguments: str) -> None:
    done = subprocess.run([str(postgres_binaries() / program), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise StackError(f"{program}: {done.stderr.strip()[-500:]}")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise StackError(f"PostgreSQL: {str(error).strip()}") from error
