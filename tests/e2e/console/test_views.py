"""Alarms, traces, map and logs in Chromium over the whole platform."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from localcloud.ministack import REGION
from localcloud.schedules import scheduled_event
from localcloud.testing import observation
from tests.e2e import chromium
from tests.e2e.console.looking import minutes_ago, put, until
from tests.e2e.watching import watching

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

SCRIPT = "<img src=x onerror=\"document.title='owned'\">"


async def test_a_slow_quarter_of_an_hour_is_an_alarm_with_threshold_history_and_runbook(show, cloud):
    for minute in range(1, 6):
        put(cloud, "PublishedToSent", minutes_ago(minute), *[900.0] * 20)
    page = await show("alarms/PushLatencyTooHigh")
    await page.get_by_role("button", name="Evaluate now").click()
    await until(page, "document.querySelector('.detail .pill').textContent === 'In alarm'")
    assert await page.locator(".list .row[aria-current] .pill").first.inner_text() == "In alarm"
    assert int(await page.locator("#alarming").inner_text()) >= 1
    assert await page.locator(".alarm-graph").get_attribute("data-threshold") == "200"
    drawn = "document.querySelector('.alarm-graph .plot').plot"
    assert await page.evaluate(f"{drawn}.data[1].filter((value) => value === 900).length") >= 4
    assert await page.evaluate(f"{drawn}.scales.y.min < 200")
    assert "were greater than the threshold (200.0)" in await page.locator(".history").inner_text()
    await page.get_by_role("link", name="Runbook").click()
    await until(page, "document.querySelector('.prose h2')?.textContent === 'PushLatencyTooHigh'")
    assert await page.locator(".prose pre").count() >= 1


async def test_a_published_change_can_be_followed_on_the_page_from_process_to_deliver(show, cloud):
    async with watching(cloud, "price:ethereum") as watcher:
        await cloud.publish([observation("price:ethereum", "3000.5")])
        async with asyncio.timeout(30):
            while not watcher.updates:  # noqa: ASYNC110 - of an object that has no event
                await asyncio.sleep(0.02)
    page = await show("traces")
    await until(page, "[...document.querySelectorAll('table a')].some((link) => link.textContent === 'deliver')")
    await page.get_by_role("link", name="deliver", exact=True).first.click()
    await until(page, "document.querySelector('.hop')?.textContent.includes('deliveries')")
    names = await page.locator(".waterfall .name b").all_inner_texts()
    assert {"process", "deliver", "Redis", "SQS", "@connections"} <= set(names)
    assert names.index("process") < names.index("deliver")
    assert "waited" in await page.locator(".hop").last.inner_text()
    await page.goto(f"{cloud.console_url}#/map")
    await until(page, "document.querySelectorAll('.edge.linked').length >= 1")
    shown = await page.locator(".node .name").all_text_contents()
    assert {"process", "deliver", "Redis"} <= set(shown)


async def test_logs_are_narrowed_and_never_become_markup(show, cloud):
    cloud.observability.logs.add("process", f'{{"level": "error", "event": "{SCRIPT.replace(chr(34), chr(39))}"}}')
    cloud.observability.logs.add(
        "deliver", '{"level": "info", "event": "narrowed", "connection_id": "c-42", "topic": "peg:x"}'
    )
    page = await show("logs")
    await until(page, "document.querySelector('.lines').textContent.includes('narrowed')")
    assert "<img src=x" in await page.locator(".lines").inner_text()
    assert await page.locator(".lines img").count() == 0
    await page.get_by_label("Connection").fill("c-42")
    await page.get_by_label("Connection").press("Enter")
    await until(page, "document.querySelectorAll('.lines details').length === 1")
    assert "connection=c-42" in page.url
    await page.goto(f"{cloud.console_url}#/logs?level=error&function=process")
    await until(page, "document.querySelector('.lines').textContent.includes('<img')")
    assert set(await page.locator(".lines .function").all_inner_texts()) == {"process"}
    assert await page.title() != "owned"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("at", ["boards/lambda", "alarms/Degraded", "traces", "map", "logs", "runbooks/README"])
async def test_nothing_is_wider_than_a_phone(show, at, theme):
    page = await show(at, width=390, theme=theme)
    await until(page, "document.querySelector('#view').innerText.length > 20")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.locator("#problem").is_hidden()


async def test_on_the_map_a_schedule_calls_what_clients_do_not(show, cloud):
    await cloud.runtime.invoke(
        "sweep", scheduled_event("sweep", datetime.now(UTC), region=REGION, account_id="000000000000")
    )
    page = await show("map")
    await until(page, "[...document.querySelectorAll('.node')].some((node) => node.ariaLabel === 'sweep')")
    await page.get_by_role("button", name="sweep").press("Enter")
    await until(page, "document.querySelector('aside h2')?.textContent === 'sweep'")
    callers = await page.locator("aside dt:text-is('Called by') + dd").inner_text()
    assert [line.split(":")[0] for line in callers.splitlines()] == ["Schedule"]
