from datetime import UTC, datetime

import pytest

from localcloud.feed.table import read_table, write_table
from localcloud.feed.tape import DATA, DAY_S, DEFAULT_START, HOUR_S, RECORDED, Tape


def unix(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.fixture(scope="module")
def tape():
    return Tape.load()


@pytest.fixture
def small(tmp_path):
    """One chain: two points a day apart, a hole of twenty days, one point more."""
    write_table(tmp_path / "chains.gz", {("X",): {0: "100", DAY_S: "200", 21 * DAY_S: "50"}})
    return Tape({"chains": read_table(tmp_path / "chains.gz")})


@pytest.mark.parametrize(
    ("time", "value", "recorded"),
    [
        (0, 100, True),
        (599, 100, True),
        (600, 100.69, False),
        (DAY_S // 2, 150, False),
        (DAY_S, 200, True),
        (4 * DAY_S, 200, True),
        (21 * DAY_S, 50, True),
        (24 * DAY_S, 50, True),
    ],
)
def test_a_value_is_recorded_or_on_the_line_between(small, time, value, recorded):
    """A point within reach counts as it is; after the last, or in a long hole, it stands for three days."""
    sample = small.at("chains", "X", time=time, reach_s=600)
    assert (sample.value, sample.recorded) == (value, recorded)


@pytest.mark.parametrize("time", [-1, 4 * DAY_S + 1, 20 * DAY_S, 24 * DAY_S + 1])
def test_where_nothing_is_known_nothing_is_said(small, time):
    """Before the first point, deep in a long hole, and long after the last point."""
    assert small.at("chains", "X", time=time, reach_s=600) is None


def test_a_recorded_sample_bears_its_own_time(small):
    """A price's timestamp is when it was recorded; an interpolated one's is the moment asked for."""
    assert small.at("chains", "X", time=DAY_S + 300, reach_s=600).time == DAY_S
    assert small.at("chains", "X", time=DAY_S // 2, reach_s=600).time == DAY_S // 2


def test_a_series_that_is_not_on_the_tape_has_no_value(small):
    """An unknown name is an absence, not an error."""
    assert small.at("chains", "Y", time=0, reach_s=600) is None


@pytest.mark.parametrize(
    ("day", "tvl"),
    [("2022-05-07", 28234271747), ("2022-05-10", 13107180115), ("2022-05-13", 1005783283)],
)
def test_the_collapse_of_terra_is_as_recorded(tape, day, tvl):
    """From 28.2 billion dollars to 1.0 billion in six days."""
    sample = tape.at("chains", "Terra", time=unix(day), reach_s=600)
    assert (sample.value, sample.recorded) == (tvl, True)


def test_the_depeg_of_usdc_is_as_recorded(tape):
    """0.9611 on 12 March 2023."""
    assert tape.quote("stablecoins", "usd-coin", time=unix("2023-03-12"), reach_s=1800).value == 0.961065


def test_a_hole_in_hourly_prices_is_not_bridged(tape):
    """DefiLlama shows no price older than its search width of twelve hours; neither does a line across a hole."""
    series = tape.series("prices_hourly", "memecore")
    hole = next(i for i in range(len(series) - 1) if series.times[i + 1] - series.times[i] > 12 * HOUR_S)
    sample = tape.at("prices_hourly", "memecore", time=series.times[hole] + 2 * HOUR_S, reach_s=300)
    assert (sample.recorded, sample.time) == (True, series.times[hole])


def test_everything_but_yields_is_recorded_at_the_default_start(tape):
    """The first minute on a laptop shows as much as there is."""
    start = DEFAULT_START.timestamp()
    kinds = [kind for kind in RECORDED if any(first <= start <= last for first, last in tape.spans(kind))]
    assert kinds == ["prices", "protocols", "chains", "stablecoins"]


def test_the_shipped_cut_is_small():
    """Under five megabytes with everything."""
    assert sum(path.stat().st_size for path in DATA.iterdir()) < 5_000_000
