"""Real servers for the tests: started once a run, on free ports of loopback, ended with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import redis

from chalicelib.telemetry import log, metrics
from localcloud.holdings import UNNAMED, holdings
from localcloud.ministack import Ministack
from localcloud.stores import RedisServer
from tests.leaks import pytest_runtest_makereport  # noqa: F401 - a hook, which this makes known

log.configure(level="INFO", stage="test", version="test")  # as in production: the default shows local variables
metrics.configure(stage="test", strict=True)


WITH_SERVERS = ("contract", "functional")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Two lots for two processes (-n 2 --dist loadgroup): each has its own servers and keeps the order of its tests."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        item.add_marker(pytest.mark.xdist_group("with servers" if folder in WITH_SERVERS else "others"))


class Server(Protocol):
    """What runs beside the tests."""

    async def start(self) -> None: ...

    async def stop(self) -> None: ...


@contextmanager
def running(server: Server) -> Iterator[asyncio.AbstractEventLoop]:
    """Gives the loop that the server was started on; ends it whatever happens."""
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(server.start())
        yield loop
    finally:
        loop.run_until_complete(server.stop())
        loop.close()


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A real Redis for the whole run."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    with running(server):
        yield server


@pytest.fixture
def redis_url(redis_server: RedisServer) -> str:
    """The same Redis, empty."""
    with redis.Redis.from_url(redis_server.url) as client:
        client.flushall()
    return redis_server.url


@pytest.fixture
async def own_redis(tmp_path: Path) -> AsyncIterator[RedisServer]:
    """A Redis of the test's own, to be killed and replaced."""
    server = RedisServer(tmp_path / "redis")
    await server.start()
    yield server
    await server.stop()


@dataclass(frozen=True, slots=True)
class DeployedStack:
    """A ministack with our template in it; ``outputs`` are the stack's."""

    aws: Ministack
    outputs: Mapping[str, str]


@pytest.fixture(scope="session")
def ministack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DeployedStack]:
    """Real queues, topic, table and secret, made from cfn/, for the whole run."""
    aws = Ministack(tmp_path_factory.mktemp("ministack"))
    with running(aws) as loop:
        held = holdings()
        made = aws.deploy(held.template, stack="contract", parameters=held.with_values(UNNAMED))
        yield DeployedStack(aws, loop.run_until_complete(made))
