"""The console without a mouse."""

from __future__ import annotations

import pytest

from tests.e2e import chromium
from tests.e2e.console.looking import until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]


async def test_keys_lead_from_view_to_view(show):
    page = await show("boards/websocket")
    await until(page, "document.querySelector('.board')?.dataset.board === 'websocket'")
    await page.keyboard.press("]")
    await until(page, "document.querySelector('.board')?.dataset.board === 'lambda'")
    await page.keyboard.press("a")
    await until(page, "document.querySelectorAll('.list .row').length > 25")
    await page.keyboard.press("/")
    await page.keyboard.type("redis")
    await until(
        page,
        "[...document.querySelectorAll('.list .row b')].every((name) => /redis/i.test(name.parentNode.textContent))",
    )
    await page.keyboard.press("Escape")
    await page.keyboard.press("l")
    await until(page, "location.hash === '#/logs'")


async def test_what_has_the_focus_keeps_it_when_the_server_is_asked_again(show):
    page = await show("alarms")
    await until(page, "document.querySelectorAll('.list .row').length > 25")
    row = page.get_by_role("link", name="ServiceDown")
    await row.focus()
    await page.evaluate("globalThis.before = document.activeElement")
    await page.keyboard.press("r")
    await until(page, "!before.isConnected")
    await until(page, "document.activeElement.matches('a.row[href$=\"/ServiceDown\"]')")
    await page.keyboard.press("Enter")
    await until(page, "document.querySelector('.detail h2')?.textContent === 'ServiceDown'")


async def test_the_content_can_be_skipped_to_without_leaving_the_view(show):
    page = await show("alarms")
    await until(page, "document.querySelectorAll('.list .row').length > 25")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await until(page, "document.activeElement.id === 'view'")
    assert await page.evaluate("location.hash") == "#/alarms"
