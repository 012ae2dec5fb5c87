"""An empty database of the test's own, on a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from chalicelib.adapters.postgres.owner import Postgres
from chalicelib.adapters.schema import MIGRATIONS, AlembicSchema
from localcloud.stores import PostgresServer
from tests.fakes import FakeSecrets

OWNER = json.dumps({"username": "postgres", "password": "any"})


class Database:
    """Schemas are made of the revisions that it is given."""

    def __init__(self, server: PostgresServer, name: str, directory: Path) -> None:
        self.server, self.name, self.directory = server, name, directory
        self.waits: list[float] = []

    def query(self, statement: str, user: str = "postgres") -> list[tuple[Any, ...]]:
        url = f"postgresql://{user}@127.0.0.1:{self.server.port}/{self.name}"
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[call-overload]
            return cursor.fetchall() if cursor.description else []

    def postgres(self, *values: str, **changes: Any) -> Postgres:
        """With the secret's ``values``, the newest first."""
        usual = {"host": "127.0.0.1", "port": self.server.port, "name": self.name, "sslmode": "disable"}
        usual["secrets"] = FakeSecrets(owner=list(values or [OWNER]))
        return Postgres(secret_id="owner", sleep=self.waits.append, **{**usual, **changes})

    def schema(self, *upgrades: str) -> AlembicSchema:
        """Revisions r1, r2 …, each of one statement."""
        place = self.directory / str(len(list(self.directory.iterdir())))
        (place / "versions").mkdir(parents=True)
        (place / "env.py").write_text((MIGRATIONS / "env.py").read_text())
        for number, statement in enumerate(upgrades, start=1):
            before = f"r{number - 1}" if number > 1 else None
            (place / "versions" / f"r{number}.py").write_text(
                f"from alembic import op\nrevision = 'r{number}'\ndown_revision = {before!r}\n"
                f"def upgrade():\n    op.execute({statement!r})\n"
            )
        return AlembicSchema(self.postgres(), migrations=place)

    def tables(self) -> set[str]:
        return {name for (name,) in self.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


@contextmanager
def empty_database(server: PostgresServer, name: str, directory: Path) -> Iterator[Database]:
    """Ends with the roles that the tests make, which belong to the server."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[call-overload]
        yield Database(server, name, directory)
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[call-overload]
        connection.execute("DROP ROLE IF EXISTS defi_stream, defi_stream_reader, rds_iam, keeper")
