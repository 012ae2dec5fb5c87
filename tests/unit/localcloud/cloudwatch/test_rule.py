"""The rules of composite alarms."""

import pytest

from localcloud.cloudwatch.errors import RuleError
from localcloud.cloudwatch.rule import parse_rule
from localcloud.cloudwatch.verdict import State

STATES = {"a": State.ALARM, "b": State.OK, "c": State.INSUFFICIENT_DATA, "with space (1)": State.ALARM}


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
        ("(ALARM(a)\n OR ALARM(b))\n AND\tOK( b )", True),
    ],
)
def test_a_rule_holds_of_the_states_it_names(rule, holds):
    assert parse_rule(rule).holds(STATES) is holds


def test_a_rule_knows_the_alarms_it_watches_once_each():
    assert parse_rule("ALARM(b) OR ALARM(a) OR OK(b)").children == ("b", "a")


@pytest.mark.parametrize(
    "rule",
    ["", "ALARM", "ALARM()", "ALARM(a", "ALARM(a) ALARM(b)", "ALARM(a) AND", "(TRUE", "TRUE)", "a", "WARN(a)", '"a"'],
)
def test_what_is_no_rule_is_refused_and_quoted(rule):
    with pytest.raises(RuleError) as caught:
        parse_rule(rule)
    assert repr(rule) in str(caught.value)


def test_more_than_a_hundred_alarms_in_a_rule_are_refused():
    with pytest.raises(RuleError, match="100 alarms"):
        parse_rule(" OR ".join(f"ALARM(a{number})" for number in range(101)))
