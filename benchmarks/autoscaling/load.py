"""What is asked of the functions: the load model of the cost estimate, and the scenarios made of it.

Rates, sizes and seconds a call are those of ``scripts.costs``: measured where its comments say so, else set high.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal

from scripts.costs.prices import MONTH_MINUTES, MONTH_SECONDS
from scripts.costs.traffic import STAGES, Traffic, ceiling, flows, pushes
from scripts.costs.usage import FUNCTIONS

SOCKETS = 10_000
SPIKE = Decimal(10)  # times


@dataclass(frozen=True, slots=True)
class Load:
    """What arrives: rates a second, and what a poll, once a minute, and a flush bring at once."""

    sockets: int
    connects_per_s: float
    requests_per_s: float
    messages_per_poll: int
    flushes_per_minute: int
    jobs_per_flush: int
    seconds: Mapping[str, float]  # of a call, or of one message of a batch, by function


def load_of(traffic: Traffic, pace: Decimal) -> Load:
    push = pushes(traffic)
    flow = flows(traffic, push, pace)
    return Load(
        sockets=int(traffic.connections),
        connects_per_s=float(flow.connects / MONTH_SECONDS),
        requests_per_s=float(flow.requests / MONTH_SECONDS),
        messages_per_poll=int(ceiling(flow.observation_messages / MONTH_MINUTES)),
        flushes_per_minute=int(ceiling(push.flushes_per_second * 60)),
        jobs_per_flush=int(ceiling(push.jobs_per_second / push.flushes_per_second)),
        seconds={name: float(work(flow).seconds) for name, work in FUNCTIONS.items()},
    )


@dataclass(frozen=True, slots=True)
class Scenario:
    """``at`` is the load in a second; ``arrive`` the sockets that come anew then, ``lost`` those that break then."""

    name: str
    title: str
    seconds: int
    at: Callable[[int], Load]
    arrive: Mapping[int, int]
    lost: Mapping[int, int]


def ten_fold(traffic: Traffic, factor: Decimal) -> Traffic:
    """Everything that users and markets bring, ``factor`` times."""
    return replace(
        traffic,
        connections=traffic.connections * factor,
        observations_per_minute=traffic.observations_per_minute * factor,
        requests_per_second=traffic.requests_per_second * factor,
    )


def spike(stage: str, pace: Decimal) -> Scenario:
    """Ten times as much of everything for 20 minutes; the sockets come within one."""
    usual, more = load_of(STAGES[stage], pace), load_of(ten_fold(STAGES[stage], SPIKE), pace)
    begin, end = 300, 1500
    joining = (more.sockets - usual.sockets) // 60
    return Scenario(
        name="spike",
        title=f"Ten times as much of everything: {more.sockets:,} sockets, {more.messages_per_poll} messages a poll",
        seconds=3300,
        at=lambda second: more if begin <= second < end else usual,
        arrive=dict.fromkeys(range(begin, begin + 60), joining),
        lost={end: more.sockets - usual.sockets},
    )


def storm(stage: str, pace: Decimal) -> Scenario:
    """10,000 sockets break at once, and their clients come back with full jitter."""
    held = load_of(replace(STAGES[stage], connections=Decimal(SOCKETS)), pace)
    return Scenario(
        name="storm",
        title=f"{SOCKETS:,} sockets break at once, and come back",
        seconds=600,
        at=lambda _: held,
        arrive={300: SOCKETS},
        lost={300: SOCKETS},
    )


def churn(stage: str, pace: Decimal) -> Scenario:
    """Handshakes that stay many, for which the policies are: 10,000 clients of which each stays for a minute."""
    usual = load_of(STAGES[stage], pace)
    restless = load_of(replace(STAGES[stage], connections=Decimal(SOCKETS), session_minutes=Decimal(1)), pace)
    begin, end = 300, 1500
    return Scenario(
        name="churn",
        title=f"{SOCKETS:,} clients that stay for a minute each: {restless.connects_per_s:.0f} handshakes a second",
        seconds=3300,
        at=lambda second: restless if begin <= second < end else usual,
        arrive={},
        lost={},
    )


SCENARIOS: Mapping[str, Callable[[str, Decimal], Scenario]] = {"spike": spike, "storm": storm, "churn": churn}
