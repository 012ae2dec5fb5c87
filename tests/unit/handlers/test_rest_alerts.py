"""Rules over REST: made once, read by their owner alone, changed by who has read the newest."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.alerts import Alert, AlertState
from chalicelib.domain.keys import hash_key
from chalicelib.ports import ApiKey
from chalicelib.ports.endpoints import Attempt
from chalicelib.protocol.signals import NotificationMessage
from tests.fake_alerts import MADE_AT
from tests.fakes import alert_seen
from tests.unit.services.socket_rig import API_KEY

KEY = {"x-api-key": API_KEY}
BOBS = {"x-api-key": "ds_bobs-key-of-the-test"}
RULE = {"name": "USDC loses its peg", "when": {"topic": "peg:usd-coin", "is": "below", "value": "0.98"}}
ONE, ACKNOWLEDGE = "/v1/alerts/{id}", "/v1/alerts/{id}/acknowledge"


@pytest.fixture
def api(invoke):
    invoke.rig.keys.put(ApiKey("bob", "free", "test", hash_key(BOBS["x-api-key"]), "2026-11-23T00:00:00.000Z"))
    return Api(invoke)


class Api:
    """Rules asked for as ann, unless other headers say who."""

    def __init__(self, invoke):
        self.invoke, self.rig, self.container = invoke, invoke.rig, invoke.container

    def make(self, rule=RULE, **headers):
        return self.invoke.rest("POST", "/v1/alerts", body=json.dumps(rule), **{**KEY, **headers})

    def one(self, method, rule_id, rule=None, **headers):
        body = None if rule is None else json.dumps(rule)
        return self.invoke.rest(method, f"/v1/alerts/{rule_id}", body=body, route=ONE, **{**KEY, **headers})

    def of(self, rule_id, what, method="GET", query=None, body=None, **headers):
        path, route = f"/v1/alerts/{rule_id}/{what}", f"/v1/alerts/{{id}}/{what}"
        sent = None if body is None else json.dumps(body)
        return self.invoke.rest(method, path, query, body=sent, route=route, **{**KEY, **headers})

    def fire(self, rule_id):
        self.rig.alert_states.put(
            AlertState(rule=rule_id, rule_version=1, phase="firing", alert="al_1", version=1, value=Decimal("0.97"))
        )


def test_a_rule_that_is_made_is_told_where_it_is_and_in_which_version(api):
    status, headers, made = api.make()
    assert status == 201
    assert (headers["Location"], headers["ETag"]) == (f"/v1/alerts/{made['id']}", '"1"')
    assert (made["version"], made["state"]["phase"], made["when"]) == (1, "armed", RULE["when"])
    status, headers, read = api.one("GET", made["id"])
    assert (status, headers["ETag"], read) == (200, '"1"', made)


def test_a_rule_that_is_sent_again_with_its_key_is_made_once(api):
    first, second = (api.make(**{"idempotency-key": "k1"}) for _ in range(2))
    assert (first[0], second[0]) == (201, 201)
    assert first[2] == second[2]
    assert first[1]["Location"] == second[1]["Location"]
    assert second[1]["Idempotency-Replayed"] == "true"
    assert len(api.rig.rule_store.rules) == 1


def test_a_rule_whose_key_is_known_no_longer_is_still_not_made_twice(api):
    made = api.make(**{"idempotency-key": "k1"})[2]
    api.rig.clock.forward(days=2)
    assert api.make(**{"idempotency-key": "k1"})[2]["id"] == made["id"]
    assert len(api.rig.rule_store.rules) == 1


def test_without_a_key_two_equal_rules_are_two(api):
    assert api.make()[2]["id"] != api.make()[2]["id"]


def test_a_key_of_another_rule_is_refused(api):
    api.make(**{"idempotency-key": "k1"})
    status, _, body = api.make({**RULE, "name": "other"}, **{"idempotency-key": "k1"})
    assert (status, body["code"]) == (422, 2008)


def test_what_is_wrong_with_a_rule_is_told_with_its_place(api):
    status, _, body = api.make({**RULE, "when": {"topic": "alerts:bob", "is": "below", "value": "1"}})
    assert (status, body["code"], body["name"]) == (422, 2009, "bad_rule")
    assert body["pointer"].startswith("/when")


def test_a_tier_has_so_many_rules(api):
    made = [api.make(**BOBS)[0] for _ in range(10)]
    status, _, body = api.make(**BOBS)
    assert set(made) == {201}
    assert (status, body["code"]) == (403, 2012)


def test_a_change_names_the_version_that_was_read(api):
    made = api.make()[2]
    status, headers, changed = api.one("PUT", made["id"], {**RULE, "name": "new"}, **{"If-Match": '"1"'})
    assert (status, headers["ETag"], changed["name"], changed["version"]) == (200, '"2"', "new", 2)
    status, _, body = api.one("PUT", made["id"], RULE, **{"If-Match": '"1"'})
    assert (status, body["code"]) == (409, 2011)


@pytest.mark.parametrize(
    ("tag", "status"), [('W/"1"', 200), ("*", 200), ('"2"', 409), ("1", 409), ('"1", "2"', 409), ("", 409)]
)
def test_a_tag_that_is_not_the_rules_changes_nothing(api, tag, status):
    made = api.make()[2]
    assert api.one("PUT", made["id"], {**RULE, "name": "new"}, **{"If-Match": tag})[0] == status
    assert (api.one("GET", made["id"])[2]["name"] == "new") is (status == 200)


def test_a_change_of_nobodys_version_is_of_the_newest(api):
    made = api.make()[2]
    assert [api.one("PUT", made["id"], RULE)[2]["version"] for _ in range(2)] == [2, 3]


def test_a_rule_that_is_deleted_is_gone(api):
    made = api.make()[2]
    status, headers, body = api.one("DELETE", made["id"])
    assert (status, body) == (204, None)
    assert "Content-Type" not in headers or headers["Content-Type"] != "application/problem+json"
    assert api.one("DELETE", made["id"])[0] == api.one("GET", made["id"])[0] == 404


def test_pages_of_rules_tell_each_once(api):
    made = {api.make({**RULE, "name": str(number)})[2]["id"] for number in range(120)}
    found, cursor, pages = [], None, 0
    while pages == 0 or cursor:
        query = {"cursor": cursor} if cursor else {}
        page = api.invoke.rest("GET", "/v1/alerts", query, **KEY)[2]
        found, cursor, pages = [*found, *(rule["id"] for rule in page["rules"])], page["next"], pages + 1
    assert (pages, len(found), set(found)) == (3, 120, made)


@pytest.mark.parametrize("cursor", ["***", "AAAA", "\N{SNOWMAN}", "x" * 300])
def test_a_cursor_that_is_none_is_refused(api, cursor):
    status, _, body = api.invoke.rest("GET", "/v1/alerts", {"cursor": cursor}, **KEY)
    assert (status, body["code"]) == (400, 1004)


# --- whose ---


DEEDS = [
    ("GET", "", None),
    ("PUT", "", RULE),
    ("DELETE", "", None),
    ("POST", "acknowledge", {"alert": "al_1"}),
    ("GET", "history", None),
    ("GET", "deliveries", None),
]


@pytest.mark.parametrize(("method", "what", "body"), DEEDS)
def test_anothers_rule_is_as_one_that_is_not_there(api, method, what, body):
    made = api.make()[2]
    api.fire(made["id"])
    for rule_id in (made["id"], "ru_none", "x" * 3000):
        asked = api.of(rule_id, what, method, body=body, **BOBS) if what else api.one(method, rule_id, body, **BOBS)
        assert (asked[0], asked[2]["code"]) == (404, 2010)
    assert api.one("GET", made["id"])[2]["state"]["phase"] == "firing"


def test_a_list_has_only_ones_own(api):
    api.make()
    assert api.invoke.rest("GET", "/v1/alerts", **BOBS)[2] == {"rules": [], "next": None}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/alerts"),
        ("POST", "/v1/alerts"),
        ("POST", "/v1/alerts/dry-run"),
        ("GET", "/v1/endpoints"),
        ("POST", "/v1/endpoints"),
    ],
)
def test_without_a_key_there_are_no_alerts(invoke, method, path):
    status, _, body = invoke.rest(method, path, body=json.dumps(RULE))
    assert (status, body["code"]) == (401, 4000)
    assert "x-api-key" in body["detail"]


def test_nobodys_alerts_are_on_any_public_route(api):
    api.rig.fire("ann", "1")
    for headers in (KEY, BOBS, {}):
        for asked in (
            api.invoke.rest("GET", "/v1/topics", {"match": "alerts:*"}, **headers),
            api.invoke.rest("GET", "/v1/topics", {"match": "alerts:me"}, **headers),
            api.invoke.rest("GET", "/v1/snapshot", {"topics": "alerts:ann"}, **headers),
            api.invoke.rest("GET", "/v1/snapshot", {"topics": "alerts:me"}, **headers),
            api.invoke.rest("GET", "/v1/history/alerts:ann", route="/v1/history/{topic}", **headers),
        ):
            assert (asked[0], asked[2]["code"]) == (403, 2004)


# --- what a rule told ---


def test_an_alert_that_was_seen_is_acknowledged(api):
    made = api.make()[2]
    api.fire(made["id"])
    status, _, rule = api.of(made["id"], "acknowledge", "POST", body={"alert": "al_1"})
    assert (status, rule["state"]["phase"], rule["state"]["alert"]) == (200, "acknowledged", "al_1")
    status, _, body = api.of(made["id"], "acknowledge", "POST", body={"alert": "al_0"})
    assert (status, body["code"]) == (404, 2010)


@pytest.mark.parametrize("body", [{}, {"alert": 7}, {"alert": ""}, {"alert": "al_1", "more": 1}, []])
def test_what_acknowledges_nothing_is_explained(api, body):
    made = api.make()[2]
    status, _, told = api.of(made["id"], "acknowledge", "POST", body=body)
    assert (status, told["code"]) == (422, 2009)


def test_the_history_tells_every_alert_newest_first_and_who_was_not_told(api):
    made = api.make()[2]
    fired = Alert(
        id="al_1",
        rule=made["id"],
        user="ann",
        name="n",
        state="firing",
        topic="peg:usd-coin",
        value=Decimal("0.9700"),
        condition="value < 0.98",
        fired_at=MADE_AT,
        at=MADE_AT,
    )
    over = replace(fired, state="resolved", at=MADE_AT + timedelta(minutes=1), muted=True)
    api.rig.alert_states.told[made["id"]] = [fired, over] * 30
    first = api.of(made["id"], "history")[2]
    assert [(alert["state"], alert["value"], alert["muted"]) for alert in first["alerts"][:2]] == [
        ("resolved", "0.97", True),
        ("firing", "0.97", False),
    ]
    rest = api.of(made["id"], "history", query={"cursor": first["next"]})[2]
    assert (len(first["alerts"]), len(rest["alerts"]), rest["next"]) == (50, 10, None)


def test_a_delivery_is_told_try_by_try_and_made_again_on_demand(api):
    made = api.make()[2]
    address = {"kind": "webhook", "url": "https://example.com/hook"}
    endpoint = api.invoke.rest("POST", "/v1/endpoints", body=json.dumps(address), **KEY)[2]
    attempt = Attempt(
        delivery="nt_1",
        endpoint=endpoint["id"],
        rule=made["id"],
        what="alert.firing",
        at=MADE_AT,
        number=1,
        arrived=False,
        status=500,
        duration_ms=12,
        error="answered 500",
    )
    alert = json.loads(alert_seen("ann", "1", MADE_AT).alert)
    message = NotificationMessage("nt_1", "ann", "webhook", endpoint["id"], alert)
    api.container.delivery_log.add(attempt, json.dumps({"type": "notify", **_fields(message)}).encode())
    (told,) = api.of(made["id"], "deliveries")[2]["deliveries"]
    assert (told["delivery"], told["status"], told["arrived"]) == ("nt_1", 500, False)
    before = len(api.rig.timers.due)
    status, _, body = _replay(api, made["id"], "nt_1")
    assert (status, body) == (202, {"delivery": "nt_1"})
    assert [due.queue for due in api.rig.timers.due[before:]] == ["notifications"]
    for headers, delivery in ((KEY, "nt_2"), (KEY, "x" * 80), (BOBS, "nt_1")):
        status, _, body = _replay(api, made["id"], delivery, headers)
        assert (status, body["code"]) == (404, 2010)


def _fields(message):
    return {name: getattr(message, name) for name in ("id", "user", "channel", "endpoint", "alert")}


def _replay(api, rule, delivery, headers=KEY):
    path, route = f"/v1/alerts/{rule}/deliveries/{delivery}/replay", "/v1/alerts/{id}/deliveries/{delivery}/replay"
    return api.invoke.rest("POST", path, route=route, **headers)


def test_a_dry_run_is_of_the_one_who_asks(api):
    body = json.dumps({"rule": RULE})
    status, _, answer = api.invoke.rest("POST", "/v1/alerts/dry-run", body=body, **KEY)
    assert (status, answer["fired"], answer["truncated"]) == (200, [], False)
    assert api.container.dry_run.asked == [(body.encode(), "ann")]


def test_a_body_that_is_not_said_to_be_json_is_not_read(api):
    status, _, body = api.make(**{"Content-Type": "text/plain"})
    assert (status, body["code"]) == (415, 1005)
