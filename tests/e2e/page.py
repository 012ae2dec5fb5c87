"""The public page in a browser: what its tests find and wait for in it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from playwright import async_api as playwright

Page = Any
Opener = Callable[..., Awaitable[Page]]


def row(page: Page, topic: str) -> Any:
    return page.locator(f'#rows .row[data-topic="{topic}"]')


def expect(locator: Any) -> Any:
    return playwright.expect(locator)


async def until(page: Page, expression: str) -> None:
    """Wait for a JavaScript expression. Playwright's own wait evaluates in the page, which its policy forbids."""
    async with asyncio.timeout(10):
        while not await page.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 (the browser has no event for it)
            await asyncio.sleep(0.03)
