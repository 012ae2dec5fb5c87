"""The page's connection: kept, renewed, resumed in parts, and refused with a reason."""

from __future__ import annotations

import re

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, accepted, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]


async def test_a_long_since_is_sent_in_parts(open_page: Opener, server: FakeServer) -> None:
    """No command names more than 100 positions or outgrows a gateway frame, and all topics are resumed."""
    server.create({f"price:base:0x{number:040x}": "1.5" for number in range(250)})
    page = await open_page()
    await until(page, "defiStream.market.rows.size >= 254")
    await server.cut()
    server.commands.clear()
    await expect(page.locator("#recovery-text")).to_contain_text("all 254 topics recovered")
    parts = [command["since"] for command in server.commands if "since" in command]
    assert max(len(part) for part in parts) == 100
    assert sum(len(part) for part in parts) == 254


async def test_a_lost_session_is_subscribed_again_with_since(open_page: Opener, server: FakeServer) -> None:
    """After `resubscribe` the socket stays and every subscription is resumed from where it was."""
    page = await open_page()
    await expect(page.locator("#state-text")).to_have_text("Live")
    for session in server.sessions:
        session.patterns.clear()
    await server.publish("price:ethereum", "3001")
    await server.notice("resubscribe", "the server lost this session")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("$3,001.00")
    assert len(await accepted(page, "price:ethereum")) == 2
    assert server.tokens == 1


async def test_a_planned_disconnect_is_taken_before_it_happens(open_page: Opener, server: FakeServer) -> None:
    """After `going_away` the page reconnects by itself with a fresh token and resumes."""
    page = await open_page()
    await server.notice("going_away", "reconnect and resume")
    await expect(page.locator("#recovery-text")).to_contain_text("all 4 topics recovered")
    assert server.tokens == 2


async def test_the_session_is_refreshed_before_it_expires(open_page: Opener, server: FakeServer) -> None:
    """A new token goes out in a `refresh`, over the same socket."""
    server.session_seconds = 4
    await open_page()
    refresh = await server.heard("refresh")
    assert refresh["token"] == "t2"
    assert len(server.sessions) == 1


async def test_silence_is_broken_by_a_ping_and_then_by_a_new_connection(open_page: Opener, server: FakeServer) -> None:
    """A server that hears and says nothing any more is left; driven through the module alone."""
    page = await open_page()
    server.commands.clear()
    await page.evaluate("""async () => {
      const { StreamClient } = await import("/stream.js");
      const timings = { silenceMs: 300, replyMs: 600, backoffBaseMs: 10 };
      globalThis.second = new StreamClient({ baseUrl: location.origin, timings });
      globalThis.states = [];
      second.addEventListener("state", ({ detail }) => states.push(detail.name));
      second.subscribe(["price:*"], { rate: "fastest" });
      second.start();
    }""")
    await until(page, "states.includes('live')")
    await server.heard("ping")
    server.mute = True
    await until(page, "states.includes('reconnecting')")
    server.mute = False
    await until(page, "states.at(-1) === 'live'")
    await page.evaluate("second.stop()")


async def test_updates_before_the_reply_are_held_until_it(open_page: Opener) -> None:
    """A live update that overtakes the resume's reply is neither a gap nor lost."""
    page = await open_page()
    released = await page.evaluate("""async () => {
      const { Holding } = await import("/holding.js");
      const holding = new Holding();
      const pending = holding.begin(["price:*"], { "price:a": { epoch: "e", offset: 3 } });
      const update = (topic, offset) => ({ topic, epoch: "e", offset });
      const taken = [update("price:a", 6), update("price:a", 5), update("price:b", 1)].map((u) => holding.hold(u));
      return [taken, holding.release(pending).map(({ offset }) => offset), holding.hold(update("price:a", 7))];
    }""")
    assert released == [[True, True, False], [5, 6], False]


async def test_a_command_over_the_limit_is_sent_again(open_page: Opener, server: FakeServer) -> None:
    """The limiter's refusal names no command: what is unanswered is repeated after the pause that it asks for."""
    server.over_limit = 2
    page = await open_page()
    await expect(page.locator("#state-text")).to_have_text("Live")
    assert [command["id"] for command in server.commands] == [1, 1, 1]
    assert server.tokens == 1


async def test_a_conflated_replay_closes_a_gap(open_page: Opener) -> None:
    """A slower rate replays the newest value alone: its `prev` says that nothing else is due."""
    page = await open_page()
    told = await page.evaluate("""async () => {
      const { TopicTrack } = await import("/continuity.js");
      const track = new TopicTrack("price:x");
      const update = (offset, prev, snapshot = false) => ({ epoch: "e", offset, prev, snapshot });
      track.apply(update(120, null, true), 0);
      const opened = track.apply(update(130, 125), 0).gap;
      track.gap.tries = 1;
      const since = track.since().offset;
      track.resumed(track.since(), { epoch: "e", offset: 130, recovered: true }, 2000);
      const { outcome, gap } = track.apply(update(130, 120), 2010);
      return [opened, since, outcome, gap, track.since().offset];
    }""")
    assert told == ["opened", 120, "duplicate", "recovered", 130]


async def test_a_late_snapshot_of_an_epoch_never_heard_of_does_not_hide_the_one_in_the_reply(
    open_page: Opener,
) -> None:
    page = await open_page()
    told = await page.evaluate("""async () => {
      const { TopicTrack } = await import("/continuity.js");
      const track = new TopicTrack("price:x");
      const update = (epoch, offset, snapshot, at) => ({ epoch, offset, prev: null, snapshot, published_at: at });
      track.positioned({ epoch: "e2", offset: 0 });
      track.apply(update("e1", 1, true, "2026-11-23T01:00:01.000Z"), 0);
      track.apply(update("e2", 0, true, "2026-11-23T01:00:01.000Z"), 1);
      const { outcome } = track.apply(update("e2", 1, false, "2026-11-23T01:00:05.000Z"), 2);
      return [outcome, track.epoch, track.highest];
    }""")
    assert told == ["epoch", "e2", 1]


async def test_a_refusal_says_why_and_is_not_retried(open_page: Opener, server: FakeServer) -> None:
    """401 and 403 are final: the reason stands in the header and a button tries again."""
    problem = {"type": "about:blank", "title": "Forbidden", "status": 403, "detail": "this key has no streaming"}
    server.refuse = (403, problem)
    page = await open_page(path="/#key=dk_secret", rows=False)
    await expect(page.locator("#state-text")).to_have_text("Refused: this key has no streaming")
    assert server.keys == ["dk_secret"]
    server.refuse = None
    await page.get_by_role("button", name="Connect now").click()
    await expect(page.locator("#state-text")).to_have_text("Live")


async def test_too_many_tokens_waits_and_counts_down(open_page: Opener, server: FakeServer) -> None:
    """429 is not final: the page says when it will try again."""
    server.refuse = (429, {"title": "Too many", "status": 429, "detail": "too many tokens for this address"})
    page = await open_page(rows=False)
    await expect(page.locator("#state-text")).to_have_text(re.compile(r"Reconnecting in 1\d s"))
    await expect(page.locator("#state")).to_have_attribute("title", "too many tokens for this address")
