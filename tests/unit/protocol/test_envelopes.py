"""What travels between our functions: complete, bounded, and poison told apart from a fault."""

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.errors import PoisonError
from chalicelib.protocol.envelopes import (
    MAX_MESSAGE_BYTES,
    MAX_RECORDS,
    DeliveryJob,
    Frame,
    GoneMessage,
    ObservationMessage,
    TickMessage,
    decode,
    decode_record,
    encode,
    encode_observations,
)
from tests.fakes import alert_seen, seen

NOW = datetime(2026, 11, 23, 2, 0, 0, 123456, tzinfo=UTC)


DEEP = '{"records":[' + "[" * 50_000 + "]" * 50_000 + "]}"


def record(**changes):
    fields = {"id": "o1", "topic": "price:ethereum", "value": "3000.5", "observed_at": "2026-11-23T02:00:00Z"}
    return msgspec.Raw(json.dumps({**fields, **changes}).encode())


@pytest.mark.parametrize(
    "message",
    [
        DeliveryJob(id="j", frames=[Frame(to=["c"], updates=[0])], updates=[msgspec.Raw(b'{"a":1}')], sources=["m"]),
        DeliveryJob(id="j", frames=[Frame(to=["c"], message=msgspec.Raw(b'{"type":"notice"}'))], attempt=3),
        GoneMessage(connections=["a", "b"]),
        TickMessage(rate=5, slot=354),
    ],
)
def test_a_message_comes_back_as_it_was_sent(message):
    again = decode(type(message), encode(message).decode())
    assert encode(again) == encode(message)


def test_an_alert_comes_back_as_it_was_sent():
    sent = alert_seen("ann", "1", NOW)
    (body,) = encode_observations([sent])
    assert [decode_record(raw) for raw in decode(ObservationMessage, body).records] == [sent]


ALERT = json.loads(alert_seen("ann", "1", NOW).alert)


@pytest.mark.parametrize(
    "changes",
    [
        {"alert": ALERT},  # on a topic that everybody may read
        {"topic": "alerts:ann", "alert": {**ALERT, "state": "screaming"}},
        {"topic": "alerts:ann", "alert": {**ALERT, "name": "x" * 16_000}},
        {"topic": "alerts:ann", "alert": "al_1"},
    ],
)
def test_a_record_with_an_alert_that_is_none_is_poison(changes):
    with pytest.raises(PoisonError, match="alert"):
        decode_record(record(**changes))


@given(st.lists(st.tuples(st.decimals("-1e18", "1e18", places=9), st.datetimes(timezones=st.just(UTC))), max_size=250))
def test_observations_come_back_in_order_whatever_their_number(figures):
    sent = [seen(f"price:c{n}", str(value), at) for n, (value, at) in enumerate(figures)]
    messages = [decode(ObservationMessage, body) for body in encode_observations(sent)]
    received = [decode_record(raw) for message in messages for raw in message.records]
    assert received == sent
    assert all(1 <= len(message.records) <= MAX_RECORDS for message in messages)


def test_a_message_of_large_observations_stays_within_its_room():
    chains = tuple(f"{n:0100}" for n in range(900))
    bodies = list(encode_observations([seen(f"tvl:protocol:{n}", "1", NOW, chains=chains) for n in range(9)]))
    assert all(len(body) <= MAX_MESSAGE_BYTES for body in bodies)
    assert sum(len(decode(ObservationMessage, body).records) for body in bodies) == 9


@pytest.mark.parametrize(
    "body",
    ["", "null", "[]", "{", '{"records":1}', '{"v":1}', '{"records":[],"v":2}', '{"records":[{]}', "\ud800", DEEP],
)
def test_a_body_that_is_no_message_of_this_version_is_poison(body):
    with pytest.raises(PoisonError):
        decode(ObservationMessage, body)


@given(st.text() | st.binary())
def test_any_body_is_a_message_or_poison(body):
    for kind in (ObservationMessage, DeliveryJob, GoneMessage, TickMessage):
        with contextlib.suppress(PoisonError):
            assert isinstance(decode(kind, body), kind)


def test_a_message_of_tomorrow_with_a_field_more_is_read():
    assert decode(TickMessage, '{"rate":5,"slot":1,"v":1,"more":[1]}') == TickMessage(rate=5, slot=1)


def test_a_record_becomes_an_observation_in_utc():
    found = decode_record(record(observed_at="2026-11-23T04:00:00+02:00", confidence="0.99", chains=["Base"]))
    assert found.observed_at == datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
    assert found.observed_at.tzinfo is UTC
    assert (found.value, found.confidence, found.chains, found.category) == (
        Decimal("3000.5"),
        Decimal("0.99"),
        ("Base",),
        None,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"id": ""},
        {"id": "x" * 65},
        {"id": 7},
        {"topic": "prize:eth"},
        {"topic": "price:*"},
        {"value": "NaN"},
        {"value": 3000.5},
        {"value": None},
        {"confidence": "much"},
        {"observed_at": "2026-11-23T02:00:00"},
        {"observed_at": "yesterday"},
        {"observed_at": "0001-01-01T00:00:00+14:00"},
        {"observed_at": "9999-12-31T23:59:59-14:00"},
        {"source": "s" * 101},
        {"category": "c" * 101},
        {"chains": ["c" * 101]},
        {"chains": ["c"] * 1001},
        {"chains": "Base"},
    ],
)
def test_a_record_that_makes_no_sense_is_poison(changes):
    with pytest.raises(PoisonError):
        decode_record(record(**changes))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
fields = st.sampled_from(["id", "topic", "value", "observed_at", "source", "confidence", "chains", "category"])


@given(st.dictionaries(fields, json_values, max_size=3))
def test_any_record_is_an_observation_or_poison(changes):
    with contextlib.suppress(PoisonError):
        assert decode_record(record(**changes)).observed_at.tzinfo is UTC
