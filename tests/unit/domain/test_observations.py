"""Figures are exact from the first byte, bounded, and written in one way only."""

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.observations import MAX_MAGNITUDE, observation_id, parse_value, plain
from chalicelib.errors import PoisonError

figures = st.decimals(-MAX_MAGNITUDE, MAX_MAGNITUDE, allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("1.50", "1.5"),
        ("15E-1", "1.5"),
        ("1E+3", "1000"),
        ("-0.00", "0"),
        ("0E+999999", "0"),
        ("100", "100"),
        ("-.5", "-0.5"),
    ],
)
def test_a_value_is_written_without_exponent_and_trailing_zeros(text, written):
    assert plain(parse_value(text)) == written


@given(figures)
def test_writing_and_reading_keeps_every_digit_down_to_thirty_places(value):
    read = parse_value(plain(value))
    assert abs(read - value) < Decimal("1e-30")
    assert plain(parse_value(plain(read))) == plain(read)


@given(figures)
def test_a_written_value_is_short_plain_ascii(value):
    text = plain(parse_value(value))
    assert len(text) <= 52
    assert set(text) <= set("-0123456789.")


@pytest.mark.parametrize(
    "raw", ["", "x", "NaN", "sNaN", "inf", "-Infinity", "1e19", "1e999999999", "-1000000000000000001", "0x10", "1,5"]
)
def test_what_is_no_bounded_number_is_poison(raw):
    with pytest.raises(PoisonError):
        parse_value(raw)


@given(st.text(max_size=80))
def test_any_text_is_a_number_or_poison(raw):
    with contextlib.suppress(PoisonError):
        assert parse_value(raw).is_finite()


def test_the_reason_does_not_repeat_a_hundred_thousand_digits():
    with pytest.raises(PoisonError) as caught:
        parse_value("1" * 100_000)
    assert len(str(caught.value)) < 100


def test_an_id_depends_on_topic_time_and_value_and_not_on_how_the_value_is_written():
    one = observation_id("price:a", "t1", Decimal("1.50"))
    assert one == observation_id("price:a", "t1", Decimal("1.5"))
    others = {
        observation_id("price:b", "t1", Decimal("1.5")),
        observation_id("price:a", "t2", Decimal("1.5")),
        observation_id("price:a", "t1", Decimal("1.6")),
    }
    assert len(others | {one}) == 4
    assert len(one) == 16
