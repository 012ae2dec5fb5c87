"""The platform with everything traced, a browser, and the console open at any place."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright import async_api as playwright

from localcloud.testing import LocalCloud
from tests.e2e import chromium
from tests.e2e.console.looking import TOOLS, Open


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[LocalCloud]:
    async with LocalCloud(tracing="all") as cloud:
        yield cloud


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser() -> AsyncIterator[Any]:
    async with playwright.async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        yield browser
        await browser.close()


@pytest_asyncio.fixture(loop_scope="module")
async def show(cloud: LocalCloud, browser: Any) -> AsyncIterator[Open]:
    """Open the console at a hash; whatever the browser complains of fails the test."""
    pages, complaints = [], []

    async def show(at: str, *, width: int = 1280, theme: str = "light", minutes: int = 15) -> Any:
        page = await browser.new_page(viewport={"width": width, "height": 900}, color_scheme=theme)
        pages.append(page)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None)
        await page.add_init_script(TOOLS + f"sessionStorage.setItem('minutes', {minutes});")
        await page.goto(f"{cloud.console_url}#/{at}")
        return page

    yield show
    for page in pages:
        await page.close()
    assert complaints == []
