"""The whole platform for the tests: in this process, its handlers and stores in processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from localcloud.testing import LocalCloud

StartCloud = Callable[..., Awaitable[LocalCloud]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[LocalCloud]:
    """One platform for a module whose tests harm nothing; they run in its loop (``asyncio(loop_scope="module")``)."""
    async with LocalCloud() as cloud:
        yield cloud


@pytest.fixture
async def start_cloud() -> AsyncIterator[StartCloud]:
    """Start a platform of the test's own, with any of localcloud's options; it ends with the test."""
    async with AsyncExitStack() as stack:

        async def start(**options: object) -> LocalCloud:
            return await stack.enter_async_context(LocalCloud(**options))

        yield start
