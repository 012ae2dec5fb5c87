"""Workers that die between any two steps, and messages that come twice, late and in any order.

A worker dies after each call of a port in turn (and so before the next): the message comes again, to another worker.
In the end everybody was told what they would have been told, once, and nothing is left unsaid or without its timer.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import pytest
import redis as driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.domain.rules import All, Compared, Rule, Stale, Step
from chalicelib.protocol.envelopes import encode_observations
from tests.functional.rules_world import RulesWorld, Worker, bodies, seen
from tests.functions_user import as_functions_user

START = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)
NOTIFY = (Step("socket"), Step("webhook", "en_1"), Step("email", "en_2", after_s=600))
VALUES = ("100", "106", "108", "99", "107", "101", "106")  # in the end something is left to timers


class DiedError(BaseException):
    """No service catches it, as none survives a kill."""


class Mortal:
    """A port whose calls count down, together with those of the other ports, to the worker's death."""

    def __init__(self, port: Any, left: list[int]) -> None:
        self._port, self._left = port, left

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._port, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            answer = method(*args, **kwargs)
            self._left[0] -= 1
            if self._left[0] == 0:
                raise DiedError
            return answer

        return call


def rules() -> list[Rule]:
    """Each kind of life; two of them over two topics."""
    above = Compared("price:a", "above", Decimal(105), margin=Decimal(2))
    both = All((above, Compared("peg:b", "below", Decimal("0.98"))))
    made = {
        "level": {"when": above},
        "for": {"when": above, "for_s": 60},
        "crossing": {"when": Compared("price:a", "crosses_up", Decimal("106.5")), "cooldown_s": 120},
        "once": {"when": above, "once": True},
        "both": {"when": both},
        "window": {"when": Compared("price:a", "above", Decimal(5), "change_pct", 300)},
        "silent": {"when": Stale("peg:b", 300)},
    }
    times = {"created_at": START, "updated_at": START}
    return [Rule(id=f"ru_{name}", user="u", name=name, notify=NOTIFY, **more, **times) for name, more in made.items()]


def script() -> list[tuple[str, str, datetime]]:
    """What is seen: a price that moves about, and a peg that is lost between."""
    path = [("price:a", value, START + timedelta(minutes=2 * number)) for number, value in enumerate(VALUES)]
    return sorted([*path, ("peg:b", "0.97", START + timedelta(minutes=3))], key=lambda step: step[2])


def end(world: RulesWorld) -> dict[str, list[tuple[str, datetime]]]:
    """Ten minutes later: what was told of each rule; nothing is unsaid."""
    world.wait(START + timedelta(minutes=30))
    assert all(not kept.unsaid for kept in world.states.kept.values())
    return {rule.id: world.heard.of(rule.id) for rule in rules()}


def notified(world: RulesWorld) -> set[bytes]:
    return {due.body for due in world.timers.due if due.queue == "notifications"}


@pytest.fixture
def url(redis_url: str) -> str:
    return as_functions_user(redis_url)


def begin(url: str, admin_url: str) -> RulesWorld:
    with driver.Redis.from_url(admin_url) as admin:
        admin.flushall()
    world = RulesWorld(url, START - timedelta(minutes=10))
    world.observe("price:a", "100")
    world.observe("peg:b", "1")
    world.make(*rules())
    world.settle()
    return world


def live(world: RulesWorld) -> None:
    for topic, value, at in script():
        world.wait(at, inclusive=False)
        world.observe(topic, value, at)


def undisturbed(url: str, admin_url: str) -> tuple[dict[str, Any], set[bytes], list[int]]:
    """What is told, and how many steps a worker has at each observation."""
    world, steps = begin(url, admin_url), []
    for topic, value, at in script():
        world.wait(at, inclusive=False)
        world.clock.at, left = at, [0]
        worker = Worker(world, lambda _, port, left=left: Mortal(port, left))
        assert not worker.run(*bodies(seen(topic, value, at))).failed
        steps.append(-left[0])
    return end(world), notified(world), steps


