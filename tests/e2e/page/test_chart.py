"""The chart of a topic: its history, the live updates joined to it, and what is wrong if it is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, Page, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

ETH = "price:ethereum"
NOW = datetime.now(UTC).replace(second=0, microsecond=0)
LINK = f"/#topic={ETH}&range=1h"


def at(minutes_ago: float) -> str:
    return (NOW - timedelta(minutes=minutes_ago)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


async def shown(page: Page) -> dict[str, float]:
    """What is drawn: values by time. A time that came twice would be a list."""
    times, _, _, _, closes = await page.evaluate("defiStream.chart.shown.columns")
    known = [(time, close) for time, close in zip(times, closes, strict=True) if close is not None]
    assert len({time for time, _ in known}) == len(known), "a point was doubled"
    return {
        datetime.fromtimestamp(time, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"): close
        for time, close in known
    }


async def shows(page: Page, points: dict[str, float]) -> None:
    await until(page, f"defiStream.chart.shown.columns[4].filter((close) => close !== null).length === {len(points)}")
    assert await shown(page) == points


@pytest.fixture
def past(server: FakeServer) -> dict[str, float]:
    """Half an hour of the topic, a value a minute; its changes of the stream are newer."""
    values = {at(minutes): 2900.0 + minutes for minutes in range(50, 20, -1)}
    server.past[ETH] = [(time, str(value)) for time, value in values.items()]
    server.topics.pop(ETH)
    return values


async def test_history_and_stream_are_joined_with_nothing_missing_and_nothing_twice(
    open_page: Opener, server: FakeServer, past: dict[str, float]
) -> None:
    """Changes come before the page, too late for the history; while it is read; lost on the way; and after it."""

    async def change(minutes_ago: int, *, send: bool = True) -> dict[str, Any]:
        past[at(minutes_ago)] = 3000.0 + minutes_ago
        return await server.publish(ETH, str(3000 + minutes_ago), send=send, observed_at=at(minutes_ago))

    for minutes_ago in (19, 18, 17, 16):
        await change(minutes_ago)
    server.recorded[ETH] = 2  # the last two are not in the history yet, and only the newest is in a snapshot
    server.may_answer.clear()
    page = await open_page(path=LINK)
    await until(page, "document.getElementById('detail-chart').dataset.state === 'loading'")
    twice = await change(15)
    await change(14, send=False)
    await change(13)
    await server.push([twice])
    server.may_answer.set()
    await shows(page, past)
    await change(12)
    await server.push([twice])
    await shows(page, past)
    joined = [command for command in server.commands if ETH in command.get("since", {})]
    assert joined[0]["since"][ETH] == {"epoch": "e1", "offset": 2}
    assert (await page.evaluate("defiStream.stream.counters"))["lost"] == 0


async def test_after_a_lost_connection_the_chart_is_whole_again(
    open_page: Opener, server: FakeServer, past: dict[str, float]
) -> None:
    await server.publish(ETH, "3010", observed_at=at(10))
    page = await open_page(path=LINK)
    await shows(page, {**past, at(10): 3010})
    await server.cut()
    await server.publish(ETH, "3009", observed_at=at(9))
    await shows(page, {**past, at(10): 3010, at(9): 3009})


async def test_any_order_of_history_and_updates_makes_the_same_candles(open_page: Opener) -> None:
    """Repeated, reordered, before the history and after it: as if all had been in the history. 300 seeds."""
    page = await open_page()
    assert await page.evaluate(ORDERS, 300) == []


async def test_what_is_missing_is_a_gap_and_no_line(open_page: Opener, server: FakeServer) -> None:
    server.past[ETH] = [(at(minutes), "2900") for minutes in (*range(50, 35, -1), *range(20, 0, -1))]
    page = await open_page(path=LINK)
    await until(page, "defiStream.chart.shown.gaps.length === 1")
    (gap,) = await page.evaluate("defiStream.chart.shown.gaps")
    assert [datetime.fromtimestamp(time, UTC) for time in gap] == [NOW - timedelta(minutes=m) for m in (35, 20)]
    await expect(page.locator("#chart-readout")).to_contain_text("Shaded: nothing was observed (1 gap")
    await expect(page.locator("#detail-chart")).to_have_attribute("aria-label", re.compile(", 1 gap"))


async def test_a_past_that_was_observed_more_rarely_is_a_line_and_no_row_of_gaps(
    open_page: Opener, server: FakeServer
) -> None:
    times = (*range(55, 30, -5), *range(30, 15, -1), *range(5, 0, -1))
    server.past[ETH] = [(at(minutes), "2900") for minutes in times]
    page = await open_page(path=LINK)
    await until(page, "document.getElementById('detail-chart').dataset.state === 'ready'")
    await until(page, "defiStream.chart.shown.gaps.length === 1")
    ((begins, _),) = await page.evaluate("defiStream.chart.shown.gaps")
    assert datetime.fromtimestamp(begins, UTC) == NOW - timedelta(minutes=15)


@pytest.mark.parametrize(
    ("tab", "ticks", "labels"),
    [
        ("price", [45000, 47500, 50000], ["$45.0 K", "$47.5 K", "$50.0 K"]),
        ("price", [3200, 3400], ["$3,200", "$3,400"]),
        ("chain", [50e9, 100e9], ["$50 B", "$100 B"]),
        ("peg", [0.975, 1.0], ["$0.975", "$1.000"]),
        ("yield", [2.5, 5.0], ["2.5 %", "5.0 %"]),
    ],
)
async def test_marks_of_an_axis_are_labelled_with_what_they_are(
    open_page: Opener, tab: str, ticks: list[float], labels: list[str]
) -> None:
    page = await open_page()
    told = "async ([tab, ticks]) => (await import('/format.js')).formatTicks(tab, ticks)"
    assert await page.evaluate(told, [tab, ticks]) == labels


async def test_a_history_that_begins_within_the_range_is_said_to(open_page: Opener, server: FakeServer) -> None:
    server.past[ETH] = [(at(minutes), "2900") for minutes in range(30, 0, -1)]
    page = await open_page(path=LINK)
    await expect(page.locator("#chart-readout")).to_contain_text("Nothing was recorded before")
    server.past[ETH] = [(at(minutes), "2900") for minutes in range(65, 0, -1)]
    await page.reload()
    await until(page, "document.getElementById('detail-chart').dataset.points > 50")
    await expect(page.locator("#chart-readout")).to_have_text(" ")


async def test_a_history_that_cannot_be_had_is_said_and_asked_for_again(
    open_page: Opener, server: FakeServer, past: dict[str, float]
) -> None:
    """What came since the page opened is drawn meanwhile."""
    await server.publish(ETH, "3010", observed_at=at(10))
    server.history_refuses = (503, "PostgreSQL cannot be reached")
    page = await open_page(path=LINK)
    await expect(page.locator("#chart-state")).to_contain_text("No history: PostgreSQL cannot be reached.")
    await until(page, "defiStream.chart.shown.columns[4].includes(3010)")
    server.history_refuses = None
    await page.get_by_role("button", name="Try again").click()
    await shows(page, {**past, at(10): 3010})
    await expect(page.locator("#chart-state")).to_be_hidden()


async def test_ranges_and_style_are_chosen_by_keyboard_and_kept_in_the_link(
    open_page: Opener, server: FakeServer
) -> None:
    page = await open_page()
    await row(page, ETH).click()
    await page.keyboard.press("3")
    await expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")
    await page.keyboard.press("c")
    await expect(page).to_have_url(re.compile(rf"#topic={ETH}&range=7d&style=candles$"))
    asked = server.asked[-1]
    age = datetime.now(UTC) - datetime.fromisoformat(asked["from"])
    assert (asked["interval"], age // timedelta(hours=1)) == ("1h", 7 * 24)
    await page.reload()
    await expect(page.get_by_role("button", name="Candles")).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("#detail-topic")).to_have_text(ETH)
    await page.keyboard.press("Escape")
    await expect(page).to_have_url(re.compile("#range=7d&style=candles$"))


async def test_single_values_are_read_by_keyboard(open_page: Opener, server: FakeServer) -> None:
    server.past[ETH] = [(at(30), "2900"), (at(29.9), "2950"), (at(29.5), "2910"), (at(28), "2920")]
    server.topics[ETH].log[-1]["observed_at"] = at(27)
    page = await open_page(path=f"{LINK}&style=candles", timezone_id="UTC")
    await until(page, "defiStream.chart.shown.columns[0].length === 3")
    await page.locator("#detail-chart").focus()
    await page.keyboard.press("Home")
    first = "open $2,900.00 · high $2,950.00 · low $2,900.00 · close $2,910.00"
    await expect(page.locator("#chart-readout")).to_contain_text(first)
    await page.keyboard.press("ArrowRight")
    await expect(page.locator("#chart-readout")).to_contain_text("close $2,920.00")
    await page.keyboard.press("End")
    await page.keyboard.press("ArrowLeft")
    await expect(page.locator("#chart-readout")).to_contain_text("close $2,920.00")


async def test_a_link_opens_a_topic_that_nobody_subscribed_to(open_page: Opener, server: FakeServer) -> None:
    server.create({"yield:pool-1": "4.2"})
    page = await open_page(path="/#topic=yield:pool-1")
    await expect(page.locator("#detail-value")).to_have_text("4.20 %")
    await expect(page.locator("#subscriptions")).to_contain_text("yield:pool-1")


async def test_what_a_link_opened_is_marked_in_the_table(open_page: Opener, server: FakeServer) -> None:
    server.create({"price:bitcoin": "64000"})
    page = await open_page(path=f"/#topic={ETH}")
    await expect(row(page, ETH)).to_have_attribute("aria-selected", "true")
    await expect(page.locator('#rows .row[aria-selected="true"]')).to_have_count(1)
    await page.evaluate("location.hash = 'topic=price:bitcoin'")
    await expect(row(page, "price:bitcoin")).to_have_attribute("aria-selected", "true")
    await expect(page.locator('#rows .row[aria-selected="true"]')).to_have_count(1)


async def test_a_link_to_what_does_not_exist_says_so(open_page: Opener) -> None:
    page = await open_page(path="/#topic=yield:nonsense")
    await expect(page.locator("#detail-note")).to_have_text("no such topic.")


async def test_of_a_recording_single_observations_are_asked_for_by_its_own_clock(
    open_page: Opener, server: FakeServer
) -> None:
    """Candles of minutes are made of recent data alone."""
    server.create({ETH: "2500"}, source="recorded", observed_at="2021-05-19T14:00:00Z")
    server.past[ETH] = [("2021-05-19T13:30:00Z", "2400"), ("2021-05-19T15:30:00Z", "2600")]
    server.recorded[ETH] = 0
    page = await open_page(path=LINK)
    await until(page, "defiStream.chart.shown.columns[0].length === 2")
    assert await shown(page) == {"2021-05-19T13:30:00.000Z": 2400, "2021-05-19T14:00:00.000Z": 2500}
    assert (server.asked[-1]["interval"], server.asked[-1]["from"]) == ("raw", "2021-05-19T13:00:00.000Z")


ORDERS = """async (runs) => {
  const { Timeline } = await import("/timeline.js");
  const wrong = [];
  for (let seed = 1; seed <= runs; seed += 1) {
    let state = seed;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const shuffled = (items) =>
      items.map((item) => [random(), item]).sort((a, b) => a[0] - b[0]).map(([, item]) => item);
    const updates = Array.from({ length: 40 }, (_, index) => ({
      epoch: "e", offset: index + 1, value: String(100 + Math.floor(random() * 50)),
      observed_at: new Date(1e12 + (index * 25 + Math.floor(random() * 20)) * 1000).toISOString(),
    }));
    const pointsOf = (items) => items.map(({ observed_at, value }) => {
      const one = Number(value);
      return { at: Date.parse(observed_at) / 1000, open: one, high: one, low: one, close: one };
    });
    const candlesOf = (items) => {
      const whole = new Timeline(60);
      whole.load({ points: pointsOf(items), live: null });
      return whole.plotted(0, 2e9);
    };
    const recorded = Math.floor(random() * 40);
    const ahead = Math.min(40, recorded + Math.floor(random() * 5)); // the history may have more than it says
    const sent = shuffled([...updates, ...updates.filter(() => random() < 0.3)]);
    const early = Math.floor(random() * sent.length);
    const timeline = new Timeline(60);
    sent.slice(0, early).forEach((update) => timeline.add(update));
    timeline.load({ points: pointsOf(updates.slice(0, ahead)), live: { epoch: "e", offset: recorded } });
    sent.slice(early).forEach((update) => timeline.add(update));
    const [mine, whole] = [timeline.plotted(0, 2e9), candlesOf(updates)];
    if (JSON.stringify(mine) !== JSON.stringify(whole)) wrong.push([seed, recorded, ahead, mine, whole]);
  }
  return wrong;
}"""
