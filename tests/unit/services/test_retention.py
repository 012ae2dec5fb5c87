"""Which months are made, taken away and deleted, and when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from chalicelib.domain.months import first_kept, month_start
from chalicelib.errors import StoreDownError
from chalicelib.services.retention import KeepMonths
from tests.fake_history import FakeMonths

NOW = datetime(2026, 11, 23, 2, 20, tzinfo=UTC)


def keep(months: FakeMonths, **kept: int) -> KeepMonths:
    return KeepMonths(months=months, now=lambda: NOW, kept=kept, grace=timedelta(days=7))


def test_this_month_and_the_next_two_are_made():
    months = FakeMonths()
    keep(months).run()
    assert months.opened == [datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), month_start(NOW, 2)]
    assert month_start(NOW, 2) == datetime(2027, 1, 1, tzinfo=UTC)


def test_each_table_keeps_its_own_number_of_months_and_0_is_all():
    months = FakeMonths()
    report = keep(months, observations=13, candles_1=2, candles_5=0).run()
    assert months.retired == {
        "observations": datetime(2025, 11, 1, tzinfo=UTC),
        "candles_1": datetime(2026, 10, 1, tzinfo=UTC),
    }
    assert report.retired == ["observations_2020_01", "candles_1_2020_01"]


def test_what_was_retired_is_dropped_after_the_grace():
    months = FakeMonths()
    assert keep(months).run().dropped == ["observations_2019_01"]
    assert months.grace == timedelta(days=7)


def test_a_table_that_is_in_use_does_not_keep_the_others_from_their_turn():
    months = FakeMonths()
    months.busy = {"observations"}
    with pytest.raises(StoreDownError):
        keep(months, observations=13, candles_1=2).run()
    assert set(months.retired) == {"candles_1"}
    assert months.grace is not None


def test_months_are_those_of_utc():
    tokyo = datetime.fromisoformat("2026-12-01T08:00:00+09:00")
    assert month_start(tokyo) == datetime(2026, 11, 1, tzinfo=UTC)
    assert first_kept(tokyo, 12) == datetime(2025, 12, 1, tzinfo=UTC)
