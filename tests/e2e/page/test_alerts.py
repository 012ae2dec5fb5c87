"""Alerts on the page: rules are made from a topic, told as they fire, acknowledged, kept; and the ways to be told."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer, now_text
from tests.e2e.page.conftest import VENDOR, WEB
from tests.e2e.page.fake_rules import KEY, FakeRules, alert, below, endpoint
from tests.e2e.page.looking import Opener, Page, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

PEG = "peg:usd-coin"
MINE = f"/#key={KEY}"


@pytest.fixture
def rules() -> FakeRules:
    return FakeRules()


@pytest_asyncio.fixture(loop_scope="module")
async def server(rules: FakeRules) -> AsyncIterator[FakeServer]:
    routes = rules.routes()
    async with FakeServer(WEB, VENDOR, tier="pro", fastest_rate="realtime", routes=routes) as server:
        server.create({"price:ethereum": "3000", PEG: "0.9996"})
        yield server


async def open_rules(page: Page) -> None:
    await page.locator("#alerts-open").click()
    await page.get_by_role("tab", name="Rules").click()


def rule_of(page: Page, name: str) -> Any:
    return page.locator("#rules > li").filter(has_text=name)


async def subscribed(server: FakeServer, page: Page) -> None:
    await until(page, "defiStream.alerts.book.loaded && defiStream.stream.connection.state.name === 'live'")
    assert any("alerts:me" in command.get("topics", []) for command in server.commands)


async def test_a_rule_is_made_from_a_row_with_defaults_by_its_value(open_page: Opener, rules: FakeRules) -> None:
    page = await open_page(path=f"{MINE}&tab=pegs")
    await row(page, PEG).hover()
    await row(page, PEG).get_by_role("button", name="Make an alert for USD Coin").click()
    await page.get_by_role("button", name="Create").click()
    await expect(rule_of(page, "USD Coin below 0.98")).to_contain_text("Armed")
    await expect(page.get_by_role("tab", name="Rules")).to_be_focused()
    ((_, path, body),) = rules.asked
    assert (path, body["name"], body["for"]) == ("/v1/alerts", "USD Coin below 0.98", "5m")
    assert body["when"] == {"topic": PEG, "is": "below", "value": "0.98", "margin": "0.005"}
    assert body["notify"] == [{"channel": "socket"}]


async def test_a_rule_is_written_by_keyboard_alone_and_the_focus_comes_back(
    open_page: Opener, rules: FakeRules
) -> None:
    page = await open_page(path=MINE)
    await row(page, "price:ethereum").focus()
    await page.keyboard.press("End")
    await page.keyboard.press("a")
    await expect(page.locator("input[name=value]")).to_be_focused()
    await page.locator("select[name=kind]").select_option("falls")
    await expect(page.locator("input[name=value]")).to_have_value("5")
    await page.keyboard.press("Escape")
    await expect(row(page, "price:ethereum")).to_be_focused()
    assert rules.asked == []


async def test_any_rule_of_one_condition_is_the_same_after_it_was_shown_as_fields(open_page: Opener) -> None:
    page = await open_page(path=MINE)
    conditions = [
        {"topic": PEG, "is": "below", "value": "0.98", "margin": "0.005"},
        {"topic": PEG, "is": "crosses_up", "value": "1"},
        {"topic": PEG, "of": "change_pct", "over": "24h", "is": "below", "value": "-5"},
        {"topic": PEG, "of": "change_abs", "over": "5m", "is": "above", "value": "-0.1", "margin": "0.01"},
        {"topic": "feed:prices", "is": "stale", "over": "10m"},
    ]
    assert await page.evaluate(AS_FIELDS, [below(when=when) for when in conditions]) == conditions


async def test_what_the_server_refuses_is_said_at_the_field_that_it_names(open_page: Opener, rules: FakeRules) -> None:
    page = await open_page(path=MINE)
    await page.keyboard.press("a")
    await page.locator("#rule input[name=topic]").fill("price:ethereum")
    for pointer, name in (("/for", "for"), ("/when/value", "value"), ("/notify/0/endpoint", None)):
        rules.refuse = (422, {"code": 2009, "detail": "not like this", "pointer": pointer})
        await page.get_by_role("button", name="Create").click()
        wrong = page.locator(f"[name={name}]" if name else "#rule-steps select")
        await expect(wrong).to_be_focused()
        await expect(wrong).to_have_attribute("aria-invalid", "true")
        await expect(page.locator("#rule-wrong")).to_have_text("Not like this")
    rules.refuse = (403, {"code": 2012, "detail": "you have 10 rules", "pointer": None})
    await page.get_by_role("button", name="Create").click()
    await expect(page.locator("#rule-error")).to_have_text("You have 10 rules.")


async def test_when_a_rule_would_have_fired_is_drawn_and_listed_before_it_is_made(
    open_page: Opener, server: FakeServer, rules: FakeRules
) -> None:
    server.past[PEG] = [(now_text(-3600 * hour), "0.97" if 40 < hour < 50 else "1.0") for hour in range(160, 0, -1)]
    rules.would_fire = [
        {"at": now_text(-3600 * 49), "topic": PEG, "value": "0.97", "resolved_at": now_text(-3600 * 40)}
    ]
    page = await open_page(path=f"{MINE}&topic={PEG}")
    await page.locator("#detail-alert").click()
    await page.get_by_role("button", name="Would have fired").click()
    await expect(page.locator("#past-title")).to_have_text("It would have fired 1 time")
    await expect(page.locator("#past-fired li")).to_contain_text("USD Coin at 0.97, for 9 h")
    await expect(page.locator("#past-chart")).to_have_attribute("data-marks", "1")
    await page.locator("input[name=value]").fill("0.5")
    await expect(page.locator("#past")).to_be_hidden()  # it was of another rule
    assert [path for _, path, _ in rules.asked] == ["/v1/alerts/dry-run"]


async def test_a_rule_of_several_conditions_is_changed_as_json(open_page: Opener, rules: FakeRules) -> None:
    parts = [below()["when"], {"topic": "feed:prices", "is": "stale", "over": "10m"}]
    rules.add({"name": "Either", "when": {"any": parts}})
    page = await open_page(path=MINE)
    await open_rules(page)
    await rule_of(page, "Either").get_by_role("button", name="Edit").click()
    text = await page.locator("#rule-json").input_value()
    await page.locator("#rule-json").fill("{")
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#rule-error")).to_contain_text("This is not JSON")
    await page.locator("#rule-json").fill(text.replace('"0.98"', '"0.97"'))
    await page.get_by_role("button", name="Save").click()
    await until(page, "!document.getElementById('rule').open")
    ((method, _, body),) = rules.asked
    assert (method, body["when"]["any"][0]["value"]) == ("PUT", "0.97")


async def test_an_alert_is_told_counted_and_acknowledged_over_the_socket(
    open_page: Opener, server: FakeServer, rules: FakeRules
) -> None:
    rules.add(below())
    page = await open_page(path=MINE)
    await subscribed(server, page)
    await server.alert(alert())
    note = page.locator(".toast")
    await expect(note.get_by_role("alert")).to_contain_text("USD Coin at 0.9611 (value < 0.98)")
    await expect(page).to_have_title("(1) DeFi Stream")
    await note.get_by_role("button", name="Acknowledge").click()
    assert (await server.heard("ack")).items() >= {"rule": "ru_1", "alert": "al_1"}.items()
    await expect(note).to_have_count(0)
    await expect(page).to_have_title("DeFi Stream")
    await server.alert(alert("resolved"))
    await page.keyboard.press("b")
    await expect(page.locator("#inbox li")).to_contain_text("Over")
    await expect(page.locator("#inbox li")).to_contain_text("for 3 min")


async def test_an_alert_that_comes_twice_or_late_is_one(open_page: Opener, server: FakeServer) -> None:
    """The same frame, and the same alert under another offset and epoch; nor does it go back to firing."""
    page = await open_page(path=MINE)
    await subscribed(server, page)
    first = await server.alert(alert())
    await server.push([first])
    await server.alert(alert("resolved"))
    server.begin_epoch("alerts:ada", "e2")
    await server.alert(alert())
    await server.alert(alert(number=2))
    await expect(page.locator("#inbox > li")).to_have_count(2)
    await expect(page.locator(".toast")).to_have_count(1)
    await expect(page).to_have_title("(1) DeFi Stream")


async def test_alerts_of_a_lost_connection_come_afterwards_each_once(open_page: Opener, server: FakeServer) -> None:
    page = await open_page(path=MINE)
    await subscribed(server, page)
    await server.alert(alert())
    await expect(page.locator(".toast")).to_have_count(1)
    await server.cut()
    for number in (2, 3):
        await server.alert(alert(number=number))
    await expect(page.locator("#inbox > li")).to_have_count(3)
    await expect(page).to_have_title("(3) DeFi Stream")
    joined = [command for command in server.commands if "alerts:ada" in command.get("since", {})]
    assert joined[0]["since"]["alerts:ada"] == {"epoch": "e1", "offset": 1}


async def test_the_browser_is_asked_to_notify_on_a_click_alone_and_does_when_the_page_is_not_seen(
    open_page: Opener, server: FakeServer
) -> None:
    page = await open_page(path=MINE)
    await page.evaluate(NOTIFIED)
    await subscribed(server, page)
    await page.evaluate("unseen = true")
    await server.alert(alert())
    await expect(page).to_have_title("(1) DeFi Stream")
    assert await page.evaluate("[asked, notes]") == [0, []]
    await page.evaluate("unseen = false")
    await page.keyboard.press("b")
    await page.get_by_role("button", name="Tell me outside").click()
    await page.evaluate("unseen = true")
    await server.alert(alert(number=2))
    await until(page, "notes.length === 1")
    assert await page.evaluate("[asked, notes[0].name, notes[0].tag, notes[0].silent]") == [
        1,
        "USDC loses its peg",
        "al_2",
        True,
    ]


async def test_an_alert_that_the_stream_could_not_bring_is_told_by_its_rule(
    open_page: Opener, server: FakeServer, rules: FakeRules
) -> None:
    rules.add(below())
    page = await open_page(path=MINE)
    await subscribed(server, page)
    fired = now_text()
    rules.rules["ru_1"]["state"] = {**alert(), "phase": "firing", "alert": "al_1", "since": fired, "due": None}
    await server.cut()  # and the topic's log holds nothing
    await expect(page.locator(".toast")).to_have_count(1)
    await expect(page.locator("#inbox > li")).to_contain_text("Firing")


async def test_what_is_on_when_the_page_opens_is_listed_without_a_note(
    open_page: Opener, server: FakeServer, rules: FakeRules
) -> None:
    rules.add(below(), phase="firing", alert="al_1", fired_at=now_text(-60), since=now_text(-60), value="0.97")
    await server.alert(alert("resolved", number=7), send=False)  # the last one, long over: a snapshot
    page = await open_page(path=MINE)
    await expect(page.locator("#inbox > li")).to_have_count(2)
    await expect(page.locator(".toast")).to_have_count(0)
    await expect(page).to_have_title("DeFi Stream")


async def test_rules_tell_where_they_are_and_are_muted_disabled_and_deleted(
    open_page: Opener, rules: FakeRules
) -> None:
    rules.add(below(), phase="pending", since=now_text(), due=now_text(240), value="0.97")
    page = await open_page(path=MINE)
    await open_rules(page)
    rule = page.locator("#rules > li")
    await expect(rule).to_contain_text("At 0.97: fires in 4 min if it lasts")
    await rule.get_by_role("button", name="Mute").click()
    await expect(rule.locator(".tag")).to_be_visible()
    await rule.get_by_role("button", name="Unmute").click()
    await expect(rule.locator(".tag")).to_be_hidden()
    await rule.get_by_role("button", name="Disable").click()
    await expect(rule.locator(".phase")).to_have_text("Disabled")
    await rule.get_by_role("button", name="Delete").click()
    await rule.get_by_role("button", name="Really delete?").click()
    await expect(page.locator("#rules")).to_contain_text("None yet.")
    await expect(page.get_by_role("button", name="New rule")).to_be_focused()
    assert [body and (bool(body["muted_until"]), body["enabled"]) for _, _, body in rules.asked] == [
        (True, True),
        (False, True),
        (False, False),
        None,
    ]


async def test_an_alert_of_a_rule_that_is_muted_is_over_though_nobody_is_told(
    open_page: Opener, server: FakeServer, rules: FakeRules
) -> None:
    rules.add(below(), phase="firing", alert="al_1", fired_at=now_text(), since=now_text(), value="0.97")
    page = await open_page(path=MINE)
    await subscribed(server, page)
    await server.alert(alert(number=2, rule="ru_2"))
    await open_rules(page)
    await page.locator("#rules > li").get_by_role("button", name="Mute").click()
    await expect(page.locator('#inbox [data-alert="al_1"] .phase')).to_have_text("Over")
    await expect(page.locator('#inbox [data-alert="al_2"] .phase')).to_have_text("Firing")


async def test_a_change_of_a_rule_that_somebody_else_changed_is_not_made(open_page: Opener, rules: FakeRules) -> None:
    rules.add(below())
    page = await open_page(path=MINE)
    await open_rules(page)
    rule = page.locator("#rules > li")
    await rule.get_by_role("button", name="Edit").click()
    rules.rules["ru_1"] |= {"version": 2, "name": "Theirs"}
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator("#rule-error")).to_contain_text("what you wrote would undo somebody's change")
    assert rules.rules["ru_1"]["name"] == "Theirs"


async def test_history_and_deliveries_of_a_rule_are_read_and_a_delivery_is_sent_again(
    open_page: Opener, rules: FakeRules
) -> None:
    rules.add(below())
    rules.history = [alert("resolved"), alert(muted=True)]
    rules.endpoints = [endpoint("en_1", "webhook", url="https://example.com/a")]
    attempt = {"delivery": "d1", "endpoint": "en_1", "what": "alert.firing", "at": now_text(), "number": 2}
    rules.deliveries = [attempt | {"arrived": False, "status": 500, "duration_ms": 9, "error": "", "answer": ""}]
    rules.deliveries[0] |= {"next_at": None, "replay": False}
    page = await open_page(path=MINE)
    await open_rules(page)
    await page.get_by_text("History", exact=True).click()
    await expect(page.locator("#rules .log li").nth(1)).to_contain_text("Fired at 0.9611 (muted: nobody was told)")
    await page.get_by_text("Deliveries", exact=True).click()
    await expect(page.locator("#rules")).to_contain_text("to https://example.com/a, try 2: was answered 500")
    await page.get_by_role("button", name="Send alert.firing").click()
    await expect(page.locator("#rules")).to_contain_text("Sent again")
    assert rules.asked == [("POST", "/v1/alerts/ru_1/deliveries/d1/replay", None)]


async def test_the_secret_of_a_webhook_is_shown_once(open_page: Opener, rules: FakeRules) -> None:
    page = await open_page(path=MINE)
    await page.keyboard.press("b")
    await page.get_by_role("tab", name="Channels").click()
    rules.refuse = (422, {"code": 2013, "detail": "a webhook has to be https", "pointer": "/url"})
    await page.locator("#channel-address").fill("http://example.com")
    await page.keyboard.press("Enter")
    await expect(page.locator("#channels-error")).to_have_text("a webhook has to be https")
    await page.locator("#channel-address").fill("https://example.com")
    await page.keyboard.press("Enter")
    await expect(page.locator("#secret-text")).to_have_text("whsec_first")
    await page.get_by_role("button", name="I have kept it").click()
    assert "whsec_first" not in await page.content()
    await page.get_by_role("button", name="New secret").click()
    await page.get_by_role("button", name="Really a new secret?").click()
    await expect(page.locator("#secret-text")).to_have_text("whsec_second")
    await page.keyboard.press("Escape")
    assert "whsec_second" not in await page.content()


async def test_a_rule_tells_a_channel_if_nobody_acknowledges(open_page: Opener, rules: FakeRules) -> None:
    rules.endpoints = [endpoint("en_1", "email", address="ada@example.com")]
    page = await open_page(path=f"{MINE}&topic={PEG}")
    await page.locator("#detail-alert").click()
    await page.get_by_role("button", name="Add a way").click()
    await page.get_by_role("button", name="Create").click()
    await until(page, "!document.getElementById('rule').open")
    steps = [{"channel": "socket"}, {"channel": "email", "endpoint": "en_1", "after": "10m"}]
    assert rules.asked[0][2]["notify"] == steps


async def test_without_a_key_the_page_asks_kindly_and_keeps_one_for_the_tab_alone(
    open_page: Opener, server: FakeServer
) -> None:
    page = await open_page()
    await page.keyboard.press("b")
    await expect(page.locator("#key-form")).to_contain_text("Alerts are yours: they need your API key")
    await expect(page.locator("#key")).to_be_focused()
    assert not any("alerts:me" in command.get("topics", []) for command in server.commands)
    await page.locator("#key").fill("ds_wrong")
    await page.keyboard.press("Enter")
    await expect(page.locator("#key-error")).to_have_text("This key is not known here.")
    await page.locator("#key").fill(KEY)
    async with page.expect_navigation():
        await page.keyboard.press("Enter")
    await subscribed(server, page)
    assert server.keys == [None, KEY]
    assert await page.evaluate("[Object.values(sessionStorage), JSON.stringify(localStorage)]") == [[KEY], "{}"]
    await page.keyboard.press("b")
    async with page.expect_navigation():
        await page.get_by_role("button", name="Forget it").click()
    await page.keyboard.press("b")
    await expect(page.locator("#key-form")).to_be_visible()


@pytest.mark.parametrize("width", [360, 1280])
async def test_no_view_of_alerts_is_wider_than_the_screen(open_page: Opener, rules: FakeRules, width: int) -> None:
    rules.add(below(name="W" * 100))
    rules.endpoints = [endpoint("en_1", "webhook", url=f"https://example.com/{'x' * 200}")]
    page = await open_page(path=MINE, viewport={"width": width, "height": 800})
    await page.keyboard.press("b")
    for tab in ("Fired", "Rules", "Channels"):
        await page.get_by_role("tab", name=tab).click()
        await expect(page.locator("#alerts-body section:visible li").first).to_be_visible()
        assert await page.evaluate(TOO_WIDE, "#alerts") <= 0
    await page.keyboard.press("Escape")
    await expect(page.get_by_role("button", name="Alerts", exact=True)).to_be_focused()
    await page.keyboard.press("a")
    await page.get_by_role("button", name="Add a way").click()
    assert await page.evaluate(TOO_WIDE, "#rule") <= 0
    assert await page.evaluate(TOO_WIDE, "html") <= 0


AS_FIELDS = """async (rules) => {
  const { fieldsOf, ruleOf } = await import("/ruleform.js");
  const whole = { for: "0s", cooldown: "0s", repeat: "always", enabled: true, notify: [] };
  return rules.map((rule) => ruleOf(fieldsOf({ ...whole, ...rule })).when);
}"""

NOTIFIED = """() => {
  Object.assign(globalThis, { asked: 0, notes: [], unseen: false });
  Object.defineProperty(document, "hidden", { get: () => unseen });
  globalThis.Notification = class {
    static permission = "default";
    static async requestPermission() {
      asked += 1;
      return (this.permission = "granted");
    }
    constructor(name, options) {
      notes.push({ name, ...options });
    }
  };
}"""

TOO_WIDE = """(name) => {
  const node = document.querySelector(name);
  return node.scrollWidth - node.clientWidth;
}"""
