"""Every suite here runs twice: on the fake that other tests trust, and on the real thing, as the functions' user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from localcloud.stores import PostgresServer
from tests.conftest import running
from tests.contract.databases import Database, empty_database
from tests.contract.stores import Store, fake_store, redis_store
from tests.functions_user import as_functions_user


@pytest.fixture(params=["fake", "redis"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "fake":
        return fake_store()
    return redis_store(as_functions_user(request.getfixturevalue("redis_url")))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A real PostgreSQL for the whole run."""
    server = PostgresServer()
    with running(server):
        yield server


@pytest.fixture
def database(postgres_server: PostgresServer, tmp_path: Path) -> Iterator[Database]:
    """On it, an empty database."""
    with empty_database(postgres_server, "test", tmp_path) as database:
        yield database
