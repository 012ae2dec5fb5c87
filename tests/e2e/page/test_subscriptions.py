"""What the page lets people subscribe to, and how they change it."""

from __future__ import annotations

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]


async def test_rates_beyond_the_tier_are_there_but_disabled(open_page: Opener, server: FakeServer) -> None:
    """The free tier sees what it could have and why it has not; nothing faster is ever asked for."""
    server.tier, server.fastest_rate = "free", "5s"
    page = await open_page()
    options = await page.locator("#rate option").evaluate_all("all => all.map(o => [o.value, o.disabled])")
    assert options == [["realtime", True], ["1s", True], ["5s", False], ["15s", False], ["60s", False]]
    await expect(page.locator('#rate option[value="1s"]')).to_have_text("1 s (not in the free tier)")
    assert {command["rate"] for command in server.commands} == {"5s"}


async def test_a_topic_is_subscribed_with_rate_and_filter_and_removed_again(
    open_page: Opener, server: FakeServer
) -> None:
    """The box sends what it says; removing a subscription removes its rows."""
    page = await open_page()
    await page.get_by_role("combobox", name="Topic").fill("peg:usd-coin")
    await page.locator("#rate").select_option("15s")
    await page.locator("#change").select_option("0.5")
    await page.get_by_role("button", name="Subscribe", exact=True).click()
    await expect(page.locator("#subscriptions")).to_contain_text("peg:usd-coin15 s · ≥ 0.5 %")
    sent = next(command for command in server.commands if command["topics"] == ["peg:usd-coin"])
    assert (sent["rate"], sent["filter"]) == ("15s", {"min_change_pct": "0.5"})
    await page.get_by_role("button", name="Unsubscribe from price:*").click()
    await expect(page.locator("#rows .row")).to_have_count(0)
    await page.get_by_role("button", name="Subscribe to price:*").click()
    await expect(row(page, "price:bitcoin")).to_be_visible()


async def test_a_changed_rate_resumes_and_loses_nothing(open_page: Opener, server: FakeServer) -> None:
    """The selector over the table replaces the subscription's rate, with `since`."""
    page = await open_page()
    await page.locator("#tab-rate").select_option("15s")
    await until(page, "[...defiStream.stream.subscriptions].some(([, { rate }]) => rate === '15s')")
    await server.publish("price:ethereum", "3001")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,001.00")
    changed = [command for command in server.commands if command["rate"] == "15s"]
    assert set(changed[0]["since"]) == {"price:ethereum", "price:bitcoin"}


async def test_a_rejected_topic_is_named_with_its_reason(open_page: Opener) -> None:
    """A name that does not exist is refused without disturbing the others."""
    page = await open_page()
    await page.get_by_role("combobox", name="Topic").fill("price:nonsense")
    await page.get_by_role("combobox", name="Topic").press("Enter")
    await expect(page.locator("#subscribe-error")).to_have_text("price:nonsense: no such topic")
    await expect(page.locator("#subscriptions")).not_to_contain_text("nonsense")
    await expect(page.locator("#state-text")).to_have_text("Live")
