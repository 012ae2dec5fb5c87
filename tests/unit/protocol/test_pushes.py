"""What clients read: the documented shapes, exactly."""

import json
from datetime import UTC, datetime

from chalicelib.domain.changes import Change
from chalicelib.errors import CommandRateError, UnknownTopicError
from chalicelib.protocol.pushes import encode_error, encode_notice, encode_reply, encode_update, rfc3339

AT = datetime(2026, 11, 23, 1, 2, 3, 4999, tzinfo=UTC)


def test_a_time_is_rfc3339_with_milliseconds_cut_and_not_rounded():
    assert rfc3339(AT) == "2026-11-23T01:02:03.004Z"
    assert rfc3339(AT.replace(microsecond=999999)) == "2026-11-23T01:02:03.999Z"


def test_an_update_carries_all_that_is_known_of_the_change():
    change = Change(
        topic="price:ethereum",
        epoch="k3q9",
        offset=124,
        value="3021.22",
        previous="3010.01",
        observed_at="2026-11-23T01:02:00.000Z",
        published_at="2026-11-23T01:02:03.401Z",
        source="defillama",
        confidence="0.99",
        chains=("Ethereum",),
    )
    assert json.loads(encode_update(change, 123)) == {
        "topic": "price:ethereum",
        "epoch": "k3q9",
        "offset": 124,
        "prev": 123,
        "value": "3021.22",
        "previous": "3010.01",
        "change_pct": "0.3724",
        "observed_at": "2026-11-23T01:02:00.000Z",
        "published_at": "2026-11-23T01:02:03.401Z",
        "source": "defillama",
        "confidence": "0.99",
        "snapshot": False,
    }


def test_a_snapshot_follows_nothing_and_says_what_it_is():
    change = Change("peg:dai", "e", 1, "1", None, "t", "t", "s")
    shown = json.loads(encode_update(change, None, snapshot=True))
    assert (shown["snapshot"], shown["prev"], shown["previous"], shown["change_pct"]) == (True, None, None, None)


def test_a_reply_echoes_its_commands_id():
    assert json.loads(encode_reply(7, {"topics": {}})) == {
        "type": "reply",
        "id": 7,
        "ok": True,
        "result": {"topics": {}},
    }
    assert json.loads(encode_reply("a", {}))["id"] == "a"


def test_a_refusal_says_what_to_do():
    assert json.loads(encode_error(1, UnknownTopicError("no topic 'prize:eth'"))) == {
        "type": "reply",
        "id": 1,
        "ok": False,
        "error": {
            "code": 2003,
            "name": "unknown_topic",
            "message": "no topic 'prize:eth'",
            "temporary": False,
            "retry_after": None,
        },
    }


def test_a_limit_says_how_long_to_wait():
    error = json.loads(encode_error(None, CommandRateError("slower", retry_after=0.5)))["error"]
    assert (error["temporary"], error["retry_after"]) == (True, 0.5)


def test_a_notice_has_a_name_a_time_and_a_text():
    assert json.loads(encode_notice("resubscribe", "again", AT)) == {
        "type": "notice",
        "name": "resubscribe",
        "at": "2026-11-23T01:02:03.004Z",
        "message": "again",
    }
