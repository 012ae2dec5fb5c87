"""The indexed evaluator, on a real Redis, and a reference of a few lines that scans everything tell the same."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest
import redis as driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.rules import AnyOf, Compared, Rule
from tests.functional.rules_world import RulesWorld
from tests.functions_user import as_functions_user
from tests.reference_rules import told
from tests.rule_strategies import START, TOPICS, WINDOWS, paths, rules

END = START + timedelta(hours=3)
FAR = Decimal(10**9)

several = st.lists(rules(), min_size=1, max_size=6).map(
    lambda drawn: [replace(rule, id=f"ru_{number}") for number, rule in enumerate(drawn)]
)


def windows_are_kept() -> Rule:
    """One that never fires: a window is measured from when the first rule about it is made."""
    leaves = [Compared(topic, "above", FAR, "change_abs", over_s) for topic in TOPICS for over_s in WINDOWS]
    before = START - timedelta(days=1)
    return Rule(id="ru_far", user="v", name="far", when=AnyOf(tuple(leaves)), created_at=before, updated_at=before)


@pytest.fixture
def url(redis_url: str) -> str:
    return as_functions_user(redis_url)


@given(several, paths())
@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_rule_tells_what_the_reference_tells(url, redis_url, drawn, path):
    """Nested rules, margins, windows, silence, `for`, cool-downs, once, expiry: the same alerts at the same times."""
    with driver.Redis.from_url(redis_url) as admin:
        admin.flushall()
    first = START - timedelta(minutes=11)
    path = [(first, topic, Decimal(2)) for topic in TOPICS] + path  # silence is counted from an observation
    world = RulesWorld(url, first - timedelta(minutes=1))
    world.make(windows_are_kept())
    world.settle()
    for at, topic, value in [step for step in path if step[0] < START]:
        world.observe(topic, value, at)
    world.clock.at = START
    world.make(*drawn)
    world.settle()
    for at, topic, value in [step for step in path if step[0] >= START]:
        world.wait(at, inclusive=False)
        world.observe(topic, value, at)
    world.wait(END)
    for rule in drawn:
        assert world.heard.of(rule.id) == told(rule, path, START, END), rule
