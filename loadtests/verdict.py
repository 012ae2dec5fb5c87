"""Whether a run passes: the alarms that fired, lost updates, the share of errors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from loadtests.ledger import PUSH

ERRORS_MAX = 0.01  # of all requests but pushes, whose number would hide every other failure


@dataclass(frozen=True, slots=True)
class AlarmCheck:
    """What became of one alarm of the template. ``fired_at`` is None if it was never in ALARM.

    ``rule`` is when it fires; ``reason`` the data points of its first ALARM, or else of the last evaluation.
    ``source`` says whose measurements it was given; ``datapoints`` counts the periods that had data (None on AWS, where
    CloudWatch itself evaluated it).
    """

    alarm: str
    source: str
    state: str
    rule: str
    reason: str
    fired_at: datetime | None = None
    datapoints: int | None = None

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "fired_at": self.fired_at and self.fired_at.isoformat()}


def error_rate(result: dict[str, Any]) -> float:
    """Failed requests over all, pushes left out; 1 if there was none."""
    rows = [row for row in result["rows"] if row["type"] != PUSH]
    requests = sum(row["requests"] for row in rows)
    return sum(row["failures"] for row in rows) / requests if requests else 1.0


def failures(result: dict[str, Any], checks: Sequence[AlarmCheck]) -> list[str]:
    """Why the run fails, a sentence each; none if it passes."""
    counts = result["counts"]
    reasons = [_why(check) for check in checks if check.fired_at or check.datapoints == 0]
    if not checks:
        reasons.append("the template has no latency alarm: nothing was checked")
    if not counts.get("updates"):
        reasons.append("not one update was pushed")
    if counts.get("lost"):
        reasons.append(f"{counts['lost']} updates or topics were lost for good{_because(result['losses'])}")
    if counts.get("missed"):
        reasons.append(f"{counts['missed']} updates or topics came only when they were asked for")
    if counts.get("unaudited"):
        reasons.append(f"{counts['unaudited']} clients could not be asked what they had received")
    if (rate := error_rate(result)) > ERRORS_MAX:
        reasons.append(f"{rate:.2%} of the requests failed; at most {ERRORS_MAX:.0%} may")
    reasons += [f"the load test itself failed: {fault.strip().splitlines()[-1]}" for fault in result["faults"]]
    return reasons


def _because(losses: dict[str, int]) -> str:
    told = "; ".join(f"{count} x {reason}" for reason, count in sorted(losses.items()))
    return f": {told}" if told else ""


def _why(check: AlarmCheck) -> str:
    if check.fired_at is None:
        return f"alarm {check.alarm} had no data of {check.source}: nothing was checked"
    return f"alarm {check.alarm} fired on {check.source}: {check.rule}; it was {check.reason}"
