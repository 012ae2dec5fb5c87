"""The operator console in Chromium over the whole platform: what is drawn is what was measured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from playwright import async_api as playwright

from localcloud.monitor import queue_depths
from localcloud.testing import LocalCloud, observation
from tests.e2e import chromium
from tests.e2e.watching import watching

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

BOARDS = ("websocket", "lambda", "redis", "sqs", "business")
STAGE = {"Stage": "local"}
LATENCY = "Latency from publication to the gateway"
GAP, ROW = 8, 46  # pixels between widgets, and from one row of the grid to the next
MINUTE = timedelta(minutes=1)
SCRIPT = "<img src=x onerror=\"document.title='owned'\">"

Open = Callable[..., Awaitable[Any]]

# A widget by the beginning of its title; the [r, g, b, a] that covers most where its line is at a time; how many
# pixels of a limit's colour there are at a value; where the widget is of that title that is nearest to a place.
TOOLS = """
globalThis.widget = (title) => [...document.querySelectorAll(".widget")]
  .find((node) => node.querySelector("h3")?.textContent.startsWith(title));
globalThis.plotOf = (title) => widget(title)?.querySelector(".plot")?.plot;
globalThis.painted = (title, series, time) => {
  const plot = plotOf(title);
  const at = plot.data[0].indexOf(time);
  const scale = plot.series[series].scale;
  const [x, y] = [plot.valToPos(time, "x", true), plot.valToPos(plot.data[series][at], scale, true)];
  const near = plot.ctx.getImageData(Math.round(x) - 2, Math.round(y) - 2, 5, 5).data;
  const pixels = [...Array(near.length / 4).keys()].map((pixel) => [...near.slice(pixel * 4, pixel * 4 + 4)]);
  return pixels.reduce((best, pixel) => (pixel[3] > best[3] ? pixel : best));
};
globalThis.redIn = (title, value) => {
  const { ctx, bbox, valToPos } = plotOf(title);
  const row = ctx.getImageData(bbox.left, Math.round(valToPos(value, "y", true)) - 1, bbox.width, 3).data;
  const isRed = (i) => row[i] > 180 && row[i + 1] < 90 && row[i + 3] > 100;
  return [...Array(row.length / 4).keys()].filter((pixel) => isRed(pixel * 4)).length;
};
globalThis.boxNear = (title, x, y) => {
  const away = (box) => Math.hypot(box.x - x, box.y - y);
  const boxes = [...document.querySelectorAll(".widget")]
    .filter((node) => node.querySelector("h3").textContent === title)
    .map((node) => node.getBoundingClientRect());
  const [box] = boxes.sort((a, b) => away(a) - away(b));
  return [box.x, box.y, box.width, box.height];
};
"""


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


async def until(page: Any, expression: str) -> None:
    async with asyncio.timeout(30):
        while not await page.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 (the browser has no event for it)
            await asyncio.sleep(0.05)


def minutes_ago(minutes: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - minutes * MINUTE


def put(cloud: LocalCloud, name: str, at: datetime, *values: float) -> None:
    cloud.monitor.store.put("DefiStream", name, STAGE, at, values)


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


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("at", ["boards/lambda", "alarms/Degraded", "traces", "map", "logs", "runbooks/README"])
async def test_nothing_is_wider_than_a_phone(show, at, theme):
    page = await show(at, width=390, theme=theme)
    await until(page, "document.querySelector('#view').innerText.length > 20")
    assert await page.evaluate("document.documentElement.scrollWidth") <= 390
    assert await page.locator("#problem").is_hidden()


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
