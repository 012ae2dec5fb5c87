"""What every route has: quotas, ETags, other origins, and parameters that are none."""

from __future__ import annotations

import re

import pytest

from chalicelib.errors import SettingsError, StoreDownError
from chalicelib.handlers.rest import answering
from tests.unit.services.socket_rig import API_KEY

KEY = {"x-api-key": API_KEY}


def left(headers):
    return int(re.fullmatch(r'"minute";r=(\d+);t=\d+', headers["RateLimit"])[1])


# --- quotas ---


def test_an_answer_says_how_many_requests_are_left(invoke):
    first, second = (invoke.rest("GET", "/v1/topics")[1] for _ in range(2))
    assert first["RateLimit-Policy"] == '"minute";q=20;w=60'
    assert (left(first), left(second)) == (19, 18)


def test_the_owner_of_a_key_has_the_requests_of_the_tier(invoke):
    headers = invoke.rest("GET", "/v1/topics", **KEY)[1]
    assert headers["RateLimit-Policy"] == '"minute";q=1000;w=60'


def test_who_has_none_left_is_told_when_to_come_again(invoke):
    statuses = [invoke.rest("GET", "/v1/topics")[0] for _ in range(20)]
    status, headers, body = invoke.rest("GET", "/v1/topics")
    assert set(statuses) == {200}
    assert (status, body["code"], body["name"]) == (429, 3004, "too_many_requests")
    assert (headers["Retry-After"], left(headers)) == ("3", 0)
    invoke.rig.clock.forward(seconds=3)
    assert invoke.rest("GET", "/v1/topics")[0] == 200


def test_one_address_does_not_use_up_anothers_requests(invoke):
    for _ in range(21):
        invoke.rest("GET", "/v1/topics")
    assert invoke.rest("GET", "/v1/topics", **KEY)[0] == 200


def test_health_and_the_document_are_not_counted(invoke):
    for path in ("/v1/health", "/v1/openapi.json"):
        assert "RateLimit" not in invoke.rest("GET", path)[1]


def test_while_redis_is_down_nobody_is_counted(invoke, monkeypatch):
    def down(*_):
        raise StoreDownError("Redis is down")

    monkeypatch.setattr(invoke.rig.limits, "meter", down)
    answers = [invoke.rest("GET", "/v1/topics") for _ in range(30)]
    assert {status for status, _, _ in answers} == {200}
    assert "RateLimit" not in answers[0][1]


# --- ETags ---


def test_the_same_answer_is_not_sent_twice(invoke):
    invoke.rig.see("price:ethereum", "100")
    tag = invoke.rest("GET", "/v1/topics")[1]["ETag"]
    status, headers, body = invoke.rest("GET", "/v1/topics", **{"If-None-Match": f'"other", {tag}'})
    assert (status, body, headers["ETag"]) == (304, None, tag)
    assert "Content-Type" not in headers
    invoke.rig.see("price:ethereum", "200")
    assert invoke.rest("GET", "/v1/topics", **{"If-None-Match": tag})[0] == 200


@pytest.mark.parametrize(
    ("header", "status"),
    [("*", 304), ("W/{tag}", 304), ("{tag}", 304), ("W/{other}", 200), ("{bare}", 200), ("", 200)],
)
def test_etags_are_compared_weakly(invoke, header, status):
    strong = invoke.rest("GET", "/v1/topics")[1]["ETag"].removeprefix("W/")
    sent = header.format(tag=strong, other='"x"', bare=strong.strip('"'))
    assert invoke.rest("GET", "/v1/topics", **{"If-None-Match": sent})[0] == status


def test_a_token_has_no_etag_and_is_kept_by_nobody(invoke):
    headers = invoke.rest("POST", "/v1/tokens")[1]
    assert "ETag" not in headers
    assert headers["Cache-Control"] == "no-store"


# --- pages of other origins ---


