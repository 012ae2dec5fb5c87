"""The public page in a real browser, against a small server that can lose, repeat and cut."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page import Opener, Page, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]


async def accepted(page: Page, topic: str) -> list[list[Any]]:
    return await page.evaluate("topic => accepted[topic] ?? []", topic)


async def counters(page: Page) -> dict[str, int]:
    return await page.evaluate("defiStream.stream.counters")


# --- the main job ---------------------------------------------------------------------------------------


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


# --- gaps, repetitions, epochs --------------------------------------------------------------------------


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


# --- the session ----------------------------------------------------------------------------------------


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


# --- subscriptions --------------------------------------------------------------------------------------


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


# --- what people see ------------------------------------------------------------------------------------


async def test_recorded_data_is_never_mistaken_for_live(open_page: Opener, server: FakeServer) -> None:
    """A banner tells the recorded time; interpolated values carry a mark that explains itself."""
    recorded = {"source": "recorded-interpolated", "observed_at": "2021-05-19T14:00:00Z"}
    page = await open_page()
    await expect(page.locator("#tape")).to_be_hidden()
    await server.publish("price:ethereum", "2500", **recorded)
    await expect(page.locator("#tape")).to_have_text(
        "Replaying recorded data: 19 May 2021 14:00 UTC. Values marked ~ are interpolated between recorded points."
    )
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("~$2,500.00")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_attribute(
        "title", "Interpolated between two recorded points"
    )


async def test_everything_is_within_reach_of_the_keyboard(open_page: Opener) -> None:
    """Filter, selection, detail, tabs, sorting and help without a pointer."""
    page = await open_page()
    focused = "document.activeElement"
    await page.keyboard.press("/")
    await page.keyboard.type("eth")
    await expect(page.locator("#rows .row")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.locator("#rows .row")).to_have_count(2)
    await page.keyboard.press("Escape")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    assert await page.evaluate(f"{focused}.dataset.topic") == "price:bitcoin"
    await page.keyboard.press("ArrowDown")
    await expect(row(page, "price:ethereum")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Ethereum")).to_be_visible()
    await expect(page.locator("#detail-chart canvas")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.locator("#detail")).to_be_hidden()
    assert await page.evaluate(f"{focused}.dataset.topic") == "price:ethereum"
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("tab", name="Prices").focus()
    await page.keyboard.press("ArrowRight")
    await expect(row(page, "tvl:chain:Terra-Classic").locator(".value")).to_have_text("$4.56 B")
    await page.get_by_role("columnheader", name="Topic").get_by_role("button").press("Enter")
    await expect(page.get_by_role("columnheader", name="Topic")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize(
    ("slug", "label"),
    [
        ("prices", "Prices"),
        ("chain-tvl", "Chain TVL"),
        ("protocol-tvl", "Protocol TVL"),
        ("pegs", "Pegs"),
        ("yields", "Yields"),
        ("sources", "Sources"),
        ("nonsense", "Prices"),
    ],
)
async def test_a_link_opens_its_tab(open_page: Opener, server: FakeServer, slug: str, label: str) -> None:
    """The fragment names key and tab; a tab that does not exist is Prices."""
    page = await open_page(path=f"/#key=dk_secret&tab={slug}", rows=False)
    await expect(page.locator('#tabs [aria-selected="true"]')).to_contain_text(label)
    assert server.keys == ["dk_secret"]


async def test_the_open_tab_is_kept_in_the_fragment(open_page: Opener, server: FakeServer) -> None:
    """Switching writes it beside the key; a changed fragment switches without a new session."""
    page = await open_page(path="/#key=dk_secret")
    await page.get_by_role("tab", name="Chain TVL").click()
    await expect(row(page, "tvl:chain:Terra-Classic")).to_be_visible()
    assert await page.evaluate("location.hash") == "#key=dk_secret&tab=chain-tvl"
    await page.evaluate("location.hash = '#key=dk_secret&tab=pegs'")
    await expect(row(page, "peg:usd-coin")).to_be_visible()
    assert server.tokens == 1
    await page.reload()
    await expect(row(page, "peg:usd-coin")).to_be_visible()


async def test_an_empty_tab_says_whether_waiting_helps(open_page: Opener, server: FakeServer) -> None:
    """Live, values may still come; a recording is whole, and what it lacks it lacks."""
    page = await open_page(path="/#tab=yields", rows=False)
    await expect(page.locator("#empty")).to_have_text("Nothing published yet: values appear here as they come.")
    await server.publish("price:ethereum", "2500", source="recorded", observed_at="2021-05-19T14:00:00Z")
    await expect(page.locator("#empty")).to_have_text("The recording has no yields at this date (19 May 2021).")


async def test_an_id_is_shown_shortened_and_once(open_page: Opener, server: FakeServer) -> None:
    """A pool has no name that could be known here: its id stands in the row once, and in full in the detail."""
    pool = "747c1d2a-c668-4682-b9f9-296708a3dd90"
    server.create({f"yield:{pool}": "3.41"})
    page = await open_page(path="/#tab=yields")
    await expect(row(page, f"yield:{pool}").locator(".name")).to_have_text("747c1d2a-c668-…08a3dd90yield")
    await row(page, f"yield:{pool}").click()
    await expect(page.locator("#detail-name")).to_have_text("Yield pool")
    await expect(page.locator("#detail-topic")).to_have_text(f"yield:{pool}")


async def test_a_source_says_how_old_its_data_was(open_page: Opener, server: FakeServer) -> None:
    """An age at the time of measuring, in words that do not contradict the age of the update."""
    server.create({"feed:prices": "12"})
    page = await open_page(path="/#tab=sources")
    await expect(row(page, "feed:prices").locator(".value")).to_have_text("was 12 s old")
    await expect(page.get_by_role("columnheader", name="Newest data")).to_be_visible()
    await page.get_by_role("tab", name="Prices").click()
    await expect(page.get_by_role("columnheader", name="Value")).to_be_visible()


async def test_a_recorded_chart_has_the_dates_of_the_recording(open_page: Opener, server: FakeServer) -> None:
    """Its axis is the recorded time in UTC, whole at the right edge, and a rewound tape starts the line afresh."""
    page = await open_page(timezone_id="Asia/Tokyo")
    await page.evaluate(LABELS)
    for hour in range(20, 24):
        seen = f"2021-05-19T{hour}:30:00Z"
        await server.publish("price:ethereum", f"{2500 + hour}", source="recorded", observed_at=seen)
    await server.publish("price:ethereum", "2600", source="recorded", observed_at="2021-05-20T00:30:00Z")
    await row(page, "price:ethereum").click()
    await expect(page.locator("#detail-axes")).to_have_text(
        "Time of the recording, in UTC. The upright scale does not start at zero."
    )
    await until(page, "labels.some(([text]) => text === '20 May')")
    labels = await page.evaluate("labels")
    assert {"19 May", "20 May", "22:00", "00:00"} <= {text for text, _, _ in labels}
    assert [text for text, right, width in labels if right > width] == []
    await server.publish("price:ethereum", "2400", source="recorded", observed_at="2021-05-01T00:00:00Z")
    await until(page, "defiStream.market.rows.get('price:ethereum').series.times.length === 1")


async def test_a_live_chart_has_the_readers_time(open_page: Opener, server: FakeServer) -> None:
    page = await open_page()
    await server.publish("price:ethereum", "3001")
    await row(page, "price:ethereum").click()
    await expect(page.locator("#detail-axes")).to_contain_text("Your time.")
    assert (
        await page.evaluate("Date.now() / 1000 - defiStream.market.rows.get('price:ethereum').series.times.at(-1)") < 60
    )


async def test_another_tab_marks_no_row_that_nobody_chose(open_page: Opener, server: FakeServer) -> None:
    """Neither another tab nor a filter moves the mark of the open detail to a stranger; it is back with its row."""
    page = await open_page()
    await row(page, "price:ethereum").click()
    await page.get_by_role("tab", name="Chain TVL").click()
    await expect(row(page, "tvl:chain:Terra-Classic")).to_have_attribute("aria-selected", "false")
    await page.get_by_role("tab", name="Prices").click()
    await expect(row(page, "price:ethereum")).to_have_attribute("aria-selected", "true")
    await page.locator("#filter").fill("bitcoin")
    await expect(page.locator("#rows .row")).to_have_count(1)
    await expect(row(page, "price:bitcoin")).to_have_attribute("aria-selected", "false")


async def test_with_a_detail_open_the_rest_of_the_column_is_within_reach(open_page: Opener) -> None:
    """What does not fit is announced, and one click shows it."""
    page = await open_page(viewport={"width": 1280, "height": 900})
    await expect(page.locator("#cue")).to_be_hidden()
    await row(page, "price:ethereum").click()
    await page.get_by_role("button", name="More below").click()
    await expect(page.locator("#events")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Subscribe", exact=True)).to_be_in_viewport(ratio=1)
    await expect(page.locator("#cue")).to_be_hidden()


async def test_rows_are_in_order_at_once_but_never_move_underhand(open_page: Opener, server: FakeServer) -> None:
    """Within half a second, unless a row is pointed at or in focus by keyboard; then as soon as it is not."""
    page = await open_page()
    order = "[...document.querySelectorAll('#rows .row')].map(({ dataset }) => dataset.topic).join()"
    bitcoin_first, ethereum_first = "price:bitcoin,price:ethereum", "price:ethereum,price:bitcoin"
    assert await page.evaluate(order) == bitcoin_first
    await page.evaluate(RISE)
    await server.publish("price:ethereum", "70000")
    await until(page, f"{order} === '{ethereum_first}'")
    assert await page.evaluate("risen.sorted - risen.shown") < 600
    await row(page, "price:bitcoin").hover()
    await row(page, "price:ethereum").hover()
    await server.publish("price:ethereum", "50000")
    await expect(page.locator("#held")).to_be_visible()
    await server.publish("price:dai", "55000")
    await until(page, f"{order} === '{ethereum_first},price:dai'")
    await page.mouse.move(1200, 20)
    await until(page, f"{order} === 'price:bitcoin,price:dai,price:ethereum'")
    await page.keyboard.press("ArrowDown")
    await server.publish("price:ethereum", "80000")
    await expect(page.locator("#held")).to_be_visible()
    await page.keyboard.press("Escape")
    await until(page, f"{order} === '{ethereum_first},price:dai'")


async def test_as_few_rows_as_can_be_are_moved(open_page: Opener) -> None:
    """What stays is a longest increasing run: one row that falls moves alone."""
    page = await open_page()
    runs = await page.evaluate("""async () => {
      const { longestRun } = await import("/order.js");
      const cases = [[], [0, 1, 2], [1, 2, 3, 0], [3, 0, 1, 2], [2, -1, 0, -1, 1], [2, 1, 0]];
      return cases.map((places) => [...longestRun(places)].toSorted((a, b) => a - b));
    }""")
    assert runs == [[], [0, 1, 2], [0, 1, 2], [1, 2, 3], [2, 4], [2]]


@pytest.mark.parametrize("width", [360, 390, 768])
async def test_a_phone_needs_no_sideways_scrolling(open_page: Opener, server: FakeServer, width: int) -> None:
    """Long names, a long address and the detail sheet all fit."""
    server.create({"price:base:0x833589fcd6edb6e08f4c7c32d4f71b54bda02913": "123456.78"})
    page = await open_page(viewport={"width": width, "height": 740}, is_mobile=True, has_touch=True)
    await row(page, "price:ethereum").tap()
    await expect(page.locator("#detail")).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = """[...document.querySelectorAll('.top *, .row *, aside *')]
      .filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1)
      .map((node) => node.outerHTML)"""
    assert await page.evaluate(overflowing) == []
    await page.locator("#detail-close").tap()
    await expect(page.locator("#detail")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_in_both_themes(open_page: Opener, scheme: str) -> None:
    """The system's choice is followed, a click changes and keeps it, and text has a contrast of 4.5:1 at least."""
    page = await open_page(color_scheme=scheme)
    assert await page.evaluate("theme.current") == scheme
    assert await page.evaluate(CONTRAST) >= 4.5
    await page.locator("#theme").click()
    await page.reload()
    await page.wait_for_selector("#rows .row")
    assert await page.evaluate("theme.current") != scheme


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

