"""Whatever a client sends is a command or a documented refusal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.filters import Group
from chalicelib.errors import BadFilterError, DefiStreamError, WrongTypeError
from chalicelib.protocol.commands import (
    MAX_COMMAND_BYTES,
    BadCommandError,
    FilterSpec,
    List,
    Ping,
    Position,
    Refresh,
    Subscribe,
    Unsubscribe,
    decode_command,
    group_of,
)


def refusal(body):
    with pytest.raises(BadCommandError) as caught:
        decode_command(body)
    return caught.value.error.code, caught.value.command_id


def outcome(body):
    """The code that a text is refused with; None if it is a command."""
    try:
        command = decode_command(body)
        if isinstance(command, Subscribe):
            group_of(command.rate, command.filter)
    except BadCommandError as refused:
        return refused.error.code
    except DefiStreamError as refused:
        return refused.code
    return None


def test_every_command_of_the_protocol_is_read():
    assert decode_command('{"action":"ping"}') == Ping()
    assert decode_command('{"action":"list","id":3}') == List(id=3)
    assert decode_command('{"action":"refresh","id":"r","token":"t"}') == Refresh(token="t", id="r")
    assert decode_command('{"action":"unsubscribe","topics":["*"]}') == Unsubscribe(topics=["*"])
    full = {
        "action": "subscribe",
        "id": 1,
        "topics": ["price:ethereum", "tvl:protocol:*"],
        "rate": "5s",
        "filter": {"min_change_pct": "0.5", "chains": ["Base"], "categories": ["Dexes"]},
        "snapshot": False,
        "since": {"price:ethereum": {"epoch": "k3q9", "offset": 120}},
    }
    assert decode_command(json.dumps(full)) == Subscribe(
        topics=["price:ethereum", "tvl:protocol:*"],
        id=1,
        rate="5s",
        filter=FilterSpec(min_change_pct="0.5", chains=["Base"], categories=["Dexes"]),
        snapshot=False,
        since={"price:ethereum": Position("k3q9", 120)},
    )


def test_a_field_of_tomorrow_is_ignored():
    assert decode_command('{"action":"ping","id":1,"later":true}') == Ping(id=1)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("", 1001),
        ("hello", 1001),
        ('{"action":"ping"', 1001),
        ("{'action':'ping'}", 1001),
        ("\ud800", 1001),
        ("x" * (MAX_COMMAND_BYTES + 1), 1002),
        ("é" * (MAX_COMMAND_BYTES // 2 + 1), 1002),
        ("[" * 9, 1000),
        ("[" * 30_000, 1000),
        ("[]", 1004),
        ("null", 1004),
        ('"ping"', 1004),
        ("{}", 1003),
        ('{"action":"dance"}', 1003),
        ('{"action":["ping"]}', 1003),
        ('{"action":null}', 1003),
        ('{"action":"subscribe"}', 1004),
        ('{"action":"subscribe","topics":"price:a"}', 1004),
        ('{"action":"subscribe","topics":[1]}', 1004),
        ('{"action":"subscribe","topics":["price:a"],"rate":5}', 1004),
        ('{"action":"subscribe","topics":["price:a"],"snapshot":1}', 1004),
        ('{"action":"subscribe","topics":["price:a"],"filter":{"min_change":1}}', 1004),
        ('{"action":"subscribe","topics":["price:a"],"since":{"price:a":{"offset":1}}}', 1004),
        ('{"action":"subscribe","topics":["price:a"],"since":{"price:a":{"epoch":"e","offset":-1}}}', 1004),
        (
            '{"action":"subscribe","topics":["price:a"],"since":{"price:a":{"epoch":"e","offset":9007199254740992}}}',
            1004,
        ),
        ('{"action":"subscribe","topics":["price:a"],"since":{"price:a":{"epoch":"e","offset":1.5}}}', 1004),
        ('{"action":"refresh","token":7}', 1004),
        ('{"action":"ping","id":1.5}', 1004),
        ('{"action":"ping","id":true}', 1004),
        ('{"action":"ping","id":9007199254740992}', 1004),
        ('{"action":"ping","id":"' + "x" * 37 + '"}', 1004),
    ],
)
def test_what_is_no_command_gets_its_documented_code(body, code):
    assert refusal(body)[0] == code


def test_a_refusal_echoes_the_id_if_there_was_a_good_one():
    assert refusal('{"action":"dance","id":5}') == (1003, 5)
    assert refusal('{"action":"subscribe","id":"s","topics":7}') == (1004, "s")
    assert refusal('{"action":"dance","id":[]}') == (1004, None)


def test_brackets_inside_strings_do_not_nest():
    text = "[" * 100 + '\\"' + "{" * 100
    assert decode_command(f'{{"action":"unsubscribe","topics":["{text}"]}}').topics[0].startswith("[[")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
actions = st.sampled_from(["subscribe", "unsubscribe", "list", "ping", "refresh"]) | json_values
near_commands = st.fixed_dictionaries(
    {"action": actions},
    optional={
        "id": json_values,
        "topics": st.lists(st.text(max_size=20) | json_values, max_size=4) | json_values,
        "rate": st.sampled_from(["realtime", "5s"]) | json_values,
        "filter": st.dictionaries(st.sampled_from(["min_change_pct", "chains", "categories"]), json_values)
        | json_values,
        "snapshot": json_values,
        "since": st.dictionaries(
            st.text(max_size=9), st.fixed_dictionaries({"epoch": st.text(max_size=5), "offset": json_values})
        ),
        "token": json_values,
    },
)


@given(st.text() | json_values.map(json.dumps) | near_commands.map(json.dumps))
def test_any_text_is_a_command_or_a_documented_refusal(body):
    assert outcome(body) in (None, 1000, 1001, 1002, 1003, 1004, 2002)


# --- rate and filter ---


def test_a_rate_and_a_filter_make_a_group():
    spec = FilterSpec(min_change_pct="0.5", chains=["Solana", "Base", "Base"], categories=["Dexes"])
    assert group_of("5s", spec) == Group(5, "0.5", ("Base", "Solana"), ("Dexes",))
    assert group_of("realtime", None) == Group()
    assert group_of("60s", FilterSpec()) == Group(rate_s=60)


@pytest.mark.parametrize(
    ("given_as", "rung"), [("0.5", "0.5"), (0.5, "0.5"), (1, "1"), (1.0, "1"), ("10", "10"), (5, "5")]
)
def test_a_rung_may_be_a_number_or_its_text(given_as, rung):
    assert group_of("realtime", FilterSpec(min_change_pct=given_as)).rung == rung


@pytest.mark.parametrize("given_as", ["0.50", "3", 3, -1, 0, 0.5000001, 10**400, "sNaN", ""])
def test_any_other_rung_is_refused(given_as):
    with pytest.raises(BadFilterError):
        group_of("realtime", FilterSpec(min_change_pct=given_as))


@pytest.mark.parametrize("names", [[""], ["x" * 65], ["a|b"], ["a,b"], [str(n) for n in range(21)]])
def test_a_bad_name_in_a_filter_is_refused(names):
    with pytest.raises(BadFilterError):
        group_of("realtime", FilterSpec(chains=names))
    with pytest.raises(BadFilterError):
        group_of("realtime", FilterSpec(categories=names))


@pytest.mark.parametrize("rate", ["2s", "", "REALTIME", "0", "x" * 1000])
def test_a_rate_that_is_none_of_ours_is_refused(rate):
    with pytest.raises(WrongTypeError) as caught:
        group_of(rate, None)
    assert len(str(caught.value)) < 120
