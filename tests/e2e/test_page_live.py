"""The page in Chromium against the whole platform: real handlers, real queues, recorded figures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright import async_api as playwright

from localcloud.testing import LocalCloud, observation
from tests.e2e import chromium

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cloud() -> AsyncIterator[LocalCloud]:
    async with LocalCloud(feed="recorded", poll_s=1.0) as cloud:
        yield cloud


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def page(cloud: LocalCloud) -> AsyncIterator[Any]:
    async with playwright.async_playwright() as driver:
        playwright.expect.set_options(timeout=20_000)
        browser = await driver.chromium.launch(executable_path=chromium.PATH, args=chromium.FLAGS)
        page = await browser.new_page()
        complaints: list[str] = []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        await page.add_init_script(chromium.RECORDER)
        await page.goto(f"{cloud.url}/#key={cloud.key}")
        yield page
        await browser.close()
        assert complaints == []


async def until(page: Any, expression: str) -> None:
    async with asyncio.timeout(30):
        while not await page.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 (the browser has no event for it)
            await asyncio.sleep(0.05)


def holes(accepted: dict[str, list[list[Any]]]) -> dict[str, list[int]]:
    """Offsets that a topic should have been told between its first and its last."""
    missing = {}
    for topic, updates in accepted.items():
        offsets = {offset for _, offset, _ in updates}
        lacking = sorted(set(range(min(offsets), max(offsets) + 1)) - offsets)
        if lacking:
            missing[topic] = lacking
    return missing


async def test_real_figures_arrive_and_change(page):
    await until(page, "document.querySelectorAll('#rows .row').length >= 50")
    await until(page, "Object.values(accepted).filter(updates => updates.length > 2).length >= 30")
    assert await page.locator("#state-text").inner_text() == "Live"


async def test_the_page_says_that_it_shows_recorded_and_interpolated_figures(page):
    await page.get_by_text("Replaying recorded data").wait_for()  # the feed is asked for it
    text = await page.locator("body").inner_text()
    assert "September 2021" in text
    assert "~$" in text


async def test_a_cut_connection_recovers_with_no_update_lost(page, cloud):
    await until(page, "Object.values(accepted).filter(updates => updates.length > 2).length >= 30")
    before = await page.evaluate("Object.values(accepted).flat().length")
    replayed = "Object.values(accepted).flat().some(([, , replayed]) => replayed)"
    async with asyncio.timeout(60):
        while not await page.evaluate(replayed):  # a quick reconnect may have missed nothing: cut again
            count = await page.evaluate("defiStream.stream.counters.reconnects")
            assert cloud.gateway.drop_connections() >= 1
            await until(page, f"defiStream.stream.counters.reconnects > {count}")
            await until(page, "document.querySelector('#state-text').textContent === 'Live'")
    await until(page, f"Object.values(accepted).flat().length > {before} + 100")
    await until(page, "document.querySelector('#state-text').textContent === 'Live'")
    epochs = await page.evaluate("new Set(Object.values(accepted).flat().map(([epoch]) => epoch)).size")
    accepted = await page.evaluate("accepted")
    assert all(len({epoch for epoch, _, _ in updates}) == 1 for updates in accepted.values()), epochs
    assert holes(accepted) == {}
    assert "lost" not in await page.evaluate("gaps")


async def test_a_rule_made_from_a_row_fires_on_a_change_and_is_acknowledged(page, cloud):
    """From the dialog through the rules' index, their life and the socket to the note, and back."""
    topic = "peg:of-the-page"
    await cloud.publish([observation(topic, "1.0")])
    await page.locator("#tab-peg").click()
    row = page.locator(f'#rows .row[data-topic="{topic}"]')
    await row.hover()
    await row.locator(".bell").click()
    await page.locator("#rule input[name=for]").fill("0s")
    await page.get_by_role("button", name="Create").click()
    rule = page.locator("#rules > li").filter(has_text="Of The Page below 0.98")
    await playwright.expect(rule.locator(".phase")).to_have_text("Armed")
    await cloud.publish([observation(topic, "0.9")])
    note = page.locator(".toast")
    await playwright.expect(note).to_contain_text("Of The Page at 0.9")
    await note.get_by_role("button", name="Acknowledge").click()
    await playwright.expect(note).to_have_count(0)
    await playwright.expect(rule.locator(".phase")).to_have_text("Acknowledged")
    await rule.get_by_text("History", exact=True).click()
    await playwright.expect(rule.locator(".log li")).to_have_count(2)
    await cloud.publish([observation(topic, "1.0")])
    await playwright.expect(rule.locator(".log li").first).to_contain_text("Resolved")
