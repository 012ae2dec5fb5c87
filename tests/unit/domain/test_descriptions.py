"""Conditions in words, as alerts show them."""

from decimal import Decimal

import pytest

from chalicelib.domain.descriptions import describe
from chalicelib.domain.durations import duration, seconds_of
from chalicelib.domain.rules import All, AnyOf, Compared, Not, Rule, Stale
from tests.rule_strategies import START

PEG = Compared("peg:usd-coin", "below", Decimal("0.980"))
FALL = Compared("price:ethereum", "below", Decimal(-5), of="change_pct", over_s=86_400)


@pytest.mark.parametrize(
    ("when", "for_s", "text"),
    [
        (PEG, 300, "value < 0.98 for 5m"),
        (FALL, 0, "change over 24h < -5 %"),
        (Compared("price:a", "crosses_up", Decimal(3000)), 0, "value crosses above 3000"),
        (Compared("price:a", "above", Decimal(7), of="change_abs", over_s=300), 0, "change over 5m > 7"),
        (Stale("feed:prices", 600), 0, "nothing new for 10m"),
        (Not(PEG), 90, "not (value < 0.98) for 90s"),
        (All((PEG, FALL)), 0, "peg:usd-coin value < 0.98 and price:ethereum change over 24h < -5 %"),
        (
            All((PEG, AnyOf((FALL, Stale("price:ethereum", 600))))),
            0,
            "peg:usd-coin value < 0.98 and "
            "(price:ethereum change over 24h < -5 % or price:ethereum nothing new for 10m)",
        ),
    ],
)
def test_a_condition_in_words(when, for_s, text):
    rule = Rule(id="ru_1", user="u", name="n", when=when, for_s=for_s, created_at=START, updated_at=START)
    assert describe(rule) == text


@pytest.mark.parametrize(("text", "seconds"), [("0s", 0), ("90s", 90), ("5m", 300), ("4h", 14_400), ("2d", 172_800)])
def test_a_duration_is_written_as_it_was_read(text, seconds):
    assert (seconds_of(text), duration(seconds)) == (seconds, text)


@pytest.mark.parametrize("text", ["", "5", "m", "-5m", "5 m", "1.5h", "5M", "\u0665m", "5m\n", "1234567890s"])
def test_what_is_no_duration_is_none(text):
    assert seconds_of(text) is None
