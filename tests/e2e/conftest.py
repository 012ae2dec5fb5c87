"""The whole platform for the tests: in this process, its handlers and stores in processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import uplot
from playwright import async_api as playwright

from localcloud.testing import LocalCloud
from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page import Opener, Page

WEB = Path(__file__).parents[2] / "web"
VENDOR = Path(uplot.__file__).parent / "static"
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


# --- the public page against a small server that can lose, repeat and cut -----------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as driver:
        playwright.expect.set_options(timeout=10_000)
        browser = await driver.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def server() -> AsyncIterator[FakeServer]:
    async with FakeServer(WEB, VENDOR, tier="pro", fastest_rate="realtime") as server:
        server.create({"price:ethereum": "3000", "price:bitcoin": "60000", "peg:usd-coin": "0.9996"})
        server.create({"tvl:chain:Terra-Classic": "4560000000"})
        yield server


@pytest_asyncio.fixture(loop_scope="module")
async def open_page(browser: Any, server: FakeServer) -> AsyncIterator[Opener]:
    """Open the page; at the end it must have had no error and have asked nobody but its own server."""
    contexts, complaints = [], []

    async def opener(*, path: str = "/", rows: bool = True, **options: Any) -> Page:
        context = await browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(10_000)
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("console", lambda message: _complain_of_policy(message, complaints))
        page.on(
            "request", lambda request: None if request.url.startswith(server.url) else complaints.append(request.url)
        )
        await page.add_init_script(chromium.RECORDER)
        await page.goto(server.url + path)
        if rows:
            await page.wait_for_selector("#rows .row")
        return page

    yield opener
    for context in contexts:
        await context.close()
    assert complaints == []


def _complain_of_policy(message: Any, complaints: list[str]) -> None:
    if "Content Security Policy" in message.text:
        complaints.append(message.text)
