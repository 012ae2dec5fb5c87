"""How often a stage is deployed, how often that goes well, and how long it takes, by its records.

Failures and recoveries, as they are counted here:

========================= ====================================================================================
taken back by an alarm    from the beginning of the deployment to its end: the release before serves again
smoke test failed         from its end until a deployment or rollback that went well has ended
failed otherwise          the same
rolled back by a person   from the beginning of the rollback to its end, unless it ends one of the others
========================= ====================================================================================

When users began to notice what a person then took back, no record knows: that belongs to the incident's review.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from scripts.deployment.records import BAD, DEPLOY, DEPLOYED, ROLLBACK, ROLLED_BACK, STARTED, Record

WEEK = timedelta(days=7)
# What the project was given to reach.
PER_WEEK_MIN, SUCCESS_MIN, RECOVERY_MAX = 10.0, 0.95, timedelta(minutes=30)

CommitTime = Callable[[str], datetime | None]


@dataclass(frozen=True, slots=True)
class Failure:
    """``why`` is "taken back", "smoke test failed", "failed" or "rolled back"; ``lasted`` is None while it lasts."""

    version: str
    why: str
    began: datetime
    lasted: timedelta | None


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the deployments that began in ``days`` days; None where there is nothing to tell of."""

    stage: str
    days: int
    deployments: int
    succeeded: int
    lead_time: timedelta | None
    failures: tuple[Failure, ...]

    @property
    def per_week(self) -> float:
        return self.deployments / (self.days / 7)

    @property
    def success_rate(self) -> float | None:
        return self.succeeded / self.deployments if self.deployments else None

    @property
    def recovery(self) -> timedelta | None:
        """The mean over what is recovered from."""
        lasted = [failure.lasted for failure in self.failures if failure.lasted is not None]
        return sum(lasted, timedelta()) / len(lasted) if lasted else None


def statistics(
    stage: str, history: Iterable[Record], *, days: int, now: datetime, committed: CommitTime = lambda _: None
) -> Statistics:
    """``history`` is the newest first; one that nobody saw end is not counted.

    ``committed`` tells when a commit was made. The lead time is from there to the end of the first deployment of it,
    the median over those of which it is known.
    """
    since = now - timedelta(days=days)
    told = [one for one in reversed(list(history)) if one.outcome != STARTED and _time(one.started) >= since]
    deployed = [one for one in told if one.kind == DEPLOY]
    good = [one for one in deployed if is_good(one)]
    return Statistics(
        stage=stage,
        days=days,
        deployments=len(deployed),
        succeeded=len(good),
        lead_time=_lead_time(good, committed),
        failures=tuple(_failures(told)),
    )


def is_good(record: Record) -> bool:
    return record.outcome == DEPLOYED and record.smoke != BAD


def _lead_time(good: Sequence[Record], committed: CommitTime) -> timedelta | None:
    first = {record.commit: record for record in reversed(good)}
    times = [(_time(record.finished), committed(commit)) for commit, record in first.items() if record.finished]
    known = [ended - made for ended, made in times if made is not None]
    return median(known) if known else None


def _failures(told: Sequence[Record]) -> Iterable[Failure]:
    """``told`` is the oldest first."""
    ended_by: set[str] = set()  # keys of what ended another failure
    for place, record in enumerate(told):
        began, ended = _time(record.started), _time(record.finished or record.started)
        if record.outcome == ROLLED_BACK:
            yield Failure(record.version, "taken back", began, ended - began)
        elif not is_good(record):
            after = next((later for later in told[place + 1 :] if is_good(later)), None)
            why = "smoke test failed" if record.outcome == DEPLOYED else "failed"
            lasted = _time(after.finished or after.started) - ended if after else None
            ended_by |= {after.key} if after else set()
            yield Failure(record.version, why, ended, lasted)
        elif record.kind == ROLLBACK and record.key not in ended_by:
            yield Failure(record.previous or record.version, "rolled back", began, ended - began)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
