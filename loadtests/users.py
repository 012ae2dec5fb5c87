"""Who uses the service: subscribers who watch, traders who come and go, programs that read the REST API."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from defistream.wants import Want
from locust import User, between, task
from locust.contrib.fasthttp import FastHttpUser
from locust.exception import StopUser

from loadtests.market import of_kind
from loadtests.questions import choose, questions
from loadtests.session import LOOK_S, Session

if TYPE_CHECKING:
    from loadtests.swarm import Swarm

AUDIT_SPREAD_S = 2.0  # so that the audit is not a storm of its own
PING_CHANCE = 0.01  # each half second: about once in 50 s
RUNGS = ("0.5", "1", "2")


class StreamUser(User):
    """A user with a socket. Lives one session after another, and after the load answers for the last one."""

    abstract = True

    def on_start(self) -> None:
        self.swarm: Swarm = self.environment.swarm
        self.random = random.Random(self.swarm.next_seed())
        self.key = self.swarm.next_key()
        self.home = False

    @task
    def live(self) -> None:
        session = self.begin()
        if not self.connect(session):
            return
        until = time.monotonic() + self.random.expovariate(1 / self.swarm.plan.stays_s)
        storms = self.swarm.storms
        while self.swarm.loading and time.monotonic() < until:
            whole = session.stay(LOOK_S)
            if not self.home and session.settled:
                self.home = True
                self.swarm.settled()
            if self.swarm.storms > storms:
                storms = self.swarm.storms
                session.cut()
            elif whole:
                self.act(session)
            if not session.connected and not self.connect(session):
                return
        if self.swarm.loading:
            session.close()
        else:
            self.answer_for(session)

    def begin(self) -> Session:
        raise NotImplementedError

    def connect(self, session: Session) -> bool:
        return session.open_with_patience()

    def act(self, session: Session) -> None:
        """What this user does besides listening; called every half second."""
        if self.random.random() < PING_CHANCE:
            session.ping()

    def answer_for(self, session: Session) -> None:
        """Listen until the others are through, then see whether anything is missing; then wait for the end."""
        while not self.swarm.auditing:
            session.stay(LOOK_S)
        session.stay(self.random.uniform(0, AUDIT_SPREAD_S))
        session.audit()
        self.swarm.audited()
        while not self.swarm.over:
            session.stay(LOOK_S)
        session.close()
        raise StopUser  # or Locust would begin another session, and audit that one too

    def session(self, patterns: Sequence[str], want: Want, headers: dict[str, str] | None = None) -> Session:
        all_headers = {**self.swarm.headers, **(headers or {})}
        return Session(self.swarm.ledger, self.swarm.ws_url, all_headers, patterns=patterns, want=want)


class Subscriber(StreamUser):
    """Somebody with a page open: a whole kind, or a list of topics, at several rates. Stays two minutes in the mean."""

    weight = 75

    def begin(self) -> Session:
        patterns, want = self._choice()
        return self.session(patterns, want, {"x-api-key": self.key})

    def _choice(self) -> tuple[Sequence[str], Want]:
        topics, chance = self.swarm.topics, self.random.random()
        if chance < 0.4:
            return ["price:*"], Want()
        if chance < 0.5:
            return ["tvl:*", "peg:*"], Want()
        some = self.random.sample(topics, min(len(topics), self.random.randint(5, 20)))
        if chance < 0.75:
            return some, Want()
        return some, Want(rate="1s" if chance < 0.9 else "5s")


class Trader(StreamUser):
    """A few prices at once, through a filter; breaks off every half minute or so and is back at once, with ``since``.

    Comes with a token of its own each time, as a page does.
    """

    weight = 15
    mean_stay_s = 30.0

    def begin(self) -> Session:
        prices = of_kind(self.swarm.topics, "price") or self.swarm.topics
        some = self.random.sample(prices, min(len(prices), self.random.randint(3, 10)))
        rung = self.random.choice(RUNGS) if self.random.random() < 0.6 else None
        self._cut_at = self._next_cut()
        return self.session(some, Want(min_change_pct=rung))

    def connect(self, session: Session) -> bool:
        for attempt in range(4):
            token = self.swarm.token(self.key)
            if token and session.open(f"{session.url}?{urlencode({'token': token})}"):
                return True
            time.sleep(self.random.uniform(0, 2.0**attempt))
        return False

    def act(self, session: Session) -> None:
        if time.monotonic() >= self._cut_at:
            self._cut_at = self._next_cut()
            session.cut()

    def _next_cut(self) -> float:
        return time.monotonic() + self.random.uniform(0.5, 1.5) * self.mean_stay_s


class ApiReader(FastHttpUser):
    """A program that reads topics page by page, asks a dashboard's questions, looks at the health, and wants tokens."""

    weight = 10
    wait_time = between(2.0, 6.0)

    def __init__(self, environment: Any) -> None:
        self.default_headers = environment.swarm.headers
        super().__init__(environment)

    def on_start(self) -> None:
        self.swarm: Swarm = self.environment.swarm
        self.random = random.Random(self.swarm.next_seed())
        self.key = self.swarm.next_key()

    @task(6)
    def topics(self) -> None:
        kind = self.random.choice(("price", "tvl", "peg", "yield"))
        cursor: str | None = "0"
        while cursor is not None and self.swarm.loading:
            query = urlencode({"match": f"{kind}:*", "cursor": cursor})
            cursor = self._json(self.client.get(f"/v1/topics?{query}", name="/v1/topics")).get("next")

    @task(6)
    def query(self) -> None:
        if not self.swarm.loading:
            return
        asked = choose(self.random, questions(self.swarm.topics, datetime.now(UTC)))
        headers = {"x-api-key": self.key}
        answer = self._json(self.client.post("/v1/query", json=asked, headers=headers, name="/v1/query"))
        if answer:
            self.swarm.ledger.answered(json.dumps(asked), answer["made_at"])

    @task(2)
    def history(self) -> None:
        if self.swarm.loading and self.swarm.topics:
            topic = quote(self.random.choice(self.swarm.topics), safe=":")
            self.client.get(f"/v1/history/{topic}", headers={"x-api-key": self.key}, name="/v1/history")

    @task(1)
    def health(self) -> None:
        if self.swarm.loading:
            self.client.get("/v1/health", name="/v1/health")

    @task(2)
    def token(self) -> None:
        if self.swarm.loading:
            self.swarm.token(self.key)

    @staticmethod
    def _json(response: Any) -> dict[str, Any]:
        return (response.json() if response.ok else None) or {}
