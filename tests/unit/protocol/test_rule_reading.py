"""From a rule's JSON to a rule and back; every mistake is explained where it is."""

import contextlib
import json
from datetime import timedelta
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.alerts import AlertState
from chalicelib.domain.rules import Compared, Step
from chalicelib.errors import BadRuleError, MalformedError, NotJsonError, TooLargeError
from chalicelib.protocol.alerts import answer_of, condition_body
from chalicelib.protocol.rule_reading import MAX_RULE_BYTES, read_rule
from tests.rule_strategies import START, conditions

PEG = {"topic": "peg:usd-coin", "is": "below", "value": "0.98", "margin": "0.002"}


def body(**more):
    return json.dumps({"name": "USDC loses its peg", "when": PEG, **more}).encode()


def read(raw, **more):
    return read_rule(raw, id="ru_1", user="ann", now=START, **more)


def refused(**more):
    with pytest.raises(BadRuleError) as error:
        read(body(**more))
    return error.value.pointer, str(error.value)


def test_a_rule_needs_a_name_and_a_condition():
    rule = read(body())
    assert rule.when == Compared("peg:usd-coin", "below", Decimal("0.98"), margin=Decimal("0.002"))
    assert (rule.for_s, rule.cooldown_s, rule.once, rule.enabled) == (0, 0, False, True)
    assert rule.notify == (Step("socket"),)
    assert (rule.id, rule.user, rule.version, rule.created_at) == ("ru_1", "ann", 1, START)


def test_a_rule_with_everything():
    steps = [
        {"channel": "socket"},
        {"channel": "webhook", "endpoint": "en_1"},
        {"channel": "email", "endpoint": "en_2", "after": "10m"},
    ]
    times = {"muted_until": "2026-11-24T00:00:00Z", "expires_at": "2026-12-01T01:00:00+01:00"}
    rule = read(body(**{"for": "5m"}, cooldown="1h", enabled=False, notify=steps, **times))
    assert (rule.for_s, rule.cooldown_s, rule.enabled) == (300, 3600, False)
    assert rule.notify == (Step("socket"), Step("webhook", "en_1"), Step("email", "en_2", 600))
    assert rule.expires_at.isoformat() == "2026-12-01T00:00:00+00:00"


def test_a_changed_rule_is_the_next_version_of_what_it_was():
    first = read(body())
    second = read_rule(body(name="other"), id="ru_1", user="ann", now=START + timedelta(days=1), before=first)
    assert (second.version, second.created_at, second.updated_at) == (2, START, START + timedelta(days=1))


def test_a_number_is_taken_as_it_is_written():
    rule = read(b'{"name":"n","when":{"topic":"price:a","is":"above","value":0.1}}')
    assert str(rule.when.value) == "0.1"


@settings(max_examples=60, deadline=None)
@given(conditions())
def test_a_condition_is_written_as_it_was_read(when):
    written = msgspec.json.encode({"name": "n", "when": condition_body(when)})
    assert read(written).when == when


def test_an_answer_can_be_sent_again():
    rule = read(body(**{"for": "90s"}, cooldown="2d", notify=[{"channel": "webhook", "endpoint": "en_1"}]))
    answer = json.loads(msgspec.json.encode(answer_of(rule, AlertState(rule="ru_1"))))
    assert answer["condition"] == "value < 0.98 for 90s"
    assert answer["state"]["phase"] == "armed"
    for added in ("id", "version", "condition", "created_at", "updated_at", "state"):
        del answer[added]
    assert read(json.dumps(answer).encode()) == rule


def test_the_state_of_an_earlier_version_is_not_told():
    rule = read(body(), before=read(body()))
    old = AlertState(rule="ru_1", rule_version=1, version=7, phase="firing", alert="al_1", since=START, fired_at=START)
    assert answer_of(rule, old).state.phase == "armed"
    assert answer_of(read(body()), old).state.alert == "al_1"


def single(**more):
    return {"when": {"topic": "price:a", **more}}


NESTED = {"not": {"not": {"not": {"not": PEG}}}}
MANY = {"any": [{"topic": "price:a", "is": "above", "value": n} for n in range(20)]}
SOCKET, MAIL = {"channel": "socket"}, {"channel": "email", "endpoint": "en_1"}


