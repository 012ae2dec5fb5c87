"""From armed to resolved: each transition, once, whenever its message comes."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from chalicelib.domain.alert_life import step
from chalicelib.domain.alerts import Acknowledged, AlertState, Changed, Judged, TimeUp
from chalicelib.domain.rules import Compared, Rule
from tests.rule_strategies import START

TOPIC = "peg:usd-coin"


def after(seconds):
    return START + timedelta(seconds=seconds)


def rule(**more):
    when = Compared(TOPIC, "below", Decimal("0.98"))
    return Rule(id="ru_1", user="ann", name="USDC", when=when, created_at=START, updated_at=START, **more)


def judged(seconds, *, holds, lingers=None, id=None, value="0.97"):
    lingers = holds if lingers is None else lingers
    id = id or f"observation {seconds}"
    return Judged(id=id, at=after(seconds), holds=holds, lingers=lingers, topic=TOPIC, value=Decimal(value))


def time_up(state, *, holds, late=0):
    at = state.due + timedelta(seconds=late)
    return TimeUp(id=f"timer {state.version}", at=at, version=state.version, holds=holds, lingers=holds)


class Life:
    """A rule's state as its events come, and what was told."""

    def __init__(self, **more):
        self.rule = rule(**more)
        self.state = AlertState(rule="ru_1")
        self.told = []

    def take(self, event):
        moved = step(self.rule, self.state, event)
        if moved is not None:
            assert moved.state.version == self.state.version + 1
            self.state = moved.state
            self.told += moved.alerts
        return moved

    @property
    def states(self):
        return [(alert.state, (alert.at - START).total_seconds()) for alert in self.told]


def test_what_does_not_hold_leaves_nothing_to_write():
    assert Life().take(judged(0, holds=False)) is None


def test_without_a_while_to_wait_it_fires_at_once():
    life = Life()
    life.take(judged(0, holds=True))
    assert life.state.phase == "firing"
    (alert,) = life.told
    assert (alert.state, alert.value, alert.topic, alert.condition) == (
        "firing", Decimal("0.97"), TOPIC, "value < 0.98",
    )  # fmt: skip
    assert alert.id.startswith("al_")
    assert len(alert.id) == 25


def test_it_waits_for_its_while_and_fires_when_that_is_over():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    assert (life.state.phase, life.state.due, life.told) == ("pending", after(300), [])
    life.take(judged(60, holds=True))
    life.take(time_up(life.state, holds=True))
    assert life.states == [("firing", 300)]


def test_what_ceases_to_hold_before_its_while_is_over_does_not_fire():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    pending = life.state
    life.take(judged(299, holds=False))
    assert life.state.phase == "armed"
    assert life.take(time_up(pending, holds=False)) is None


def test_a_timer_that_finds_it_over_arms_it_again():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    life.take(time_up(life.state, holds=False))
    assert (life.state.phase, life.told) == ("armed", [])


def test_a_late_timer_changes_nothing_of_what_is_told():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    life.take(judged(330, holds=False))
    assert life.states == [("firing", 300), ("resolved", 330)]


def test_at_the_very_end_of_its_while_the_newest_figure_decides():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    life.take(judged(300, holds=False))
    assert (life.state.phase, life.told) == ("armed", [])


def test_a_timer_that_comes_too_early_is_none():
    life = Life(for_s=300)
    life.take(judged(0, holds=True))
    assert life.take(time_up(life.state, holds=True, late=-1)) is None


def test_it_is_resolved_when_it_no_longer_lingers():
    life = Life()
    life.take(judged(0, holds=True))
    assert life.take(judged(60, holds=False, lingers=True)) is None
    life.take(judged(120, holds=False))
    assert life.states == [("firing", 0), ("resolved", 120)]
    assert life.told[0].id == life.told[1].id
    assert life.state.phase == "armed"


def test_it_fires_anew_after_it_was_resolved_under_another_id():
    life = Life()
    for seconds, holds in ((0, True), (60, False), (120, True)):
        life.take(judged(seconds, holds=holds))
    assert life.states == [("firing", 0), ("resolved", 60), ("firing", 120)]
    assert life.told[0].id != life.told[2].id


def test_while_it_cools_nothing_fires_and_then_what_holds_does():
    life = Life(cooldown_s=600)
    for seconds, holds in ((0, True), (60, False), (120, True)):
        life.take(judged(seconds, holds=holds))
    assert (life.state.phase, life.state.due) == ("cooling", after(600))
    life.take(time_up(life.state, holds=True))
    assert life.states == [("firing", 0), ("resolved", 60), ("firing", 600)]


def test_an_alert_that_was_on_for_longer_than_its_cool_down_is_armed_at_once():
    life = Life(cooldown_s=600)
    life.take(judged(0, holds=True))
    life.take(judged(601, holds=False))
    assert life.state.phase == "armed"


def test_an_observation_after_the_cool_down_needs_no_timer():
    life = Life(cooldown_s=600)
    for seconds, holds in ((0, True), (60, False), (700, True)):
        life.take(judged(seconds, holds=holds))
    assert life.states == [("firing", 0), ("resolved", 60), ("firing", 700)]


