"""Endpoints over REST, and the pages that e-mails lead to."""

from __future__ import annotations

import json

import pytest

from chalicelib.domain.keys import hash_key
from chalicelib.ports import ApiKey
from tests.unit.services.socket_rig import API_KEY

KEY = {"x-api-key": API_KEY}
BOBS = {"x-api-key": "ds_bobs-key-of-the-test"}
WEBHOOK = {"kind": "webhook", "url": "https://example.com/hook"}
EMAIL = {"kind": "email", "address": "ann@example.com"}


def make(invoke, endpoint, **headers):
    return invoke.rest("POST", "/v1/endpoints", body=json.dumps(endpoint), **{**KEY, **headers})


def one(invoke, method, name, what="", **headers):
    route = "/v1/endpoints/{id}" + (f"/{what}" if what else "")
    return invoke.rest(method, route.replace("{id}", name), route=route, **{**KEY, **headers})


def test_a_webhooks_secret_is_shown_when_it_is_made_and_never_again(invoke):
    status, headers, made = make(invoke, WEBHOOK)
    assert (status, headers["Location"]) == (201, f"/v1/endpoints/{made['id']}")
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["verified_at"], made["problem"]) == (WEBHOOK["url"], None, "")
    read = one(invoke, "GET", made["id"])[2]
    assert read == {name: value for name, value in made.items() if name != "secret"}
    assert invoke.rest("GET", "/v1/endpoints", **KEY)[2] == {"endpoints": [read]}


def test_an_endpoint_that_is_sent_again_with_its_key_is_made_once_and_its_secret_told_again(invoke):
    first, second = (make(invoke, WEBHOOK, **{"idempotency-key": "k"})[2] for _ in range(2))
    assert first == second
    assert len(invoke.rig.endpoints.endpoints) == 1


@pytest.mark.parametrize(
    ("endpoint", "pointer"),
    [
        ({"kind": "pager", "url": "https://example.com"}, "/kind"),
        ({"kind": "webhook"}, "/url"),
        ({"kind": "webhook", "url": "http://example.com"}, "/url"),
        ({"kind": "webhook", "url": "https://example.com", "address": "a@example.com"}, "/address"),
        ({"kind": "email"}, "/address"),
        ({"kind": "email", "address": "nobody"}, "/address"),
        ({"kind": "email", "address": "a@example.com", "more": 1}, ""),
    ],
)
def test_what_is_wrong_with_an_endpoint_is_told_with_its_place(invoke, endpoint, pointer):
    status, _, body = make(invoke, endpoint)
    assert (status, body["code"], body["pointer"]) == (422, 2013, pointer)


def test_a_rotated_secret_is_another_and_is_told_once_for_each_key(invoke):
    made = make(invoke, WEBHOOK)[2]
    first, again = (one(invoke, "POST", made["id"], "rotate", **{"idempotency-key": "k"})[2] for _ in range(2))
    assert first["secret"] == again["secret"] != made["secret"]


def test_one_key_for_two_endpoints_is_refused(invoke):
    names = [make(invoke, WEBHOOK)[2]["id"] for _ in range(2)]
    asked = [one(invoke, "POST", name, "enable", **{"idempotency-key": "k"})[0] for name in names]
    assert asked == [200, 422]


def test_verifying_again_within_a_minute_has_to_wait(invoke):
    made = make(invoke, WEBHOOK)[2]
    status, headers, body = one(invoke, "POST", made["id"], "verify")
    assert (status, body["code"]) == (429, 3000)
    assert int(headers["Retry-After"]) == 60
    invoke.rig.clock.forward(seconds=60)
    assert one(invoke, "POST", made["id"], "verify")[0] == 202


@pytest.mark.parametrize(
    ("method", "what"), [("GET", ""), ("DELETE", ""), ("POST", "verify"), ("POST", "rotate"), ("POST", "enable")]
)
def test_anothers_endpoint_is_as_one_that_is_not_there(invoke, method, what):
    invoke.rig.keys.put(ApiKey("bob", "free", "test", hash_key(BOBS["x-api-key"]), "2026-11-23T00:00:00.000Z"))
    made = make(invoke, WEBHOOK)[2]
    before = dict(invoke.rig.endpoints.endpoints)
    for name in (made["id"], "en_none", "x" * 3000):
        status, _, body = one(invoke, method, name, what, **BOBS)
        assert (status, body["code"]) == (404, 2014)
    assert invoke.rig.endpoints.endpoints == before


def test_an_endpoint_that_is_deleted_is_gone(invoke):
    made = make(invoke, WEBHOOK)[2]
    assert one(invoke, "DELETE", made["id"])[0] == 204
    assert one(invoke, "GET", made["id"])[0] == 404


# --- pages ---


def link(invoke, purpose):
    name = make(invoke, EMAIL)[2]["id"]
    return name, invoke.container.links.token(purpose, invoke.rig.endpoints.endpoints[name])


@pytest.mark.parametrize("purpose", ["confirm", "unsubscribe"])
def test_to_look_at_a_link_changes_nothing_and_offers_a_button(invoke, purpose):
    name, token = link(invoke, purpose)
    before = invoke.rig.endpoints.endpoints[name]
    status, headers, page = invoke.rest("GET", f"/v1/{purpose}", {"token": token})
    assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert EMAIL["address"] in page
    assert '<form method="post">' in page
    assert invoke.rig.endpoints.endpoints[name] == before


def test_the_button_confirms_the_address(invoke):
    name, token = link(invoke, "confirm")
    status, _, page = invoke.rest("POST", "/v1/confirm", {"token": token})
    assert (status, "<form" in page) == (200, False)
    assert invoke.rig.endpoints.endpoints[name].verified_at == invoke.rig.clock()


def test_a_mail_program_unsubscribes_without_a_key_or_a_page(invoke):
    name, token = link(invoke, "unsubscribe")
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    sent = invoke.rest("POST", "/v1/unsubscribe", {"token": token}, body="List-Unsubscribe=One-Click", **form)
    assert sent[0] == 200
    assert invoke.rig.endpoints.endpoints[name].disabled_at == invoke.rig.clock()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_link_of_another_purpose_or_none_of_ours_is_a_page_that_says_so(invoke, method):
    _, token = link(invoke, "unsubscribe")
    for bad, expected in ((token, 422), ("ln_x", 422), ("<script>", 400), ("", 400)):
        status, headers, page = invoke.rest(method, "/v1/confirm", {"token": bad})
        assert (status, headers["Content-Type"]) == (expected, "text/html; charset=utf-8")
        assert "<form" not in page
        assert "<script" not in page
        assert "regex" not in page


def test_a_page_may_load_nothing_and_tells_nobody_its_address(invoke):
    headers = invoke.rest("GET", "/v1/confirm", {"token": "x"})[1]
    assert headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (headers["Referrer-Policy"], headers["Cache-Control"]) == ("no-referrer", "no-store")
