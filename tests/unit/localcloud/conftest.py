"""The AWS APIs of the laptop for tests of what speaks with them."""

import asyncio

import pytest

from localcloud.ministack import Ministack


@pytest.fixture(scope="module")
def ministack(tmp_path_factory):
    """One for a module: each test makes queues and topics of its own."""
    server = Ministack(tmp_path_factory.mktemp("ministack"))
    loop = asyncio.new_event_loop()
    loop.run_until_complete(server.start())
    yield server
    loop.run_until_complete(server.stop())
    loop.close()
