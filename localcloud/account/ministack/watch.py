"""The account's alarms, evaluated each of its minutes; their states are kept where CloudWatch's API reads them.

The records of ministack are the only truth: what is evaluated is read from them, and so are the states before it, so
that SetAlarmState holds until the next evaluation, as in AWS.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from localcloud.account.clock import Clock
from localcloud.account.measured import is_of_time
from localcloud.account.ministack.alarms import COMPOSITE, METRIC, definition
from localcloud.account.ministack.measures import Depth, Measures
from localcloud.cloudwatch import notification
from localcloud.cloudwatch.alarms import Alarm, CompositeAlarm, read_alarm
from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.cloudwatch.verdict import State

_LATE_SHARE = 0.1  # of a minute: its last invocations are still ending
_LATE_MAX_S = 5.0
_log = logging.getLogger("account")

Record = dict[str, Any]


class Records(Protocol):
    """Where the alarms are."""

    def metric(self) -> Mapping[str, Record]:
        """By name, as they are now; the records themselves are the ones that the API answers from."""

    def composite(self) -> Mapping[str, Record]: ...

    def changed(self, result: AlarmResult, kind: str) -> None:
        """Write the change into the history."""

    def publish(self, topic: str, subject: str, message: str) -> None: ...

    def depths(self) -> Mapping[str, Depth]: ...


class Watch:
    """Evaluates once a minute of the clock until the process ends. ``state`` may be asked from any thread."""

    def __init__(
        self,
        records: Records,
        measures: Measures,
        clock: Clock,
        *,
        account: str,
        region: str,
        patience: float = 1.0,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._records, self._measures, self._clock, self._now = records, measures, clock, now
        self._account, self._region, self._patience = account, region, patience
        self._evaluator = Evaluator([], measures.store)
        self._known: dict[str, tuple[str, Record]] = {}
        self._refused: dict[str, str] = {}

    def start(self) -> None:
        threading.Thread(target=self._run, name="alarms", daemon=True).start()

    def state(self, name: str) -> str | None:
        """The state of an alarm; None if there is none of that name."""
        record = self._records.metric().get(name) or self._records.composite().get(name)
        return None if record is None else str(record["StateValue"])

    def evaluate(self, at: datetime) -> list[AlarmResult]:
        """Every alarm once, at a time of the account's clock; tells the topics of those whose state has changed."""
        self._measures.collect()
        self._measures.queues(self._records.depths(), at - timedelta(minutes=1))
        self._renew()
        self._evaluator.take_over({name: State(record["StateValue"]) for name, record in self._all()})
        results = self._evaluator.evaluate(at)
        for result in results:
            self._keep(result)
        return results

    def _run(self) -> None:
        late_s = min(_LATE_SHARE * self._clock.minute_s, _LATE_MAX_S)
        due = self._clock.at(self._now()).replace(second=0, microsecond=0)
        while True:
            due += timedelta(minutes=1)
            time.sleep(max(0.0, self._clock.until(due, self._now()) + late_s))
            try:
                self.evaluate(due)
            except Exception:  # noqa: BLE001 - the next minute may be better
                _log.exception("the alarms could not be evaluated")

    def _all(self) -> Iterator[tuple[str, Record]]:
        yield from self._records.metric().items()
        yield from self._records.composite().items()

    def _renew(self) -> None:
        """Read the alarms again if any is new, changed or gone."""
        kinds = ((METRIC, self._records.metric()), (COMPOSITE, self._records.composite()))
        known = {name: (kind, definition(record)) for kind, records in kinds for name, record in records.items()}
        if known != self._known:
            self._known = known
            self._evaluator = Evaluator(self._readable(known), self._measures.store)

    def _readable(self, known: Mapping[str, tuple[str, Record]]) -> list[Alarm]:
        """Without those that cannot be evaluated, which stay in INSUFFICIENT_DATA with the reason why."""
        alarms: dict[str, Alarm] = {}
        for name, (kind, properties) in known.items():
            try:
                alarm = self._patient(read_alarm(kind, name, properties))
                if not isinstance(alarm, CompositeAlarm):
                    Evaluator([alarm], self._measures.store)  # what does not fit together is refused by name
                alarms[name] = alarm
            except TemplateError as error:
                self._refuse(name, str(error))
        while orphans := [name for name, alarm in alarms.items() if not _watched(alarm) <= alarms.keys()]:
            for name in orphans:
                self._refuse(name, f"it watches {', '.join(sorted(_watched(alarms.pop(name)) - alarms.keys()))}")
        return list(alarms.values())

    def _patient(self, alarm: Alarm) -> Alarm:
        """Evaluated with more time than the record says, which stays as the template has it."""
        if isinstance(alarm, CompositeAlarm) or not is_of_time(alarm.properties):
            return alarm
        return replace(alarm, threshold=alarm.threshold * self._patience)

    def _refuse(self, name: str, why: str) -> None:
        _log.warning("%s is not evaluated: %s", name, why)
        record = self._records.metric().get(name) or self._records.composite().get(name)
        if record is not None:
            record |= {"StateValue": "INSUFFICIENT_DATA", "StateReason": f"Not evaluated here: {why}"}

    def _keep(self, result: AlarmResult) -> None:
        kind, _ = self._known[result.name]
        records = self._records.metric() if kind == METRIC else self._records.composite()
        record = records.get(result.name)
        if record is None:  # deleted meanwhile
            return
        record["StateReason"] = result.reason
        if result.changed:
            now = int(time.time())
            record |= {"StateValue": result.state.value, "StateUpdatedTimestamp": now}
            record["StateTransitionedTimestamp"] = now
            self._records.changed(result, kind)
        for topic in result.actions:
            message = notification.message(
                self._evaluator.alarms[result.name], result, account=self._account, region=self._region
            )
            self._records.publish(topic, notification.subject(result, self._region), message)


def _watched(alarm: Alarm) -> set[str]:
    if not isinstance(alarm, CompositeAlarm):
        return set()
    return {*alarm.rule.children, *([] if alarm.suppressor is None else [alarm.suppressor])}
