from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from localcloud.feed.table import pack_runs, read_table, unpack_runs, write_table

DAY_S = 86400

figures = st.decimals(min_value="0", max_value="999999999999", places=2, allow_nan=False).map(str)
series = st.dictionaries(st.integers(0, 2_000_000_000), figures, min_size=1, max_size=40)
tables = st.dictionaries(st.tuples(st.text(max_size=8), st.text(max_size=8)), series, min_size=1, max_size=5)


@given(tables)
def test_a_table_gives_back_every_recorded_figure_exactly(tmp_path_factory, points):
    """The tape shows what was recorded, not something near it."""
    path = tmp_path_factory.mktemp("table") / "table.gz"
    write_table(path, points)
    read = {key: dict(each.points(2**40)) for key, each in read_table(path).series.items()}
    assert read == {key: {time: float(Decimal(each[time])) for time in sorted(each)} for key, each in points.items()}


def test_the_same_points_give_the_same_bytes(tmp_path):
    """A cut made twice does not show up as a change in the repository."""
    points = {("a",): {0: "1.5", DAY_S: "2"}}
    write_table(tmp_path / "one.gz", points)
    write_table(tmp_path / "two.gz", points)
    assert (tmp_path / "one.gz").read_bytes() == (tmp_path / "two.gz").read_bytes()


def test_whole_numbers_stay_whole(tmp_path):
    """DefiLlama's JSON has 28234271747, not 28234271747.0; a tiny price keeps its digits."""
    write_table(tmp_path / "table.gz", {("tvl",): {0: "28234271747"}, ("price",): {0: "0.000000010123"}})
    read = {key: series.value(0) for (key,), series in read_table(tmp_path / "table.gz").series.items()}
    assert repr(read) == "{'tvl': 28234271747, 'price': 1.0123e-08}"


def test_figures_too_far_apart_for_one_scale_are_refused(tmp_path):
    """When the table is written, not when it is read."""
    with pytest.raises(ValueError, match="too wide"):
        write_table(tmp_path / "table.gz", {("a",): {0: "28234271747", 1: "0.000000010123"}})


@given(st.lists(st.integers(-(10**9), 10**12), min_size=1, unique=True).map(sorted))
def test_runs_unpack_to_what_was_packed(rising):
    """Irregular stamps survive as well as daily ones."""
    assert list(unpack_runs(pack_runs(rising))) == rising


def test_a_daily_series_is_one_run():
    """That is what makes the files small."""
    assert pack_runs(range(0, 400 * DAY_S, DAY_S)) == [0, DAY_S, 399]
