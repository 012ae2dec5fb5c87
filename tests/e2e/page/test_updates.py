"""Updates on the page: every one once, in order or not, and what is lost is said to be."""

from __future__ import annotations

import re

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, accepted, counters, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

INTERLEAVINGS = """async (runs) => {
  const { TopicTrack } = await import("/continuity.js");
  const wrong = [];
  for (let seed = 1; seed <= runs; seed += 1) {
    let state = seed;
    const random = () => (state = (state * 48271) % 2147483647) / 2147483647;
    const track = new TopicTrack("price:x");
    const got = [];
    const take = (update, now) => {
      const { outcome } = track.apply(update, now);
      if (!update.snapshot && ["first", "next", "late"].includes(outcome)) got.push(update.offset);
    };
    const update = (offset, snapshot = false) => ({ epoch: "e", offset, prev: offset - 1 || null, snapshot });
    const first = 1 + Math.floor(random() * 5);
    take(update(first, true), 0);
    let newest = first;
    let way = [];
    const send = (offset, loss) => {
      if (random() >= loss) way.push(update(offset));
      if (random() < 0.2) way.push(update(offset));
    };
    const drain = (now) => {
      while (way.length) take(way.splice(Math.floor(random() * way.length), 1)[0], now);
    };
    const resume = (now, loss) => {
      const since = track.since();
      track.resumed(since, { epoch: "e", offset: newest, recovered: true }, now);
      if (random() < 0.5) way.push(update(newest, true));
      for (let offset = since.offset + 1; offset <= newest; offset += 1) send(offset, loss);
    };
    for (let step = 0; step < 60; step += 1) {
      send((newest += 1), 0.25);
      if (random() < 0.3) drain(step);
      if (random() < 0.1) resume(step, 0.25);
    }
    send((newest += 1), 0);
    drain(100);
    for (let tries = 0; track.missing.size && tries < 5; tries += 1) {
      resume(101 + tries, 0);
      drain(101 + tries);
    }
    const due = Array.from({ length: newest - first }, (_, index) => first + 1 + index);
    if (JSON.stringify(got.toSorted((a, b) => a - b)) !== JSON.stringify(due)) wrong.push([seed, first, newest, got]);
  }
  return wrong;
}"""


async def test_it_opens_subscribes_and_shows_an_update(open_page: Opener, server: FakeServer) -> None:
    """The first view needs no click, and a change is on the screen with its sign, age and delay."""
    page = await open_page()
    await expect(page.locator("#state-text")).to_have_text("Live")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,000.00")
    await server.publish("price:ethereum", "3036.6")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,036.60")
    await expect(row(page, "price:ethereum").locator(".change")).to_have_text("▲ +1.22 %")
    await expect(row(page, "price:ethereum").locator(".age")).to_have_text(re.compile(r"^\d s$"))
    await expect(row(page, "price:ethereum").locator(".delay")).to_have_text(re.compile(r"^\d+ ms$"))
    await expect(row(page, "price:ethereum").locator("canvas")).to_have_count(1)
    await expect(page.locator("#delay-p95")).to_have_text(re.compile(r"^\d+ ms$"))


async def test_a_cut_connection_comes_back_with_no_update_lost(open_page: Opener, server: FakeServer) -> None:
    """What was published while nobody listened is replayed once, and the page says how much that was."""
    page = await open_page()
    for value in range(3001, 3004):
        await server.publish("price:ethereum", str(value))
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,003.00")
    await server.cut()
    for value in range(3004, 3011):
        await server.publish("price:ethereum", str(value))
    await expect(page.locator("#recovery-text")).to_contain_text("all 4 topics recovered, 7 missed updates replayed")
    await server.publish("price:ethereum", "3011")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,011.00")
    assert [offset for _, offset, _ in await accepted(page, "price:ethereum")][-11:] == list(range(2, 13))
    assert [offset for _, offset, replayed in await accepted(page, "price:ethereum") if replayed] == list(range(5, 12))
    assert (await counters(page))["gaps"] == 0
    await expect(page.locator("#events")).to_contain_text("Connection lost")


