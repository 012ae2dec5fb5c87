"""USDC's depeg of March 2023 and Terra's collapse of May 2022: rules that a person would set fire when they should.

USDC's figures are Chainlink's, seconds to minutes apart; Terra's are one a day, of midnight (finer ones are not
recorded in public under a licence), so an alert about it is as late as the day is long.
"""

from decimal import Decimal

import pytest

from chalicelib.domain.replays import Replay
from chalicelib.domain.rules import All, Compared, Rule, Stale
from tests.recorded import terra, usdc_depeg

USDC, UST, TVL = "peg:usd-coin", "peg:terrausd", "tvl:chain:Terra"


def below(topic, value, margin="0", **more):
    return Compared(topic, "below", Decimal(value), margin=Decimal(margin), **more)


def fired(when, seen, **more):
    """When alerts would have fired, and which figure they would have told."""
    start = seen[0].at
    rule = Rule(id="ru_1", user="u", name="a rule", when=when, created_at=start, updated_at=start, **more)
    replay = Replay(rule, start)
    for each in seen:
        replay.observe(each)
    replay.finish(seen[-1].at)
    return [(f"{alert.at:%m-%d %H:%M:%S}", str(alert.value)) for alert in replay.alerts if alert.state == "firing"]


def both():
    return sorted([*terra("stablecoins", "terrausd", UST), *terra("chains", "Terra", TVL)], key=lambda seen: seen.at)


# --- USDC, 2023-03-10 to 12 -------------------------------------------------------------------------


def test_usdc_below_98_cents_for_five_minutes_fires_once_on_saturday_at_0325():
    alerts = fired(below(USDC, "0.98", margin="0.01"), usdc_depeg(), for_s=300)
    assert alerts == [("03-11 03:25:23", "0.97651903")]


def test_without_its_margin_that_rule_fires_six_times():
    """Circle's news pulled it to 98 cents and back again, on Saturday evening and through Sunday's night."""
    alerts = fired(below(USDC, "0.98"), usdc_depeg(), for_s=300)
    assert [at for at, _ in alerts] == [
        "03-11 03:25:23",
        "03-11 20:44:59",
        "03-12 02:03:35",
        "03-12 03:01:11",
        "03-12 03:40:11",
        "03-12 04:21:11",
    ]


def test_without_a_margin_and_a_while_it_fires_seven_times():
    alerts = fired(below(USDC, "0.98"), usdc_depeg())
    assert len(alerts) == 7
    assert alerts[0] == ("03-11 03:20:23", "0.97651903")


def test_usdc_below_90_cents_for_five_minutes_fires_once_where_it_fires_three_times_at_once():
    assert fired(below(USDC, "0.9"), usdc_depeg(), for_s=300) == [("03-11 07:08:23", "0.89179608")]
    assert [at for at, _ in fired(below(USDC, "0.9"), usdc_depeg())] == [
        "03-11 06:48:59",
        "03-11 06:53:59",
        "03-11 07:03:23",
    ]


def test_crossing_90_cents_fires_once_with_a_margin_of_three():
    assert len(fired(Compared(USDC, "crosses_down", Decimal("0.9")), usdc_depeg())) == 3
    with_margin = Compared(USDC, "crosses_down", Decimal("0.9"), margin=Decimal("0.03"))
    assert fired(with_margin, usdc_depeg()) == [("03-11 06:48:59", "0.89897889")]


def test_a_fall_of_three_percent_within_the_hour_fires_for_each_of_the_two_falls():
    fall = {"of": "change_pct", "over_s": 3600}
    assert fired(below(USDC, "-3", margin="2", **fall), usdc_depeg()) == [
        ("03-11 03:38:47", "-3.3030"),
        ("03-11 06:42:23", "-3.2793"),
    ]
    assert len(fired(below(USDC, "-3", **fall), usdc_depeg())) == 4


def test_a_cool_down_of_a_day_leaves_two_of_the_seven_and_one_of_two_days_the_first():
    assert len(fired(below(USDC, "0.98"), usdc_depeg(), cooldown_s=86_400)) == 2
    assert len(fired(below(USDC, "0.98"), usdc_depeg(), cooldown_s=2 * 86_400)) == 1


def test_the_feed_is_stale_for_two_hours_only_while_nothing_happens():
    """In quiet times Chainlink writes once a day; from Friday night on it was never two hours silent."""
    assert [at for at, _ in fired(Stale(USDC, 7200), usdc_depeg())] == [
        "03-09 08:00:35",
        "03-10 08:00:59",
        "03-11 00:27:35",
    ]


# --- Terra, 2022-05-07 to 13 ------------------------------------------------------------------------


def test_ust_below_95_cents_fires_once_on_the_ninth():
    assert fired(below(UST, "0.95"), terra("stablecoins", "terrausd", UST)) == [("05-09 00:00:00", "0.754")]


def test_usts_rally_to_86_cents_fires_a_rule_of_80_cents_anew_unless_it_has_a_margin():
    seen = terra("stablecoins", "terrausd", UST)
    assert fired(below(UST, "0.8"), seen) == [("05-09 00:00:00", "0.754"), ("05-12 00:00:00", "0.767")]
    assert fired(below(UST, "0.8", margin="0.1"), seen) == [("05-09 00:00:00", "0.754")]


def test_ust_below_80_cents_for_more_than_a_day_fires_after_the_day():
    seen = terra("stablecoins", "terrausd", UST)
    assert fired(below(UST, "0.8", margin="0.1"), seen, for_s=90_000) == [("05-10 01:00:00", "0.754")]


def test_a_fifth_of_terras_tvl_gone_in_a_day_fires_once_on_the_tenth():
    seen = terra("chains", "Terra", TVL)
    alerts = fired(below(TVL, "-20", of="change_pct", over_s=86_400), seen)
    assert alerts == [("05-10 00:00:00", "-43.4728")]


def test_a_rule_of_thirty_percent_fires_for_the_tenth_and_the_twelfth_unless_it_has_a_margin():
    """On the eleventh it fell by 29.5 %."""
    seen = terra("chains", "Terra", TVL)
    change = {"of": "change_pct", "over_s": 86_400}
    assert [at for at, _ in fired(below(TVL, "-30", **change), seen)] == ["05-10 00:00:00", "05-12 00:00:00"]
    assert [at for at, _ in fired(below(TVL, "-30", margin="10", **change), seen)] == ["05-10 00:00:00"]


def test_terras_tvl_crosses_ten_billion_once():
    crossing = Compared(TVL, "crosses_down", Decimal(10_000_000_000))
    assert fired(crossing, terra("chains", "Terra", TVL)) == [("05-11 00:00:00", "9235613722")]


@pytest.mark.parametrize(("share", "day"), [("-5", "05-09 00:00:00"), ("-40", "05-10 00:00:00")])
def test_peg_and_tvl_together_fire_once_when_the_second_of_them_falls(share, day):
    when = All((below(UST, "0.95"), below(TVL, share, margin="30", of="change_pct", over_s=86_400)))
    alerts = fired(when, both())
    assert [at for at, _ in alerts] == [day]
