"""Alarms, evaluated over a store of data points, with their states, their history and their actions."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from graphlib import CycleError, TopologicalSorter

from localcloud.cloudwatch import reason
from localcloud.cloudwatch.alarms import Alarm, CompositeAlarm, MetricAlarm, watched_by
from localcloud.cloudwatch.errors import CloudWatchError, TemplateError
from localcloud.cloudwatch.queries import DEFAULT_QUOTAS, MetricStat, QueryRun, Quotas
from localcloud.cloudwatch.statistics import samples_needed, statistic
from localcloud.cloudwatch.store import Grid, MetricStore, Point
from localcloud.cloudwatch.suppression import Suppression
from localcloud.cloudwatch.verdict import State, Verdict, judge

HISTORY_MAX = 1_000  # state changes kept of one alarm
_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmResult:
    """One alarm at one evaluation. ``datapoints`` are those evaluated, oldest first; ``actions`` the ARNs performed.

    ``suppressed_by`` is "Alarm", "WaitPeriod" or "ExtensionPeriod" while a composite's actions are held back.
    """

    name: str
    at: datetime
    state: State
    previous: State
    reason: str
    datapoints: tuple[Point, ...] = ()
    actions: tuple[str, ...] = ()
    suppressed_by: str | None = None

    @property
    def changed(self) -> bool:
        return self.state is not self.previous


# Given the alarm, what became of it, and the ARN to act on.
Act = Callable[[Alarm, AlarmResult, str], None]


class Evaluator:
    """Evaluates alarms when told to, at least once a minute for CloudWatch's pace.

    Guarantees: an evaluation sees only periods that are over, the last one ending with the minute that ``at`` is in
    (with the ten seconds for a period under a minute; with the hour for alarms that look back over a day); composites
    come after the alarms that they watch, in the same evaluation; actions are performed when a state changes, not
    while it lasts. A wrong alarm, expression or rule is refused when the evaluator is built: TemplateError.
    """

    def __init__(
        self,
        alarms: Iterable[Alarm],
        store: MetricStore,
        *,
        initial: State = State.INSUFFICIENT_DATA,
        act: Act | None = None,
        quotas: Quotas = DEFAULT_QUOTAS,
    ) -> None:
        self._store, self._act, self._quotas = store, act, quotas
        self._alarms = _in_order(list(alarms))
        self._states = dict.fromkeys(self._alarms, initial)
        self._history: defaultdict[str, deque[AlarmResult]] = defaultdict(lambda: deque(maxlen=HISTORY_MAX))
        self._suppressions = {
            alarm.name: Suppression(
                wait=timedelta(seconds=alarm.wait_s), extension=timedelta(seconds=alarm.extension_s), acted_on=initial
            )
            for alarm in self._alarms.values()
            if isinstance(alarm, CompositeAlarm) and alarm.suppressor is not None
        }
        for alarm in self._alarms.values():
            if isinstance(alarm, MetricAlarm):
                self._check(alarm)

    @property
    def alarms(self) -> Mapping[str, Alarm]:
        """By name, composites after the alarms that they watch."""
        return self._alarms

    @property
    def states(self) -> Mapping[str, State]:
        return self._states

    def take_over(self, states: Mapping[str, State]) -> None:
        """Go on from these states, as after SetAlarmState; alarms that are not named keep theirs."""
        self._states |= {name: state for name, state in states.items() if name in self._states}

    def history(self, name: str) -> list[AlarmResult]:
        """The evaluations that changed the state of an alarm, oldest first."""
        return list(self._history[name])

    def evaluate(self, at: datetime) -> list[AlarmResult]:
        """Every alarm once, at an aware time; actions are performed on the way."""
        at = at.astimezone(UTC)
        return [self._evaluated(alarm, at) for alarm in self._alarms.values()]

    def _evaluated(self, alarm: Alarm, at: datetime) -> AlarmResult:
        previous = self._states[alarm.name]
        if isinstance(alarm, MetricAlarm):
            state, why, datapoints = self._of_metrics(alarm, at)
        else:
            state, why, datapoints = self._of_children(alarm)
        self._states[alarm.name] = state = state or previous
        held_by, due = self._release(alarm, at, previous)
        result = AlarmResult(
            name=alarm.name,
            at=at,
            state=state,
            previous=previous,
            reason=why,
            datapoints=datapoints,
            actions=alarm.actions.of[state] if due and alarm.actions.enabled else (),
            suppressed_by=held_by,
        )
        if result.changed:
            self._history[alarm.name].append(result)
        for arn in result.actions if self._act else ():
            self._act(alarm, result, arn)  # type: ignore[misc]
        return result

    def _release(self, alarm: Alarm, at: datetime, previous: State) -> tuple[str | None, bool]:
        """What holds the alarm's actions back, and whether they are due."""
        state = self._states[alarm.name]
        suppression = self._suppressions.get(alarm.name)
        if suppression is None or not isinstance(alarm, CompositeAlarm) or alarm.suppressor is None:
            return None, state is not previous
        held_by = suppression.held_by(at, state, self._states[alarm.suppressor])
        return held_by, held_by is None and suppression.take(state)

    def _of_metrics(self, alarm: MetricAlarm, at: datetime) -> tuple[State | None, str, tuple[Point, ...]]:
        grid = Grid.ending(_end_s(alarm, at), alarm.period_s, alarm.rule.range_slots)
        values = QueryRun(alarm.queries, self._store, grid, self._quotas).series(alarm.watched).values
        breaches = [None if value is None else alarm.comparison.breaches(value, alarm.threshold) for value in values]
        verdict = judge(alarm.rule, breaches)
        points = tuple(
            Point(datetime.fromtimestamp(grid.starts_s[slot], UTC), values[slot] or 0.0) for slot in verdict.evaluated
        )
        if few := self._too_few_samples(alarm, grid, verdict):
            return None, few, points
        return verdict.state, reason.of_verdict(alarm, verdict, points), points

    def _too_few_samples(self, alarm: MetricAlarm, grid: Grid, verdict: Verdict) -> str | None:
        """Per period, as the API reference has it; the user guide says "during the evaluation period"."""
        watched = next(query.shows for query in alarm.queries if query.id == alarm.watched)
        if not alarm.low_samples_ignored or not isinstance(watched, MetricStat) or watched.stat.percentile is None:
            return None
        counts = self._store.series(watched.metric, statistic("SampleCount"), grid, watched.unit)
        needed = samples_needed(watched.stat.percentile)
        least = min((counts[slot] or 0.0 for slot in verdict.evaluated), default=needed)
        return reason.too_few_samples(watched.stat.name, int(least), needed) if least < needed else None

    def _of_children(self, alarm: CompositeAlarm) -> tuple[State, str, tuple[Point, ...]]:
        state = State.ALARM if alarm.rule.holds(self._states) else State.OK
        changes = [self._history[child][-1] for child in alarm.rule.children if self._history[child]]
        if not changes:
            return state, f"The rule is {state is State.ALARM}: {alarm.rule.text}".replace("\n", " "), ()
        last = max(changes, key=lambda change: change.at)
        return state, reason.of_child(last.name, last.state, last.at), ()

    def _check(self, alarm: MetricAlarm) -> None:
        """Evaluate once over nothing: what does not fit together is refused now, not at some minute."""
        grid = Grid(0, alarm.period_s, alarm.rule.range_slots)
        try:
            QueryRun(alarm.queries, MetricStore(), grid, self._quotas).series(alarm.watched)
        except CloudWatchError as error:
            raise TemplateError(f"{alarm.name}: {error}") from error


def _end_s(alarm: MetricAlarm, at: datetime) -> int:
    window_s = alarm.period_s * alarm.rule.periods
    step_s = 10 if alarm.period_s < 60 else 3600 if window_s > _DAY_S else 60
    return int(at.timestamp()) // step_s * step_s


def _in_order(alarms: list[Alarm]) -> dict[str, Alarm]:
    by_name = {alarm.name: alarm for alarm in alarms}
    if len(by_name) != len(alarms):
        names = [alarm.name for alarm in alarms]
        raise TemplateError(f"two alarms are called {next(name for name in names if names.count(name) > 1)}")
    watched = {alarm.name: watched_by(alarm) for alarm in alarms}
    for name, others in watched.items():
        if unknown := [other for other in others if other not in by_name]:
            raise TemplateError(f"{name} watches {', '.join(unknown)}, which is no alarm of the template")
    try:
        return {name: by_name[name] for name in TopologicalSorter(watched).static_order()}
    except CycleError as error:
        raise TemplateError(f"composite alarms that watch each other: {' -> '.join(error.args[1])}") from error
