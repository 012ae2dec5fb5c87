"""Conditions that nobody means are refused, with where they are wrong."""

from decimal import Decimal

import pytest

from chalicelib.domain.contradictions import contradiction
from chalicelib.domain.rules import All, AnyOf, Compared, Not, Stale

A, B = "price:a", "price:b"


def above(value, topic=A, **more):
    return Compared(topic, "above", Decimal(value), **more)


def below(value, topic=A, **more):
    return Compared(topic, "below", Decimal(value), **more)


def up(value, topic=A):
    return Compared(topic, "crosses_up", Decimal(value))


CHANGE = {"of": "change_pct", "over_s": 3600}


@pytest.mark.parametrize(
    "when",
    [
        All((above("3"), below("5"))),
        All((above("5"), below("3", B))),
        All((above("5"), below("3", **CHANGE))),
        All((Not(above("5")), Not(below("5")))),
        All((above("5"), AnyOf((below("3"), above("9", B))))),
        AnyOf((above("5"), below("3"))),
        AnyOf((up("5"), up("3"))),
        All((up("5"), below("9"))),
        All((Stale(A, 600), below("5"))),
        All((Stale(A, 600), up("5", B))),
        All((Stale(A, 600), Not(Stale(A, 1200)))),
        Not(Stale(A, 600)),
    ],
)
def test_what_can_be_and_not_be_is_a_condition(when):
    assert contradiction(when) is None


@pytest.mark.parametrize(
    ("when", "pointer", "said"),
    [
        (All((above("5"), below("3"))), "/all/1", "above 5 and below 3 of one figure: can never hold together"),
        (All((above("5"), below("5"))), "/all/1", "can never hold together"),
        (All((below("3"), All((above("5"),)))), "/all/1/all/0", "can never hold together"),
        (All((above("5"), Not(above("3")))), "/all/1/not", "can never hold together"),
        (All((up("5"), below("4"))), "/all/1", "can never hold together"),
        (All((Not(above("4")), Not(below("5")))), "/all/1/not", "can never hold together"),
        (All((above("5", **CHANGE), below("3", **CHANGE))), "/all/1", "can never hold together"),
        (AnyOf((above("3"), below("5"))), "/any/1", "one of them always holds"),
        (AnyOf((above("3"), Not(above("3")))), "/any/1/not", "one of them always holds"),
        (Not(All((above("5"), below("3")))), "/not/all/1", "can never hold together"),
        (All((Stale(A, 1200), Not(Stale(A, 600)))), "/all/1/not", "stale and not stale"),
        (All((up("5"), up("3", B))), "/all/1", "two crossings"),
        (All((Stale(A, 600), up("5"))), "/all/1", "crosses nothing"),
        (Not(up("5")), "/not", "above or below within not"),
        (Not(AnyOf((above("1"), up("5")))), "/not/any/1", "above or below within not"),
        (AnyOf((above("5"), below("1"), above("5"))), "/any/2", "the same condition twice"),
        (AnyOf((above("9", B), All((above("5"), below("3"))))), "/any/1/all/1", "can never hold together"),
    ],
)
def test_what_cannot_be_meant_is_refused(when, pointer, said):
    found = contradiction(when)
    assert found is not None
    assert (found.pointer, said in found.message) == (pointer, True), found