def test_any_page_may_read_where_no_origin_is_named(invoke):
    assert invoke.rest("GET", "/v1/topics", Origin="https://other")[1]["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(("origin", "allowed"), [("https://ours", "https://ours"), ("https://other", None)])
def test_where_origins_are_named_only_they_may_read(invoke, monkeypatch, origin, allowed):
    monkeypatch.setattr(invoke.container.settings, "allowed_origins", ("https://ours",), raising=False)
    for method, path in (("GET", "/v1/topics"), ("OPTIONS", "/v1/query")):
        headers = invoke.rest(method, path, Origin=origin)[1]
        assert headers.get("Access-Control-Allow-Origin") == allowed
        assert headers["Vary"] == "Origin"


def test_a_problem_can_be_read_by_a_page_too(invoke):
    status, headers, _ = invoke.rest("GET", "/v1/topics", {"match": "prize:*"})
    assert (status, headers["Access-Control-Allow-Origin"]) == (404, "*")


def test_a_preflight_allows_what_the_api_takes_and_costs_no_request(invoke):
    status, headers, body = invoke.rest("OPTIONS", "/v1/query", Origin="https://page")
    assert (status, body) == (204, None)
    assert {"GET", "POST", "PUT", "DELETE"} == set(headers["Access-Control-Allow-Methods"].split(", "))
    assert {"Content-Type", "Idempotency-Key", "X-Api-Key"} <= set(headers["Access-Control-Allow-Headers"].split(", "))
    assert left(invoke.rest("GET", "/v1/topics")[1]) == 19


# --- parameters ---


@pytest.mark.parametrize(
    ("path", "query", "named"),
    [
        ("/v1/topics", {"macth": "price:*"}, "macth"),
        ("/v1/topics", {"match": ["price:*", "tvl:*"]}, "match"),
        ("/v1/topics", {"match": "x" * 129}, "match"),
        ("/v1/health", {"verbose": "1"}, "verbose"),
        ("/v1/snapshot", {}, "topics"),
        ("/v1/openapi.json", {"v": "2"}, "'v'"),
    ],
)
def test_a_wrong_parameter_is_named(invoke, path, query, named):
    status, _, body = invoke.rest("GET", path, query)
    assert (status, body["code"]) == (400, 1004)
    assert named in body["detail"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v1/topics", "there is no parameter 'limit': there are match, cursor"),
        ("/v1/health", "there is no parameter 'limit': there are none here"),
    ],
)
def test_who_asks_with_an_unknown_parameter_is_told_which_there_are(invoke, path, told):
    assert invoke.rest("GET", path, {"limit": "2"})[2]["detail"] == told


def test_a_body_of_another_type_makes_no_difference_to_who_needs_none(invoke):
    assert invoke.rest("POST", "/v1/tokens", body="<x/>", **{"Content-Type": "text/xml"})[0] == 201


def test_wrong_settings_are_not_told_to_clients(invoke, monkeypatch):
    def broken():
        raise SettingsError("bad settings: REDIS_URL is missing")

    monkeypatch.setattr(answering, "container", broken)
    status, _, body = invoke.rest("GET", "/v1/topics")
    assert (status, body["code"]) == (503, 5000)
    assert "REDIS_URL" not in str(body)


# --- requests that come again ---


def test_a_request_with_a_key_is_done_once(invoke):
    first, second = (invoke.rest("POST", "/v1/tokens", **{"Idempotency-Key": "k"}) for _ in range(2))
    assert first[2] == second[2]
    assert (first[0], second[0]) == (201, 201)
    assert ("Idempotency-Replayed" in first[1], second[1]["Idempotency-Replayed"]) == (False, "true")
    assert invoke.rest("POST", "/v1/tokens", **{"Idempotency-Key": "another"})[2] != first[2]


def test_another_partys_equal_key_is_another_key(invoke):
    mine = invoke.rest("POST", "/v1/tokens", **{"Idempotency-Key": "k"})[2]
    assert invoke.rest("POST", "/v1/tokens", **{"Idempotency-Key": "k"}, **KEY)[2] != mine


def test_a_key_that_another_request_had_is_refused(invoke):
    invoke.rest("POST", "/v1/tokens", body="{}", **{"Idempotency-Key": "k"})
    status, _, body = invoke.rest("POST", "/v1/tokens", body='{"a":1}', **{"Idempotency-Key": "k"})
    assert (status, body["code"]) == (422, 2008)


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "kä"])
@pytest.mark.parametrize("path", ["/v1/tokens", "/v1/query"])
def test_what_cannot_be_a_key_is_refused(invoke, path, key):
    status, _, body = invoke.rest("POST", path, body="{}", **{"Idempotency-Key": key})
    assert (status, body["code"]) == (400, 1004)
