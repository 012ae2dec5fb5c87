"""The REST API: answers, and problems (RFC 9457) with the protocol's names."""

from datetime import timedelta

import pytest

from chalicelib.ports import FEED_KINDS, FeedState
from tests.unit.services.socket_rig import API_KEY


def problem(answer):
    status, headers, body = answer
    assert headers["Content-Type"] == "application/problem+json"
    assert body["status"] == status
    assert {"type", "title", "detail", "code", "name", "temporary", "retry_after"} <= set(body)
    return status, body["code"]


def test_anyone_gets_an_anonymous_token(invoke):
    status, headers, body = invoke.rest("POST", "/v1/tokens")
    assert (status, body["tier"], body["fastest_rate"]) == (201, "free", "5s")
    assert body["expires_at"] == "2026-11-23T02:05:00.000Z"
    assert headers["Cache-Control"] == "no-store"
    assert invoke.rig.tokens.redeem(body["token"]).user.startswith("anonymous-")


def test_a_key_gets_a_token_of_its_owner(invoke):
    _, _, body = invoke.rest("POST", "/v1/tokens", **{"x-api-key": API_KEY})
    assert invoke.rig.tokens.redeem(body["token"]).user == "ann"
    assert (body["tier"], body["fastest_rate"]) == ("pro", "realtime")


def test_a_wrong_key_is_a_problem(invoke):
    assert problem(invoke.rest("POST", "/v1/tokens", **{"x-api-key": "wrong"})) == (401, 4000)


def tokens_for(invoke, addresses):
    return [invoke.rest("POST", "/v1/tokens", **{"CloudFront-Viewer-Address": each})[0] for each in addresses]


def test_behind_the_cdn_the_viewers_address_is_limited(invoke, monkeypatch):
    monkeypatch.setattr(invoke.container.settings, "origin_secret_ids", ("a", "b"))
    assert set(tokens_for(invoke, [f"198.51.100.{number}:4711" for number in range(9)])) == {201}
    assert 429 in tokens_for(invoke, ["198.51.100.200:4711"] * 9)


def test_without_the_cdn_its_header_is_anybodys_and_counts_for_nothing(invoke):
    assert 429 in tokens_for(invoke, [f"198.51.100.{number}:4711" for number in range(9)])


def test_too_many_tokens_are_a_problem_that_says_how_long_to_wait(invoke):
    answers = [invoke.rest("POST", "/v1/tokens") for _ in range(4)]
    assert problem(answers[3]) == (429, 3000)
    assert answers[3][1]["Retry-After"] == "20"


def test_topics_are_listed_with_their_newest_values(invoke):
    invoke.rig.see("price:ethereum", "100", "101")
    status, _, body = invoke.rest("GET", "/v1/topics", {"match": "price:*"})
    assert status == 200
    assert body == {
        "topics": [{"topic": "price:ethereum", "value": "101", "observed_at": "2026-11-23T02:00:00.000Z"}],
        "next": None,
    }


def test_topics_of_rehearsals_are_listed_only_to_who_asks_for_them(invoke):
    for topic in ("feed:age:price", "feed:smoke:topic"):
        invoke.rig.see(topic, "1")
    listed = {
        match: [each["topic"] for each in invoke.rest("GET", "/v1/topics", {"match": match})[2]["topics"]]
        for match in ("feed:*", "feed:smoke:*")
    }
    assert listed == {"feed:*": ["feed:age:price"], "feed:smoke:*": ["feed:smoke:topic"]}


def test_a_long_list_goes_on_with_its_cursor(invoke):
    for n in range(700):
        invoke.rig.see(f"price:c{n}", "1")
    _, _, first = invoke.rest("GET", "/v1/topics")
    _, _, second = invoke.rest("GET", "/v1/topics", {"cursor": first["next"]})
    assert (len(first["topics"]), len(second["topics"]), second["next"]) == (500, 200, None)


@pytest.mark.parametrize("match", ["alerts:*", "alerts:ann", "alerts:bob"])
def test_private_topics_are_not_listed(invoke, match):
    invoke.rig.see("alerts:bob", "1")
    assert problem(invoke.rest("GET", "/v1/topics", {"match": match})) == (403, 2004)


@pytest.mark.parametrize("match", ["prize:*", "price", "*", "price:*:x", ""])
def test_a_match_that_is_no_topic_is_unknown(invoke, match):
    """An empty list would look like a topic that has nothing yet."""
    assert problem(invoke.rest("GET", "/v1/topics", {"match": match})) == (404, 2003)


@pytest.mark.parametrize("match", ["price:*", "tvl:*", "price:base:*", "price:ethereum"])
def test_a_match_that_may_have_topics_one_day_has_none_today(invoke, match):
    status, _, body = invoke.rest("GET", "/v1/topics", {"match": match})
    assert (status, body) == (200, {"topics": [], "next": None})


@pytest.mark.parametrize("cursor", ["x", "-1", "", "1.5", "9" * 20, "9" * 21, "\uff11"])
def test_a_cursor_that_no_page_gave_is_malformed(invoke, cursor):
    code = 1000 if cursor == "9" * 20 else 1004
    assert problem(invoke.rest("GET", "/v1/topics", {"cursor": cursor})) == (400, code)


def test_health_tells_of_every_source(invoke):
    now = invoke.rig.clock()
    for kind in FEED_KINDS:
        polled = FeedState(last_success=now, next_poll=now + timedelta(minutes=1), count=7)
        invoke.container.feeds.save_feed_state(kind, polled)
    invoke.rig.clock.forward(seconds=12)
    status, _, body = invoke.rest("GET", "/v1/health")
    assert (status, body["status"], body["stage"]) == (200, "ok", "test")
    assert set(body["sources"]) == set(FEED_KINDS)
    assert body["sources"]["prices"] == {
        "status": "ok",
        "age_s": 12.0,
        "records": 7,
        "next_poll": "2026-11-23T02:01:00.000Z",
    }


def test_health_before_the_first_poll_is_degraded(invoke):
    status, _, body = invoke.rest("GET", "/v1/health")
    assert (status, body["status"]) == (200, "degraded")
    assert body["sources"]["yields"] == {"status": "never", "age_s": None, "records": 0, "next_poll": None}


def test_a_store_that_is_down_is_a_temporary_problem(invoke):
    invoke.rig.store.down = {"*"}
    assert problem(invoke.rest("GET", "/v1/topics")) == (503, 5001)


def test_what_nobody_foresaw_is_a_problem_with_the_request_and_no_trace(invoke):
    invoke.container.health = None
    answer = invoke.rest("GET", "/v1/health")
    assert problem(answer) == (503, 5000)
    assert "c6af9ac6-7b61-11e6-9a41-93e8deadbeef" in answer[2]["detail"]
    assert "NoneType" not in str(answer[2])
