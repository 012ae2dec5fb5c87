"""EventBridge's schedule expressions; the examples are those of its guide."""

from datetime import UTC, datetime

import pytest

from localcloud.cron import Cron, ScheduleError, rate_s


@pytest.mark.parametrize(
    ("expression", "period"),
    [("rate(1 minute)", 60), ("rate(5 minutes)", 300), ("rate(1 hour)", 3600), ("rate(2 days)", 172_800)],
)
def test_a_rate_has_a_period(expression, period):
    assert rate_s(expression) == period


@pytest.mark.parametrize(
    "expression",
    [
        *("rate(1 minutes)", "rate(5 minute)", "rate(0 minutes)", "rate(1 second)", "every minute", ""),
        *("cron(0 12 * * *)", "cron(0 12 * * * *)", "cron(0 12 ? * ? *)"),
        *("cron(60 12 * * ? *)", "cron(x 12 * * ? *)", "cron(0 12 ? * 9 *)"),
    ],
)
def test_what_eventbridge_refuses_is_refused(expression):
    with pytest.raises(ScheduleError):
        rate_s(expression)


@pytest.mark.parametrize(
    ("expression", "after", "due"),
    [
        ("cron(0 10 * * ? *)", "2026-11-23T09:59:59", "2026-11-23T10:00"),
        ("cron(0 10 * * ? *)", "2026-11-23T10:00:00", "2026-11-24T10:00"),
        ("cron(15 12 * * ? *)", "2026-12-31T13:00:00", "2027-01-01T12:15"),
        ("cron(0 18 ? * MON-FRI *)", "2026-11-27T18:00:00", "2026-11-30T18:00"),
        ("cron(0 8 1 * ? *)", "2026-11-23T00:00:00", "2026-12-01T08:00"),
        ("cron(0/15 * * * ? *)", "2026-11-23T01:02:03", "2026-11-23T01:15"),
        ("cron(5/15 * * * ? *)", "2026-11-23T01:51:00", "2026-11-23T02:05"),
        ("cron(0/5 8-17 ? * MON-FRI *)", "2026-11-27T17:55:00", "2026-11-30T08:00"),
        ("cron(0 0 L * ? *)", "2028-02-01T00:00:00", "2028-02-29T00:00"),
        ("cron(0 9 15W * ? *)", "2026-11-01T00:00:00", "2026-11-16T09:00"),
        ("cron(0 9 1W * ? *)", "2026-07-31T10:00:00", "2026-08-03T09:00"),
        ("cron(0 9 LW * ? *)", "2026-10-01T00:00:00", "2026-10-30T09:00"),
        ("cron(0 9 ? * 2#1 *)", "2026-11-23T00:00:00", "2026-12-07T09:00"),
        ("cron(0 9 ? * 6L *)", "2026-11-01T00:00:00", "2026-11-27T09:00"),
        ("cron(0 9 ? * FRI-MON *)", "2026-11-24T00:00:00", "2026-11-27T09:00"),
        ("cron(30 6 ? JAN,JUL SUN 2027-2028)", "2026-11-23T00:00:00", "2027-01-03T06:30"),
    ],
)
def test_a_cron_names_the_next_minute(expression, after, due):
    found = Cron.parse(expression).after(datetime.fromisoformat(after).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_cron_whose_years_are_over_is_never_due():
    assert Cron.parse("cron(0 0 1 1 ? 2020)").after(datetime(2026, 11, 23, tzinfo=UTC)) is None