@pytest.mark.parametrize(
    ("more", "pointer", "said"),
    [
        (single(), "/when", "is: one of above"),
        (single(**{"is": "sale"}), "/when/is", "one of above, below"),
        (single(**{"is": "above"}), "/when", "above what?"),
        (single(**{"is": "above", "value": "much"}), "/when/value", "a number like 0.98"),
        (single(**{"is": "above", "value": True}), "/when/value", "a number like 0.98"),
        (single(**{"is": "above", "value": "2e18"}), "/when/value", "at most 1000000000000000000"),
        (single(**{"is": "above", "value": "1", "margin": "-1"}), "/when/margin", "not negative"),
        (single(**{"is": "above", "value": "1", "over": "1h"}), "/when/over", "use the rule's for"),
        (single(**{"is": "above", "value": "1", "of": "change_pct"}), "/when", "one of 5m, 15m"),
        (single(**{"is": "above", "value": "1", "of": "change_pct", "over": "2h"}), "/when/over", "one of 5m, 15m"),
        (single(**{"is": "stale"}), "/when", "like 10m"),
        (single(**{"is": "stale", "over": "1m"}), "/when/over", "from 2m to 7d"),
        (single(**{"is": "stale", "over": "5m", "margin": "1"}), "/when/margin", "leave it out"),
        (single(**{"is": "above", "value": "1", "all": [PEG]}), "/when", "one of all, any, not"),
        ({"when": {}}, "/when", "one of all, any, not"),
        ({"when": {"all": []}}, "/when/all", "length >= 1"),
        ({"when": {"all": [PEG], "is": "above"}}, "/when", "one of all, any, not"),
        ({"when": {**PEG, "topic": "peg:*"}}, "/when/topic", "single topics"),
        ({"when": {**PEG, "topic": "alerts:ann"}}, "/when/topic", "cannot be watched"),
        ({"when": {**PEG, "topic": "prize:a"}}, "/when/topic", "price"),
        ({"when": NESTED}, "/when/not/not/not/not", "at most 4 deep"),
        ({"when": {"all": [MANY, PEG]}}, "/when/all/1", "at most 20 single"),
        ({"when": {"any": [{**PEG, "topic": f"peg:{n}"} for n in range(11)]}}, "/when", "at most 10"),
        ({"when": {"all": [PEG, PEG]}}, "/when/all/1", "twice"),
        ({"name": ""}, "/name", "length >= 1"),
        ({"name": "two\nlines"}, "/name", "on one line"),
        ({"name": "n" * 101}, "/name", "length <= 100"),
        ({"for": "5 minutes"}, "/for", "like 90s or 5m"),
        ({"for": "8d"}, "/for", "from 0s to 7d"),
        ({"cooldown": "31d"}, "/cooldown", "from 0s to 30d"),
        ({"cooldown": "1h", "repeat": "once"}, "/cooldown", "leave it out"),
        ({"for": "5m", "when": {**PEG, "is": "crosses_up"}}, "/for", "above or below"),
        ({"expires_at": "2026-11-22T00:00:00Z"}, "/expires_at", "in the past"),
        ({"expires_at": "tomorrow"}, "/expires_at", "2026-11-23T01:02:03Z"),
        ({"expires_at": "2026-11-23T02:05:00Z", "for": "5m"}, "/expires_at", "before it can have held"),
        (
            {"expires_at": "2026-11-24T00:00:00Z", "muted_until": "2026-11-24T00:00:00Z"},
            "/muted_until",
            "before expires_at",
        ),
        ({"notify": []}, "/notify", "length >= 1"),
        ({"notify": [{"channel": "fax"}]}, "/notify/0/channel", "socket, webhook, email"),
        ({"notify": [{"channel": "webhook"}]}, "/notify/0", "/v1/endpoints"),
        ({"notify": [{**MAIL, "endpoint": "ann@example.org"}]}, "/notify/0/endpoint", "en_"),
        ({"notify": [{**MAIL, "after": "5m"}]}, "/notify/0/after", "told at once"),
        ({"notify": [SOCKET, {**MAIL, "after": "25h"}]}, "/notify/1/after", "from 1s to 1d"),
        ({"notify": [{**SOCKET, "endpoint": "en_1"}]}, "/notify/0/endpoint", "leave it out"),
        ({"notify": [MAIL, {**SOCKET, "after": "1m"}]}, "/notify/1/after", "leave after out"),
        ({"notify": [MAIL, SOCKET, MAIL]}, "/notify/2", "twice"),
        ({"colour": "red"}, "", "unknown field 'colour'"),
    ],
)
def test_a_mistake_is_told_with_its_place_and_its_cure(more, pointer, said):
    found, message = refused(**more)
    assert found == pointer, message
    assert said in message


def test_what_is_no_json_or_too_large_is_told_so():
    with pytest.raises(NotJsonError):
        read(b"{")
    with pytest.raises(TooLargeError):
        read(b" " * (MAX_RULE_BYTES + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["all", "any", "not", "topic", "is", "value", "over", "of"]), inner, max_size=3
        )
    ),
    max_leaves=8,
)


@settings(max_examples=100, deadline=None)
@given(when=JSON, duration=JSON)
def test_whatever_is_sent_is_a_rule_or_refused_for_what_it_is(when, duration):
    with contextlib.suppress(MalformedError, BadRuleError):
        read(msgspec.json.encode({"name": "n", "when": when, "for": duration}))
