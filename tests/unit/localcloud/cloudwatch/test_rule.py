"""The rules of composite alarms."""

import pytest

from localcloud.cloudwatch.errors import RuleError
from localcloud.cloudwatch.rule import parse_rule
from localcloud.cloudwatch.verdict import State

STATES = {
    "a": State.ALARM,
    "b": State.OK,
    "c": State.INSUFFICIENT_DATA,
    "with space (1)": State.ALARM,
    'the "new" one, b\\2': State.OK,
}


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        *(("ALARM(a)", True), ("OK(a)", False), ('OK("b")', True), ("INSUFFICIENT_DATA(c)", True)),
        *(("TRUE", True), ("FALSE", False), ("NOT FALSE", True), ("NOT NOT ALARM(a)", True)),
        ('ALARM("with space (1)")', True),
        ("ALARM(arn:aws:cloudwatch:us-east-1:123456789012:alarm:a)", True),
        ("ALARM(a) AND NOT ALARM(b)", True),
        ("ALARM(b) AND ALARM(a) OR ALARM(a)", True),
        ("ALARM(a) OR ALARM(a) AND ALARM(b)", True),
        ("(ALARM(a) OR ALARM(a)) AND ALARM(b)", False),
        ("NOT ALARM(b) AND ALARM(b)", False),
        ("NOT (ALARM(b) AND ALARM(b))", True),
        (r'OK("the \"new\" one, b\\2")', True),
        ("(ALARM(a)\n OR ALARM(b))\n AND\tOK( b )", True),
    ],
)
def test_a_rule_holds_of_the_states_it_names(rule, holds):
    assert parse_rule(rule).holds(STATES) is holds


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        *(("AT_LEAST(1, ALARM, (a, b, c))", True), ("AT_LEAST(2, ALARM, (a, b, c))", False)),
        *(("AT_LEAST(2, NOT ALARM, (a, b, c))", True), ("AT_LEAST(3, NOT OK, (a, b, c))", False)),
        *(("AT_LEAST(1, NOT INSUFFICIENT_DATA, (c))", False), ("AT_LEAST(1, INSUFFICIENT_DATA, (c))", True)),
        *(("AT_LEAST(50%, ALARM, (a, b))", True), ("AT_LEAST(51%, ALARM, (a, b))", False)),
        *(("AT_LEAST(34%, ALARM, (a, b, c))", False), ("AT_LEAST(33%, ALARM, (a, b, c))", True)),
        *(("AT_LEAST(100%, NOT OK, (a, c))", True), ('AT_LEAST("50%", OK, ("a", "b"))', True)),
        ('AT_LEAST(2, ALARM, (arn:aws:cloudwatch:us-east-1:123456789012:alarm:a, "with space (1)"))', True),
        ("AT_LEAST(1, ALARM, (a, b)) AND NOT ALARM(b)", True),
        ("NOT AT_LEAST(1, ALARM, (a, b)) OR FALSE", False),
    ],
)
def test_a_rule_counts_the_alarms_in_a_state(rule, holds):
    assert parse_rule(rule).holds(STATES) is holds


@pytest.mark.parametrize(
    "rule",
    [
        *("AT_LEAST(0, ALARM, (a))", "AT_LEAST(2, ALARM, (a))", "AT_LEAST(101%, ALARM, (a))", "AT_LEAST(ALARM, (a))"),
        *("AT_LEAST(1, ALARM, ())", "AT_LEAST(1, ALARM, a)", "AT_LEAST(1, WARN, (a))", "AT_LEAST(1, ALARM, (a b))"),
        *("AT_LEAST(1, ALARM, (a)", "AT_LEAST(-1, ALARM, (a))", "AT_LEAST(1.5, ALARM, (a))", "AT_LEAST"),
    ],
)
def test_a_count_that_can_never_be_is_refused(rule):
    with pytest.raises(RuleError) as caught:
        parse_rule(rule)
    assert repr(rule) in str(caught.value)


def test_a_rule_knows_the_alarms_it_watches_once_each():
    assert parse_rule("ALARM(b) OR ALARM(a) OR OK(b) OR AT_LEAST(1, OK, (a, c))").children == ("b", "a", "c")


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "ALARM",
        "ALARM()",
        "ALARM(a",
        "ALARM(a) ALARM(b)",
        "ALARM(a) AND",
        "(TRUE",
        "TRUE)",
        "a",
        "WARN(a)",
        '"a"',
        'OK("a)',
        "OK(a, b)",
    ],
)
def test_what_is_no_rule_is_refused_and_quoted(rule):
    with pytest.raises(RuleError) as caught:
        parse_rule(rule)
    assert repr(rule) in str(caught.value)


def test_a_rule_is_no_longer_than_ten_thousand_characters():
    with pytest.raises(RuleError, match="10240 characters"):
        parse_rule("TRUE" + " " * 10_240)


def test_more_than_a_hundred_alarms_in_a_rule_are_refused():
    with pytest.raises(RuleError, match="100 alarms"):
        parse_rule(" OR ".join(f"ALARM(a{number})" for number in range(101)))