def test_once_is_once():
    life = Life(once=True)
    for seconds, holds in ((0, True), (60, False), (120, True)):
        life.take(judged(seconds, holds=holds))
    assert life.states == [("firing", 0), ("resolved", 60)]
    assert (life.state.phase, life.state.due) == ("ended", None)


def test_an_acknowledged_alert_goes_on_until_it_is_resolved():
    life = Life()
    life.take(judged(0, holds=True))
    life.take(Acknowledged(id="ack", at=after(30), alert=life.state.alert))
    life.take(judged(60, holds=False))
    assert life.states == [("firing", 0), ("acknowledged", 30), ("resolved", 60)]
    assert life.told[1].fired_at == START


@pytest.mark.parametrize("alert", ["al_another", ""])
def test_only_the_alert_that_is_on_can_be_acknowledged(alert):
    life = Life()
    assert life.take(Acknowledged(id="ack", at=START, alert=alert)) is None
    life.take(judged(0, holds=True))
    assert life.take(Acknowledged(id="ack", at=after(1), alert=alert)) is None


def test_a_resolved_alert_cannot_be_acknowledged():
    life = Life()
    life.take(judged(0, holds=True))
    life.take(judged(60, holds=False))
    assert life.take(Acknowledged(id="ack", at=after(90), alert=life.state.alert)) is None


def test_a_repeated_event_moves_nothing():
    life = Life()
    life.take(judged(0, holds=True))
    assert life.take(judged(0, holds=True)) is None
    assert life.take(judged(5, holds=False, id="observation 0")) is None


def test_who_does_the_same_again_tells_the_same():
    first, again = Life(for_s=60), Life(for_s=60)
    for life in (first, again):
        life.take(judged(0, holds=True))
    first.take(time_up(first.state, holds=True))
    again.take(judged(90, holds=True))
    assert first.told == again.told


def test_it_expires_and_resolves_what_is_on():
    life = Life(expires_at=after(600))
    life.take(judged(0, holds=True))
    assert life.state.due == after(600)
    life.take(time_up(life.state, holds=True))
    assert life.states == [("firing", 0), ("resolved", 600)]
    assert life.state.phase == "ended"
    assert life.take(judged(700, holds=True)) is None


def test_an_armed_rule_that_expires_has_a_timer_for_it():
    life = Life(expires_at=after(600))
    life.take(judged(0, holds=False))
    assert (life.state.phase, life.state.due) == ("armed", after(600))


def test_an_observation_of_the_moment_in_which_it_expires_is_too_late():
    life = Life(expires_at=after(600))
    life.take(judged(600, holds=True))
    assert (life.state.phase, life.told) == ("ended", [])


def test_it_expires_before_its_while_is_over():
    life = Life(for_s=300, expires_at=after(400))
    life.take(judged(200, holds=True))
    life.take(time_up(life.state, holds=True))
    assert (life.state.phase, life.told) == ("ended", [])


def test_a_muted_rule_lives_on_and_says_that_it_is_muted():
    life = Life(muted_until=after(60))
    for seconds, holds in ((0, True), (60, False)):
        life.take(judged(seconds, holds=holds))
    assert [alert.muted for alert in life.told] == [True, False]


def test_a_changed_rule_begins_anew_and_resolves_what_is_on():
    life = Life()
    life.take(judged(0, holds=True))
    life.rule = replace(life.rule, version=2, when=Compared(TOPIC, "below", Decimal("0.9")))
    life.take(Changed(id="put", at=after(60)))
    assert life.states == [("firing", 0), ("resolved", 60)]
    assert life.told[1].condition == "value < 0.98"
    assert life.state.phase == "armed"


def test_a_changed_rule_begins_anew_though_nobody_said_so():
    life = Life(cooldown_s=600)
    life.take(judged(0, holds=True))
    life.rule = replace(life.rule, version=2)
    life.take(judged(60, holds=True))
    assert life.states == [("firing", 0), ("resolved", 60), ("firing", 60)]
    assert life.told[0].id != life.told[2].id


def test_who_still_has_the_rule_as_it_was_changes_nothing():
    life = Life()
    old = life.rule
    life.rule = replace(old, version=2)
    life.take(judged(0, holds=True))
    life.rule = old
    assert life.take(judged(60, holds=False)) is None


def test_a_disabled_rule_is_ended_until_it_is_enabled():
    life = Life()
    life.take(judged(0, holds=True))
    life.rule = replace(life.rule, version=2, enabled=False)
    life.take(Changed(id="off", at=after(60)))
    assert life.state.phase == "ended"
    assert life.take(judged(90, holds=True)) is None
    life.rule = replace(life.rule, version=3, enabled=True)
    life.take(judged(120, holds=True))
    assert life.states == [("firing", 0), ("resolved", 60), ("firing", 120)]


def test_that_a_new_rule_exists_needs_no_state():
    assert Life().take(Changed(id="post", at=START)) is None


def test_a_new_rule_that_is_disabled_is_ended():
    life = Life(enabled=False)
    life.take(Changed(id="post", at=START))
    assert life.state.phase == "ended"