def test_the_script_has_every_rule_fire(url, redis_url):
    """Else what follows would show nothing."""
    told, notifications, steps = undisturbed(url, redis_url)
    assert [rule for rule, alerts in told.items() if not alerts] == []
    assert notifications
    assert max(steps) > 10


def test_a_worker_may_die_at_any_step_of_any_observation(url, redis_url):
    told, notifications, steps = undisturbed(url, redis_url)
    most = max(steps)
    for death in range(1, most + 1):
        world = begin(url, redis_url)
        for topic, value, at in script():
            world.wait(at, inclusive=False)
            world.clock.at = at
            (body,) = bodies(seen(topic, value, at))
            left = [death]
            try:
                Worker(world, lambda _, port, left=left: Mortal(port, left)).run(body)
            except DiedError:
                world.redis.call(lambda client, topic=topic: client.delete(f"lease:{topic}"))  # it has ended
                assert not world.worker.run(body).failed
        assert end(world) == told, death
        assert notified(world) == notifications, death


def test_a_worker_that_died_leaves_nothing_untold_though_the_figure_is_back_before_its_message(url, redis_url):
    """The lease of the topic ends long before the message comes again, and then it is older than what was judged."""
    (died, *_), back = script(), START + timedelta(seconds=50)
    topic, _, at = died
    alive, death = False, 0
    while not alive:
        death += 1
        world = begin(url, redis_url)
        world.clock.at = at
        (body,) = bodies(seen(topic, "106", at))
        try:
            Worker(world, lambda _, port, left=[death]: Mortal(port, left)).run(body)
            alive = True
        except DiedError:
            world.redis.call(lambda client: client.delete(f"lease:{topic}"))  # it has ended
        world.observe(topic, "100", back)
        assert not world.worker.run(body).failed
        assert all(not kept.unsaid for kept in world.states.kept.values()), death
        assert [state for state, _ in world.heard.of("ru_level")] in ([], ["firing", "resolved"]), death
    assert death > 10


@given(st.integers(0, 2**32))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_messages_that_come_twice_late_or_together_tell_nothing_twice(url, redis_url, seed):
    """Each observation comes with others before and after it, again and again; second looks and timers come twice."""
    chance = Random(seed)
    told, notifications, _ = undisturbed(url, redis_url)
    world, before = begin(url, redis_url), []
    for topic, value, at in script():
        world.wait(at, inclusive=False)
        before.append(seen(topic, value, at))
        world.clock.at = at
        again = chance.sample(before, chance.randint(0, len(before)))
        batch = [*bodies(*again), *encode_observations([*again[:2], before[-1]]), *bodies(before[-1])]
        chance.shuffle(batch)
        assert not world.worker.run(*batch).failed
        world.timers.due += [due for due in world.timers.due if due.queue == "alerts" and chance.random() < 0.5]
    assert end(world) == told
    assert notified(world) == notifications


def test_a_worker_that_holds_a_topic_keeps_others_waiting(url, redis_url):
    """They get their message back within a second, and judge when it has advanced."""
    world = begin(url, redis_url)
    world.clock.at = START
    other = Worker(world)
    other.index.select([seen("price:a", "106", START)])
    late = world.clock.at = START + timedelta(seconds=1)
    report = world.worker.run(*bodies(seen("price:a", "99", late), seen("peg:b", "1", late)))
    assert report.failed == {"m0": 1}
    assert world.worker.retries.delays_s == {"m0": 1}
    other.index.give_up(["price:a"])
    assert not world.worker.run(*bodies(seen("price:a", "99", late))).failed


def test_who_lost_a_topic_does_not_advance_it(url, redis_url):
    """Its lease ended while it judged; its message comes again."""
    world = begin(url, redis_url)
    touched = world.worker.index.select([seen("price:a", "106", START)]).touched
    world.redis.call(lambda client: client.set("lease:price:a", "another worker"))
    assert world.worker.index.advance(touched) == ["price:a"]
