"""The product's rules and the reference's tell the same over random rules and values."""

from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from chalicelib.domain.judging import Figures, judge
from chalicelib.domain.replays import Replay, Seen
from chalicelib.domain.rules import Compared, edges, leaves
from tests import reference_rules
from tests.rule_strategies import START, conditions, halves, paths, rules

END = START + timedelta(hours=1)


@settings(max_examples=150, deadline=None)
@given(rule=rules(), path=paths())
def test_a_replayed_rule_tells_what_the_reference_tells(rule, path):
    replay = Replay(rule, START)
    for at, topic, value in path:
        if at <= END:
            replay.observe(Seen(at, topic, value))
    replay.finish(END)
    assert [(alert.state, alert.at) for alert in replay.alerts] == reference_rules.told(rule, path, START, END)


@settings(max_examples=150, deadline=None)
@given(when=conditions(stale=False), data=st.data())
def test_an_outcome_changes_only_if_a_figure_touches_or_passes_an_edge(when, data):
    figures = [leaf.figure for leaf in leaves(when) if isinstance(leaf, Compared)]
    values = {figure: data.draw(halves) for figure in figures}
    moved = data.draw(st.sampled_from(figures))
    after = values | {moved: data.draw(halves)}
    low, high = sorted((values[moved], after[moved]))
    changed = judge(when, Figures(values, before=values), START) != judge(when, Figures(after, before=values), START)
    assert not changed or any(edge.figure == moved and low <= edge.level <= high for edge in edges(when))


@settings(max_examples=100, deadline=None)
@given(when=conditions(), data=st.data())
def test_what_holds_lingers(when, data):
    figures = [leaf.figure for leaf in leaves(when) if isinstance(leaf, Compared)]
    known = {figure: data.draw(halves) for figure in figures if data.draw(st.booleans())}
    before = {figure: data.draw(halves) for figure in known}
    seen = {leaf.topic: START - timedelta(seconds=data.draw(st.integers(0, 500))) for leaf in leaves(when)}
    verdict = judge(when, Figures(known, seen, before), START)
    assert verdict.lingers or not verdict.holds
