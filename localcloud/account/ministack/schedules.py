"""Scheduled rules at the pace of the account's clock, so that alarms on missing runs see the runs that they ask for.

A run that is due while the one before still goes on is left out: where a minute lasts seconds, runs that overtake each
other would pile up, each with a worker that has to start first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from localcloud.account.clock import MINUTE_S, Clock

LEAST_S = 3.0  # between two runs, in real seconds: more would leave the machine nothing for what is tried on it
_SCHEDULED = "Scheduled Event"


def interval_s(seconds: float, clock: Clock) -> float:
    """Real seconds between two runs of a rate that AWS would run every so many seconds."""
    return max(clock.seconds(seconds / MINUTE_S), min(LEAST_S, seconds))


def one_at_a_time(invoke: Callable[..., Any], running: Callable[[], Mapping[str, int]]) -> Callable[..., Any]:
    """``invoke`` for a rule's target, but for a scheduled run of a function that runs; ``running`` counts by name."""

    def invoked(target: Mapping[str, Any], event: Mapping[str, Any], *rest: Any, **named: Any) -> Any:
        name = str(target.get("Arn", "")).partition(":function:")[2].partition(":")[0]
        if event.get("DetailType") == _SCHEDULED and running().get(name):
            return None
        return invoke(target, event, *rest, **named)

    return invoked


def install(clock: Clock) -> None:
    import ministack.services.eventbridge as eventbridge
    import ministack.services.lambda_svc as functions

    parse = eventbridge._parse_rate_seconds

    def parsed(expression: str) -> float | None:
        seconds = parse(expression)
        return None if seconds is None else interval_s(seconds, clock)

    def running() -> dict[str, int]:
        return {key.rpartition(":")[2]: count for key, count in functions.executions_in_flight()[1].items()}

    eventbridge._parse_rate_seconds = parsed
    eventbridge._SCHEDULER_TICK_INTERVAL = min(eventbridge._SCHEDULER_TICK_INTERVAL, interval_s(MINUTE_S, clock) / 4)
    eventbridge._invoke_target = one_at_a_time(eventbridge._invoke_target, running)
