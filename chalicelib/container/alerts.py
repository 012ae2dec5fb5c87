"""Alert rules: kept, indexed, evaluated, and what becomes of that later."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from chalicelib.container.access import Access
from chalicelib.container.clients import utc_now

if TYPE_CHECKING:
    from chalicelib.adapters.deliveries import DynamoDeliveries
    from chalicelib.adapters.endpoints import DynamoEndpoints
    from chalicelib.adapters.redis.rules import RedisRuleIndex
    from chalicelib.adapters.rules import DynamoRuleStore
    from chalicelib.adapters.sqs import Queue
    from chalicelib.adapters.states import DynamoAlertStates
    from chalicelib.adapters.table import Table
    from chalicelib.adapters.timers import QueueTimers
    from chalicelib.ports.alerts import QueueName
    from chalicelib.services.evaluate import EvaluateRules
    from chalicelib.services.event_clock import EventClock
    from chalicelib.services.judgement import JudgeRules
    from chalicelib.services.lifecycle import Lifecycle
    from chalicelib.services.rule_index import KeepIndex
    from chalicelib.services.rules import ManageRules


class Alerts(Access):
    """The rules and their lives, on DynamoDB, Redis and the queues."""

    @cached_property
    def rule_store(self) -> DynamoRuleStore:
        from chalicelib.adapters.rules import DynamoRuleStore

        return DynamoRuleStore(self._table("alerts_table"), now=utc_now)

    @cached_property
    def alert_states(self) -> DynamoAlertStates:
        from chalicelib.adapters.states import DynamoAlertStates

        return DynamoAlertStates(self._table("alerts_table"), self._table("deliveries_table"))

    @cached_property
    def endpoint_store(self) -> DynamoEndpoints:
        from chalicelib.adapters.endpoints import DynamoEndpoints

        return DynamoEndpoints(self._table("alerts_table"))

    @cached_property
    def delivery_log(self) -> DynamoDeliveries:
        from chalicelib.adapters.deliveries import DynamoDeliveries

        return DynamoDeliveries(self._table("deliveries_table"))

    @cached_property
    def rule_index(self) -> RedisRuleIndex:
        from chalicelib.adapters.redis.client import token
        from chalicelib.adapters.redis.rules import RedisRuleIndex

        return RedisRuleIndex(self.redis, clock=self.event_clock, now=utc_now, token=token())

    @cached_property
    def event_clock(self) -> EventClock:
        from chalicelib.adapters.redis.lag import RedisSourceLag
        from chalicelib.services.event_clock import EventClock

        return EventClock(RedisSourceLag(self.redis), now=utc_now, speed=self.settings.source_speed)

    @cached_property
    def timers(self) -> QueueTimers:
        from chalicelib.adapters.timers import QueueTimers

        settings = self.settings
        self._need("alerts_queue_url", "notifications_queue_url")
        queues: dict[QueueName, Queue] = {
            "alerts": self._queue(settings.alerts_queue_url),
            "notifications": self._queue(settings.notifications_queue_url),
        }
        return QueueTimers(self._table("due_table"), queues, now=utc_now)

    @cached_property
    def lifecycle(self) -> Lifecycle:
        from chalicelib.adapters.alert_stream import QueueAlertStream
        from chalicelib.services.lifecycle import Lifecycle

        stream = QueueAlertStream(self._queue(self.settings.events_queue_url), now=utc_now)
        return Lifecycle(
            states=self.alert_states, timers=self.timers, stream=stream, clock=self.event_clock, now=utc_now
        )

    @cached_property
    def manage_rules(self) -> ManageRules:
        from chalicelib.services.rules import ManageRules

        return ManageRules(
            rules=self.rule_store,
            states=self.alert_states,
            index=self.rule_index,
            timers=self.timers,
            life=self.lifecycle,
            endpoints=self.endpoint_store,
            clock=self.event_clock,
            now=utc_now,
        )

    @cached_property
    def evaluate(self) -> EvaluateRules:
        from chalicelib.adapters.sqs import SqsDeadLetters, SqsRetries
        from chalicelib.services.evaluate import EvaluateRules

        self._need("alerts_dead_letters_url")
        return EvaluateRules(
            index=self.rule_index,
            keeper=self.keep_index,
            judge=self._judge,
            timers=self.timers,
            dead_letters=SqsDeadLetters(self._client("sqs"), self.settings.alerts_dead_letters_url),
            retries=SqsRetries(self._client("sqs"), self.settings.alerts_queue_url),
            clock=self.event_clock,
            now=utc_now,
        )

    @cached_property
    def keep_index(self) -> KeepIndex:
        from chalicelib.services.rule_index import KeepIndex

        return KeepIndex(rules=self.rule_store, index=self.rule_index, timers=self.timers, now=utc_now)

    @cached_property
    def _judge(self) -> JudgeRules:
        from chalicelib.services.judgement import JudgeRules

        return JudgeRules(index=self.rule_index, life=self.lifecycle)

    def _table(self, setting: str) -> Table:
        from chalicelib.adapters.table import Table

        self._need(setting)
        return Table(self._client("dynamodb"), getattr(self.settings, setting))
