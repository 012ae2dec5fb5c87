"""What holds, what lingers, and what is not known."""

from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.judging import Figures, Verdict, judge, told
from chalicelib.domain.rules import All, AnyOf, Compared, Edge, Not, Stale, edges
from tests.rule_strategies import START

A, B = "price:a", "price:b"


def compared(is_, value, margin="0", topic=A, **more):
    return Compared(topic, is_, Decimal(value), margin=Decimal(margin), **more)


def figures(now=None, before=None, topic=A):
    key = (topic, 0, "value")
    values = {} if now is None else {key: Decimal(now)}
    return Figures(values, {topic: START}, {} if before is None else {key: Decimal(before)})


@pytest.mark.parametrize(
    ("is_", "now", "holds", "lingers"),
    [
        ("above", "5", False, True),
        ("above", "5.01", True, True),
        ("above", "4.01", False, True),
        ("above", "4", False, False),
        ("below", "5", False, True),
        ("below", "4.99", True, True),
        ("below", "6", False, False),
    ],
)
def test_a_bound_is_not_beyond_itself_and_gives_way_by_the_margin(is_, now, holds, lingers):
    assert judge(compared(is_, "5", "1"), figures(now), START) == Verdict(holds, lingers)


@pytest.mark.parametrize(
    ("now", "holds", "lingers"), [("5", True, True), ("5.5", False, True), ("6", False, True), ("6.01", False, False)]
)
def test_within_not_the_margin_gives_way_to_the_other_side(now, holds, lingers):
    assert judge(Not(compared("above", "5", "1")), figures(now), START) == Verdict(holds, lingers)


@pytest.mark.parametrize(
    ("is_", "before", "now", "holds"),
    [
        ("crosses_up", "5", "6", True),
        ("crosses_up", "5.5", "6", False),
        ("crosses_up", "4", "5", False),
        ("crosses_up", None, "6", False),
        ("crosses_down", "5", "4", True),
        ("crosses_down", "4", "3", False),
    ],
)
def test_a_crossing_holds_for_the_move_across_its_bound(is_, before, now, holds):
    assert judge(compared(is_, "5"), figures(now, before), START).holds is holds


def test_a_crossing_lingers_on_its_side_of_the_bound():
    assert judge(compared("crosses_up", "5", "1"), figures("4.5", "7"), START) == Verdict(False, True)
    assert judge(compared("crosses_up", "5", "1"), figures("4", "7"), START) == Verdict(False, False)


def test_what_is_not_known_neither_holds_nor_does_its_opposite_nor_is_it_over():
    leaf = compared("above", "5")
    assert judge(leaf, figures(), START) == Verdict(False, True)
    assert judge(Not(leaf), figures(), START) == Verdict(False, True)


def test_of_all_one_that_is_false_decides_and_of_any_one_that_is_true():
    known, unknown = compared("above", "5"), compared("above", "5", topic=B)
    assert judge(All((known, unknown)), figures("4"), START) == Verdict(False, False)
    assert judge(All((known, unknown)), figures("6"), START) == Verdict(False, True)
    assert judge(AnyOf((known, unknown)), figures("6"), START) == Verdict(True, True)
    assert judge(AnyOf((known, unknown)), figures("4"), START) == Verdict(False, True)


def test_a_topic_is_stale_from_the_second_on_that_the_rule_says():
    stale = Stale(A, 120)
    assert not judge(stale, figures("1"), START + timedelta(seconds=119)).holds
    assert judge(stale, figures("1"), START + timedelta(seconds=120)).holds


def test_a_topic_never_seen_is_not_stale():
    assert not judge(Stale(B, 120), figures("1"), START + timedelta(days=9)).holds


def test_every_digit_counts():
    huge = compared("above", "1000000000000000000.000000000000000001", "0.000000000000000001")
    assert not judge(huge, figures("1000000000000000000"), START).lingers
    assert judge(huge, figures("1000000000000000000.0000000000000000001"), START).lingers


def test_an_alert_names_the_figure_that_its_condition_compares():
    key = (A, 3600, "change_pct")
    known = Figures({key: Decimal("1.23456"), (A, 0, "value"): Decimal(7), (B, 0, "value"): Decimal(8)})
    when = All((compared("above", "1", of="change_pct", over_s=3600), Stale(B, 120)))
    assert told(when, known, A) == Decimal("1.2346")
    assert told(when, known, B) == Decimal(8)
    assert told(when, known, "price:c") is None


def test_edges_are_bounds_and_bounds_with_their_margins():
    figure = (A, 0, "value")
    assert edges(compared("above", "5", "1")) == {Edge(figure, Decimal(5)), Edge(figure, Decimal(4))}
    assert edges(Not(compared("above", "5", "1"))) == {Edge(figure, Decimal(5)), Edge(figure, Decimal(6))}
    assert edges(All((compared("below", "5"), Stale(B, 120)))) == {Edge(figure, Decimal(5))}