async def test_a_resume_that_cannot_be_whole_is_said_to_be_so(open_page: Opener, server: FakeServer) -> None:
    """A topic whose log no longer reaches back shows its newest value and is marked as lost."""
    page = await open_page()
    await expect(row(page, "price:ethereum")).to_be_visible()
    await server.cut()
    for value in range(3001, 3004):
        await server.publish("price:ethereum", str(value))
    server.topics["price:ethereum"].log = server.topics["price:ethereum"].log[-1:]
    await expect(page.locator("#recovery-text")).to_contain_text("3 of 4 topics recovered")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,003.00")
    await expect(row(page, "price:ethereum").locator(".tag")).to_have_text("lost")
    await expect(page.locator("#events")).to_contain_text("Not recovered: price:ethereum")


async def test_a_gap_is_shown_and_then_recovered(open_page: Opener, server: FakeServer) -> None:
    """A lost frame is noticed by `prev`, marked on its row, and fetched after two seconds."""
    page = await open_page()
    await server.publish("price:ethereum", "3001", send=False)
    await server.publish("price:ethereum", "3002")
    await expect(row(page, "price:ethereum").locator(".tag")).to_have_text("gap")
    await expect(page.locator("#gaps")).to_have_text("1")
    await expect(row(page, "price:ethereum").locator(".tag")).to_be_hidden()
    await expect(page.locator("#events")).to_contain_text("Gap recovered: price:ethereum")
    assert await page.evaluate("gaps") == ["open", "recovered"]
    assert sorted(offset for _, offset, _ in await accepted(page, "price:ethereum")) == [1, 2, 3]
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,002.00")


async def test_a_late_frame_fills_its_gap_and_does_not_turn_the_value_back(
    open_page: Opener, server: FakeServer
) -> None:
    """Frames out of order cost nothing: no command, no loss, and the highest offset stays shown."""
    page = await open_page()
    late = await server.publish("price:ethereum", "3001", send=False)
    await server.publish("price:ethereum", "3002")
    await expect(row(page, "price:ethereum").locator(".tag")).to_have_text("gap")
    asked = len(server.commands)
    await server.push([late])
    await until(page, "gaps.includes('filled')")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,002.00")
    assert len(server.commands) == asked


async def test_a_repeated_update_is_dropped_and_counted(open_page: Opener, server: FakeServer) -> None:
    """At-least-once delivery, exactly-once display."""
    page = await open_page()
    update = await server.publish("price:ethereum", "3001")
    await server.push([update])
    await server.push([update, update])
    await expect(page.locator("#duplicates")).to_have_text("3")
    assert len(await accepted(page, "price:ethereum")) == 2


async def test_a_new_epoch_replaces_what_was_known(open_page: Opener, server: FakeServer) -> None:
    """A lower offset of a new epoch is news; a straggler of the old epoch is not."""
    page = await open_page()
    old = await server.publish("price:ethereum", "3001")
    server.begin_epoch("price:ethereum", "e2")
    await server.publish("price:ethereum", "2900")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$2,900.00")
    await expect(page.locator("#events")).to_contain_text("New epoch e2")
    await server.push([{**old, "offset": 99, "prev": 98, "value": "1"}])
    await server.publish("price:ethereum", "2901")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$2,901.00")
    assert (await accepted(page, "price:ethereum"))[-2:] == [["e2", 1, False], ["e2", 2, False]]
    assert (await counters(page))["gaps"] == 0


async def test_random_loss_repetition_and_disorder_end_in_every_update_once(open_page: Opener) -> None:
    """The continuity of a topic alone: 300 seeded runs of a lossy, repeating, shuffling way with resumes between."""
    page = await open_page()
    assert await page.evaluate(INTERLEAVINGS, 300) == []
