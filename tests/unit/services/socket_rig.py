"""The services behind the socket, on fakes that share one store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from chalicelib.domain.keys import hash_key
from chalicelib.ports import ApiKey, Identity, Session
from chalicelib.services.authorize import AuthorizeConnection
from chalicelib.services.commands import HandleCommand
from chalicelib.services.event_clock import EventClock
from chalicelib.services.rules import ManageRules
from chalicelib.services.sessions import ManageSessions
from chalicelib.services.subscribe import SubscribeTopics
from chalicelib.services.tokens import Tokens
from chalicelib.settings import DEFAULT_TIERS, Tier
from tests.fake_alerts import (
    FakeAlertStates,
    FakeEndpointStore,
    FakeLag,
    FakeLife,
    FakeRuleIndex,
    FakeRuleStore,
    FakeTimers,
)
from tests.fake_store import FakeAudience, FakeLimits, FakeSessions, FakeStore, FakeStream, FakeSubscriptions
from tests.fakes import FakeClock, FakeConnections, FakeJobQueue, FakeKeyStore, FakeSecrets, alert_seen, seen

TIERS: Mapping[str, Tier] = {**DEFAULT_TIERS, "tiny": Tier(1, 2, "realtime", 1000, 1000)}
API_KEY = "ds_a-key-of-the-test"
SIGNING = "a signing key of the test, thirty-two bytes and more"


class SocketRig:
    """Everything that $connect, $default and $disconnect call."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.stream, self.audience = FakeStream(self.store), FakeAudience(self.store)
        self.jobs, self.connections, self.limits = FakeJobQueue(), FakeConnections(), FakeLimits(self.clock)
        self.keys = FakeKeyStore(ApiKey("ann", "pro", "test", hash_key(API_KEY), "2026-11-23T00:00:00.000Z"))
        self.secrets = FakeSecrets(signing=[SIGNING], a=["a-2", "a-1"], b=["b-1"])
        subscriptions, sessions = FakeSubscriptions(self.store), FakeSessions(self.store)
        self.tokens = Tokens(
            keys=self.keys,
            secrets=self.secrets,
            limits=self.limits,
            secret_id="signing",
            token_seconds=300,
            session_seconds=3600,
            anonymous_per_minute=3,
            now=self.clock,
        )
        self.sessions = ManageSessions(
            sessions=sessions,
            connections=lambda: self.connections,
            tiers=TIERS,
            jobs=self.jobs,
            connection_seconds=7800,
            now=self.clock,
        )
        self.rule_store, self.alert_states, self.rule_index = FakeRuleStore(), FakeAlertStates(), FakeRuleIndex()
        self.timers, self.life, self.endpoints = FakeTimers(), FakeLife(self.alert_states), FakeEndpointStore()
        self.lag = FakeLag()
        self.rules = ManageRules(
            rules=self.rule_store,
            states=self.alert_states,
            index=self.rule_index,
            timers=self.timers,
            life=self.life,
            endpoints=self.endpoints,
            clock=EventClock(self.lag, now=self.clock),
            now=self.clock,
        )
        subscribe = SubscribeTopics(
            subscriptions=subscriptions, jobs=self.jobs, tiers=TIERS, coins=["ethereum", "dai"], frame_bytes=32_768
        )
        self.commands = HandleCommand(
            sessions=sessions,
            subscriptions=subscriptions,
            subscribe=subscribe,
            tokens=lambda: self.tokens,
            rules=lambda: self.rules,
            limits=self.limits,
            jobs=self.jobs,
            tiers=TIERS,
            connection_seconds=7800,
            now=self.clock,
        )

    def authorizer(
        self, *, origins: tuple[str, ...] = (), origin_secret_ids: tuple[str, ...] = ()
    ) -> AuthorizeConnection:
        return AuthorizeConnection(
            tokens=self.tokens,
            secrets=self.secrets,
            tiers=TIERS,
            allowed_origins=origins,
            origin_secret_ids=origin_secret_ids,
        )

    def identity(self, user: str = "ann", tier: str = "pro", lasts_s: int = 3600) -> Identity:
        return Identity(user, tier, int((self.clock().timestamp() + lasts_s) * 1000))

    def connect(self, connection: str = "c", **identity: Any) -> Session:
        return self.sessions.open(connection, self.identity(**identity))

    def send(self, body: str, connection: str = "c", identity: Identity | None = None) -> dict[str, Any]:
        """One text frame, and its reply."""
        reply: dict[str, Any] = json.loads(
            self.commands.run(
                connection,
                identity or self.identity(),
                body,
                connected_at_ms=int(self.clock().timestamp() * 1000),
                request_id="r1",
            )
        )
        assert reply["type"] == "reply"
        return reply

    def ask(self, action: str, connection: str = "c", **fields: Any) -> dict[str, Any]:
        return self.send(json.dumps({"action": action, **fields}), connection)

    def code(self, action: str, connection: str = "c", **fields: Any) -> int:
        reply = self.ask(action, connection, **fields)
        assert not reply["ok"], reply
        code: int = reply["error"]["code"]
        return code

    def see(self, topic: str, *values: str, **more: Any) -> None:
        self.stream.sequence([seen(topic, value, self.clock(), **more) for value in values])

    def fire(self, user: str, *numbers: str, age_s: float = 0) -> None:
        """Alerts of a user, as they come from their rules."""
        at = self.clock() - timedelta(seconds=age_s)
        self.stream.sequence([alert_seen(user, number, at) for number in numbers])
