"""The rules that docs/alerts.md shows can be made, and it says what they are bounded by."""

import re
from pathlib import Path

import pytest

from chalicelib.domain.rules import WINDOWS_S
from chalicelib.protocol.alerts import MAX_CONDITIONS, MAX_STEPS, MAX_TOPICS
from chalicelib.protocol.rule_reading import read_rule
from chalicelib.services.dry_run import LEAD_IN, LONGEST_RANGE, MAX_OBSERVATIONS
from tests.rule_strategies import START

TEXT = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text()
RULES = re.findall(r"```json\n(.+?)```", TEXT, re.DOTALL) + re.findall(r"-d '\n(.+?)'\n```", TEXT, re.DOTALL)


@pytest.mark.parametrize("text", RULES)
def test_a_rule_that_is_shown_can_be_made(text):
    assert read_rule(text.encode(), id="ru_1", user="ann", now=START).name


def test_every_kind_of_rule_is_shown():
    assert len(RULES) == 6
    for word in ("margin", "change_pct", "crosses_up", "stale", '"all"', '"not"', "cooldown", "once", "after"):
        assert any(word in rule for rule in RULES), word


def test_the_bounds_that_are_told_are_those_that_hold():
    assert f"with {MAX_CONDITIONS} single conditions on {MAX_TOPICS} topics" in TEXT
    assert f"up to {MAX_STEPS} steps" in TEXT
    assert " ".join(f"`{name}`" for name in WINDOWS_S) in TEXT
    assert f"(up to {LONGEST_RANGE.days} days)" in TEXT
    assert f"more than {MAX_OBSERVATIONS:,}" in TEXT
    assert f"lead in ({LEAD_IN.total_seconds() / 3600:.0f}, " in TEXT
