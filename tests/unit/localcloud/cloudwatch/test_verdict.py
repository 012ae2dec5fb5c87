"""M out of N over an evaluation range with gaps."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.cloudwatch.verdict import Missing, Rule, State, Why, judge

X, O, GAP = True, False, None  # noqa: E741 - as the user guide writes them


@st.composite
def ranges(draw, treatments=tuple(Missing)):
    periods = draw(st.integers(1, 6))
    to_alarm = draw(st.integers(1, periods))
    rule = Rule(periods, to_alarm, draw(st.sampled_from(treatments)))
    return rule, draw(st.lists(st.sampled_from([X, O, GAP]), min_size=rule.range_slots, max_size=rule.range_slots))


@given(ranges())
def test_with_enough_real_points_missing_data_does_not_matter(case):
    rule, breaches = case
    real = [breach for breach in breaches if breach is not None]
    verdict = judge(rule, breaches)
    if len(real) >= rule.periods:
        expected = State.ALARM if sum(real[-rule.periods :]) >= rule.to_alarm else State.OK
        assert (verdict.state, verdict.why, verdict.filled) == (expected, Why.DATAPOINTS, 0)
    else:
        assert verdict.filled == rule.periods - len(real)


@given(ranges((Missing.BREACHING, Missing.NOT_BREACHING)))
def test_a_treatment_that_fills_is_the_same_as_the_points_it_stands_for(case):
    """The obvious reference: put the made-up points into the gaps and count."""
    rule, breaches = case
    real = [breach for breach in breaches if breach is not None]
    made_up = [rule.missing is Missing.BREACHING] * max(rule.periods - len(real), 0)
    counted = made_up + real[-rule.periods :]
    assert judge(rule, breaches).state == (State.ALARM if sum(counted) >= rule.to_alarm else State.OK)


@given(ranges())
def test_ignoring_keeps_the_state_exactly_where_missing_would_not_follow_from_real_points(case):
    rule, breaches = case
    missing = judge(Rule(rule.periods, rule.to_alarm, Missing.MISSING), breaches)
    ignored = judge(Rule(rule.periods, rule.to_alarm, Missing.IGNORE), breaches)
    made = missing.why in (Why.EMPTY, Why.PREMATURE, Why.UNDECIDED)
    assert ignored.state == (None if made else missing.state)


@given(ranges())
def test_as_many_breaching_points_as_asked_for_alarm_whatever_is_missing(case):
    rule, breaches = case
    real = [breach for breach in breaches if breach is not None][-rule.periods :]
    if sum(real) >= rule.to_alarm:
        assert judge(rule, breaches).state is State.ALARM


def test_a_point_within_the_threshold_anywhere_in_the_range_stops_the_premature_alarm():
    rule = Rule(3, 3)
    assert judge(rule, [GAP, GAP, X, GAP, GAP]).why is Why.PREMATURE
    for slot in (0, 1, 3, 4):
        breaches = [GAP, GAP, X, GAP, GAP]
        breaches[slot] = O
        assert judge(rule, breaches).state is State.OK


@pytest.mark.parametrize(("periods", "to_alarm"), [(n, m) for n in range(1, 6) for m in range(1, n + 1)])
def test_one_breaching_point_alarms_once_it_is_as_old_as_the_points_to_alarm(periods, to_alarm):
    rule = Rule(periods, to_alarm)
    for age in range(1, rule.range_slots + 1):
        breaches = [GAP] * rule.range_slots
        breaches[-age] = X
        assert (judge(rule, breaches).state is State.ALARM) == (age >= rule.to_alarm)


def test_one_out_of_one_alarms_at_its_first_breaching_point_and_stays_two_more_periods():
    rule = Rule(1, 1)
    assert [judge(rule, breaches).state for breaches in ([GAP, GAP, X], [GAP, X, GAP], [X, GAP, GAP])] == [
        State.ALARM
    ] * 3
    assert judge(rule, [GAP] * 3).state is State.INSUFFICIENT_DATA