# What is written on canvases from now on: the text, where it ends and how wide the canvas is.
LABELS = """() => {
  globalThis.labels = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { e } = this.getTransform();
    const width = this.measureText(text).width;
    const right = { right: 0, center: width / 2, left: width, start: width, end: 0 }[this.textAlign];
    labels.push([text, x + e + right, this.canvas.width]);
    write.call(this, text, x, y);
  };
}"""

# When the first row's element came to be another one, and when that one's value had changed.
RISE = """() => {
  globalThis.risen = {};
  const rows = document.getElementById("rows");
  const riser = rows.lastElementChild;
  new MutationObserver((changes) => {
    if (riser.querySelector(".value").textContent.includes("70,000")) risen.shown ??= performance.now();
    if (rows.firstElementChild === riser) risen.sorted ??= performance.now();
  }).observe(rows, { childList: true, subtree: true, characterData: true });
}"""

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    canvas.fillStyle = style.getPropertyValue(`--${name}`).trim();
    canvas.fillRect(0, 0, 1, 1);
    const part = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const pairs = [
    ["text", "surface"], ["text", "hover"], ["text", "accent-tint"], ["muted", "surface"], ["muted", "raised"],
    ["muted", "hover"], ["muted", "accent-tint"], ["up", "surface"], ["up", "up-tint"],
    ["up", "hover"], ["up", "accent-tint"], ["down", "surface"], ["down", "down-tint"], ["down", "hover"],
    ["down", "accent-tint"], ["warn", "warn-tint"], ["on-accent", "accent"], ["flat", "surface"], ["flat", "hover"],
  ];
  return Math.min(...pairs.map(([a, b]) => ratio(a, b)));
}"""
