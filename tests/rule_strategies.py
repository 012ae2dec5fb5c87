"""Random alert rules, and random paths of values for them to live through."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random

from hypothesis import strategies as st

from chalicelib.domain.contradictions import contradiction
from chalicelib.domain.rules import All, AnyOf, Compared, Not, Rule, Stale, leaves

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
TOPICS = ("price:a", "peg:b")
WINDOWS = (300, 900)

# Few different ones, so that bounds are met exactly and opposite conditions meet.
halves = st.integers(-6, 12).map(lambda number: Decimal(number) / 2)
margins = st.sampled_from([Decimal(0), Decimal(0), Decimal("0.5"), Decimal(2)])


def _compared(changes):
    figures = st.just({"of": "value", "over_s": 0})
    if changes:
        kinds = st.sampled_from(["change_pct", "change_abs"])
        figures |= st.fixed_dictionaries({"of": kinds, "over_s": st.sampled_from(WINDOWS)})
    comparisons = st.sampled_from(["above", "below", "above", "below", "crosses_up", "crosses_down"])
    return st.builds(
        lambda topic, is_, value, margin, figure: Compared(topic, is_, value, margin=margin, **figure),
        st.sampled_from(TOPICS),
        comparisons,
        halves,
        margins,
        figures,
    )


def conditions(*, changes=True, stale=True):
    """Up to four deep; those that contradict themselves are left out, as they are refused."""
    leaf = _compared(changes)
    if stale:
        leaf |= st.builds(Stale, st.sampled_from(TOPICS), st.sampled_from([120, 300, 420]))
    parts = leaf | st.recursive(  # single ones are what people write
        leaf,
        lambda inner: (
            st.builds(Not, inner)
            | st.builds(lambda of: All(tuple(of)), st.lists(inner, min_size=1, max_size=3))
            | st.builds(lambda of: AnyOf(tuple(of)), st.lists(inner, min_size=1, max_size=3))
        ),
        max_leaves=4,
    )
    return parts.filter(lambda when: contradiction(when) is None)


@st.composite
def rules(draw, *, id="ru_1", user="u", changes=True, stale=True, expiring=True):
    when = draw(conditions(changes=changes, stale=stale))
    crosses = any(isinstance(leaf, Compared) and leaf.is_crossing for leaf in leaves(when))
    once = draw(st.booleans())
    expires = draw(st.none() | st.integers(1, 3600)) if expiring else None
    return Rule(
        id=id,
        user=user,
        name="a rule",
        when=when,
        for_s=0 if crosses else draw(st.sampled_from([0, 0, 60, 300])),
        cooldown_s=0 if once else draw(st.sampled_from([0, 0, 120, 600])),
        once=once,
        expires_at=None if expires is None else START + timedelta(seconds=expires),
        created_at=START,
        updated_at=START,
    )


def paths(*, size=60):
    """[(at, topic, value)] in order of time, a topic at most once at a moment; some from before START.

    Made of a number, not drawn one by one: many long ones are what finds mistakes here.
    """
    return st.integers(0, 2**32).map(lambda seed: path_of(seed, size))


def path_of(seed, size):
    chance = Random(seed)
    at, path, last = START - timedelta(minutes=10), [], {}
    for _ in range(size):
        at += timedelta(seconds=chance.choice([1, 5, 30, 60, 60, 120, 300]))
        topic = chance.choice(TOPICS)
        step = Decimal(chance.randint(-4, 4)) / 2
        last[topic] = min(max(last.get(topic, Decimal(2)) + step, Decimal(-3)), Decimal(6))
        path.append((at, topic, last[topic]))
    return path
