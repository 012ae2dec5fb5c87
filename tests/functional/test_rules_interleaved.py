"""Two workers with one rule between them: whatever comes between two steps, the newest figures have the last word."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from chalicelib.domain.rules import All, Compared, Rule
from chalicelib.protocol.envelopes import encode
from chalicelib.protocol.signals import RecheckMessage
from tests.functional.rules_world import RulesWorld, Worker, bodies, seen
from tests.functions_user import as_functions_user

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
STEPS = [("index", name) for name in ("select", "rules", "figures", "advance")]
STEPS += [("states", name) for name in ("load", "move", "said")]
STEPS += [("timers", "put"), ("stream", "publish")]
LOOKING = [step for step in STEPS if step not in (("index", "select"), ("index", "advance"))]


class Interrupted:
    """A port before, or after, whose first call of one method something else happens."""

    def __init__(self, port: Any, method: str, meanwhile: Callable[[], None], *, after: bool) -> None:
        self._port, self._method, self._after = port, method, after
        self._meanwhile: Callable[[], None] | None = meanwhile

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)
        return self._interrupted(method) if name == self._method else method

    def _interrupted(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            meanwhile, self._meanwhile = self._meanwhile, None
            if meanwhile and not self._after:
                meanwhile()
            answer = method(*args, **kwargs)
            if meanwhile and self._after:
                meanwhile()
            return answer

        return call


@pytest.fixture
def world(redis_url: str) -> RulesWorld:
    """A price of 100 and a rule that it is above 105 while the peg is lost."""
    world = RulesWorld(as_functions_user(redis_url), START)
    world.observe("price:a", "100")
    parts = (Compared("price:a", "above", Decimal(105)), Compared("peg:b", "below", Decimal("0.98")))
    world.make(Rule(id="ru_1", user="u", name="n", when=All(parts), created_at=START, updated_at=START))
    world.settle()
    return world


def interrupted(world: RulesWorld, step: tuple[str, str], after: bool, meanwhile: Callable[[], None]) -> Worker:
    def wrap(name: str, port: Any) -> Any:
        return Interrupted(port, step[1], meanwhile, after=after) if name == step[0] else port

    return Worker(world, wrap)


def states(world: RulesWorld) -> list[str]:
    return [state for state, _ in world.heard.of("ru_1")]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS, ids=[f"{port}.{name}" for port, name in STEPS])
@pytest.mark.parametrize(("peg", "found", "phase"), [("0.97", "1", "firing"), ("1", "0.97", "armed")])
def test_two_topics_that_move_at_once_leave_the_rule_as_both_have_it(world, step, after, peg, found, phase):
    """The price rises above its bound while the peg, by another worker, becomes what it is in the end."""
    world.observe("peg:b", found, START)
    world.clock.at = START + timedelta(seconds=1)
    other = Worker(world)

    def meanwhile() -> None:
        assert not other.run(*bodies(seen("peg:b", peg, world.clock()))).failed

    worker = interrupted(world, step, after, meanwhile)
    assert not worker.run(*bodies(seen("price:a", "106", world.clock()))).failed
    meanwhile()  # if that step was not taken: else it is repeated, and nothing new
    assert world.states.load(["ru_1"])["ru_1"].state.phase == phase
    assert states(world) in ([["firing"]] if phase == "firing" else [[], ["firing", "resolved"]])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", LOOKING, ids=[f"{port}.{name}" for port, name in LOOKING])
@pytest.mark.parametrize(("was", "becomes", "phase"), [("106", "104", "armed"), ("104", "106", "firing")])
def test_a_second_look_does_not_overrule_a_newer_observation(world, step, after, was, becomes, phase):
    """A rule that was just made is looked at while its topic moves."""
    world.observe("peg:b", "0.97", START)
    world.observe("price:a", was, START + timedelta(seconds=1))
    world.states.kept.clear()  # as if it were made now
    world.heard.alerts.clear()
    world.clock.at = START + timedelta(seconds=2)

    def meanwhile() -> None:
        assert not world.worker.run(*bodies(seen("price:a", becomes, world.clock()))).failed

    worker = interrupted(world, step, after, meanwhile)
    assert not worker.run(encode(RecheckMessage(rules=["ru_1"], cause="made"))).failed
    meanwhile()  # if that step was not taken
    assert world.states.load(["ru_1"])["ru_1"].state.phase == phase
