"""The same call for many things, several under way at once."""

from __future__ import annotations

from threading import Barrier

import pytest

from chalicelib.services.together import AT_ONCE, FEW, together


def test_each_is_done_and_told_in_order():
    for many in (0, 1, FEW, FEW + 1, 10 * FEW):
        assert together(lambda number: 2 * number, range(many)) == [2 * number for number in range(many)]


def test_many_are_under_way_at_once():
    """Each waits for as many others: one after the other they would wait for ever."""
    gate = Barrier(AT_ONCE, timeout=10)
    assert len(together(lambda _: gate.wait(), range(2 * AT_ONCE))) == 2 * AT_ONCE


def test_one_that_fails_keeps_no_other_from_being_done():
    done = []

    def work(number):
        if number == 3:
            raise ValueError(number)
        done.append(number)

    with pytest.raises(ValueError, match="3"):
        together(work, range(FEW + 5))
    assert sorted(done) == [number for number in range(FEW + 5) if number != 3]
