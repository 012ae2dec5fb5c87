"""ministack's own records of alarms, topics and queues, for the watch over them."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from localcloud.account.ministack.alarms import METRIC
from localcloud.account.ministack.measures import Depth
from localcloud.cloudwatch.evaluator import AlarmResult

_HISTORY_MAX = 5_000  # entries, of all alarms
_log = logging.getLogger("account")


class MinistackRecords:
    """Of the account that is the default one. Built in ministack's process."""

    def __init__(self) -> None:
        import ministack.services.cloudwatch as cloudwatch
        import ministack.services.sns as sns
        import ministack.services.sqs as sqs

        self._cloudwatch, self._sns, self._sqs = cloudwatch, sns, sqs
        # Its own evaluation knows no missing data and no M of N.
        cloudwatch._evaluate_alarm = cloudwatch._evaluate_all_alarms = lambda *_: None

    def metric(self) -> Mapping[str, dict[str, Any]]:
        return _snapshot(self._cloudwatch._alarms)

    def composite(self) -> Mapping[str, dict[str, Any]]:
        return _snapshot(self._cloudwatch._composite_alarms)

    def changed(self, result: AlarmResult, kind: str) -> None:
        entries = self._cloudwatch._history_entries()
        data = {
            "version": "1.0",
            "oldState": {"stateValue": result.previous.value},
            "newState": {"stateValue": result.state.value, "stateReason": result.reason},
        }
        entries.append(
            {
                "AlarmName": result.name,
                "AlarmType": "MetricAlarm" if kind == METRIC else "CompositeAlarm",
                "Timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "HistoryItemType": "StateUpdate",
                "HistorySummary": f"Alarm updated from {result.previous} to {result.state}",
                "HistoryData": json.dumps(data),
            }
        )
        del entries[:-_HISTORY_MAX]

    def publish(self, topic: str, subject: str, message: str) -> None:
        if not self._cloudwatch._is_sns_action_arn(topic):
            return
        try:
            self._sns._fanout(topic, self._cloudwatch.new_uuid(), message, subject)
        except Exception:  # noqa: BLE001 - whether or not anybody can be told, the alarms are watched
            _log.exception("%s could not be told", topic)

    def depths(self) -> Mapping[str, Depth]:
        now = time.time()
        return {url.rpartition("/")[2]: _depth(queue, now) for url, queue in _snapshot(self._sqs._queues).items()}


def _snapshot(store: Any) -> dict[str, Any]:
    """Requests go on while it is read."""
    while True:
        try:
            return dict(store.items())
        except RuntimeError:  # its size has changed
            continue


def _depth(queue: Mapping[str, Any], now: float) -> Depth:
    waiting = list(queue["messages"])
    hidden = [message for message in waiting if message.get("visible_at", 0) > now]
    in_flight = sum(message.get("receive_count", 0) > 0 for message in hidden)  # the others are delayed
    oldest = min((message.get("sent_at", now) for message in waiting), default=now)
    return Depth(visible=len(waiting) - len(hidden), in_flight=in_flight, oldest_s=max(0.0, now - oldest))
