"""Dashboards in Chromium over the whole platform: what is drawn is what was measured, where the JSON puts it."""

from __future__ import annotations

import asyncio

import pytest

from localcloud.monitor import queue_depths
from tests.e2e import chromium
from tests.e2e.console.looking import MINUTE, minutes_ago, put, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

BOARDS = ("websocket", "lambda", "redis", "sqs", "business")
LATENCY = "Latency from publication to the gateway"
GAP, ROW = 8, 46  # pixels between widgets, and from one row of the grid to the next


@pytest.mark.parametrize("board", BOARDS)
async def test_every_widget_stands_where_its_json_puts_it(show, board):
    page = await show(f"boards/{board}")
    await until(page, f"document.querySelector('.board')?.dataset.board === '{board}'")
    told = await page.evaluate(f"fetch('/console/api/boards/{board}').then((answer) => answer.json())")
    column = await page.evaluate("(document.querySelector('.board').clientWidth + 8) / 24")
    top = await page.evaluate("document.querySelector('.board').getBoundingClientRect().top")
    for widget in told["widgets"]:
        title = widget["properties"]["title"]
        left, below = 20 + widget["x"] * column, top + widget["y"] * ROW
        box = await page.evaluate(f"boxNear({title!r}, {left}, {below})")
        place = (left, below, widget["width"] * column - GAP, widget["height"] * ROW - GAP)
        assert box == pytest.approx(place, abs=1.5), title


async def test_points_of_a_known_metric_are_drawn_with_their_percentiles(show, cloud):
    at = minutes_ago(8)
    put(cloud, "PublishedToSent", at, *range(1, 101))
    put(cloud, "PublishedToSent", at + MINUTE, *range(101, 201))
    page = await show("boards/websocket", theme="dark")
    await until(page, f"plotOf('{LATENCY}')?.data[1].some((value) => value === 50)")
    first = int(at.timestamp())
    drawn = await page.evaluate(
        "([title, first]) => { const { data } = plotOf(title); const i = data[0].indexOf(first);"
        "return data.slice(1).map((row) => [row[i], row[i + 1]]); }",
        [LATENCY, first],
    )
    assert drawn == [[50, 150], [95, 195], [99, 199]]  # p50, p95, p99
    colour = await page.evaluate(f"painted('{LATENCY}', 2, {first})")
    wanted = await page.evaluate(f"plotOf('{LATENCY}').series[2].stroke()")
    assert colour[:3] == pytest.approx(list(bytes.fromhex(wanted[1:])), abs=4)


async def test_the_alarms_limit_is_drawn_and_inside_the_axis(show):
    page = await show("boards/websocket")
    await until(page, f"plotOf('{LATENCY}')")
    low, high = await page.evaluate(f"(({{ scales: {{ y }} }}) => [y.min, y.max])(plotOf('{LATENCY}'))")
    assert low == 0
    assert high > 200
    assert await page.evaluate(f"redIn('{LATENCY}', 200)") > 100


async def test_a_number_is_the_newest_minute_that_is_over(show, cloud):
    put(cloud, "FramesDelivered", minutes_ago(1), 4000, 321)
    put(cloud, "FramesDelivered", minutes_ago(0), 1)
    page = await show("boards/websocket")
    await until(page, "widget('Frames a minute')?.querySelector('.figure b')?.textContent === '4,321'")


async def test_what_only_aws_measures_says_so(show):
    page = await show("boards/redis")
    await until(page, "widget('CPU credits')?.textContent.includes('only AWS measures this')")


async def test_a_dead_letter_is_measured_with_its_age(show, cloud):
    sqs = cloud.aws.client("sqs")
    url = sqs.get_queue_url(QueueName="ticks-dead-letters")["QueueUrl"]
    sqs.send_message(QueueUrl=url, MessageBody="{}")
    async with asyncio.timeout(30):
        while (await asyncio.to_thread(queue_depths, sqs))["ticks-dead-letters"].oldest_s < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await cloud.monitor.evaluate()
    sqs.purge_queue(QueueUrl=url)
    page = await show("boards/sqs")
    await until(page, "widget('Dead letters: good at 0')?.querySelector('.figure b')?.textContent === '1'")


async def test_lines_without_data_are_one_word_of_the_legend(show):
    page = await show("boards/lambda")
    await until(page, "widget('Invocations a minute:')?.querySelector('.legend li:last-child:not([hidden])')")
    told = page.locator(".widget", has_text="Invocations a minute: ").locator(".legend")
    silent = (await told.locator("li:last-child").get_attribute("title")).split(", ")
    assert await told.locator("li:last-child").inner_text() == f"{len(silent)} without data"
    shown = await told.locator("li:visible span").all_inner_texts()
    assert set(shown).isdisjoint(silent)
    assert "authorize" in {*shown, *silent}
