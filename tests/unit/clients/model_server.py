"""A server of the protocol in a few lines, for tests: topics with logs, one subscriber, frames in flight.

Frames wait in ``flying`` until the test delivers, repeats, reorders or drops them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

RESUBSCRIBE = '{"type":"notice","name":"resubscribe"}'
T0 = "2026-11-23T01:02:03.456Z"


@dataclass
class Topic:
    epoch: str
    offset: int = 0
    log: list[dict[str, Any]] = field(default_factory=list)  # entries due to the subscriber
    whole_after: int = 0  # the log holds every due entry above this offset
    last_due: int | None = None
    published_at: str = T0


class ModelServer:
    """``due`` tells for each published change whether the subscriber's filter lets it pass."""

    def __init__(self, topics: list[str]) -> None:
        self.topics = {name: Topic("e1") for name in topics}
        self.generation = 1
        self.subscribed: set[str] = set()
        self.flying: list[str] = []
        self.due: dict[str, set[tuple[str, int]]] = {name: set() for name in topics}
        self.excused: dict[str, set[tuple[str, int]]] = {name: set() for name in topics}
        self.resumes = 0
        self.known = True
        self.rebuilt = False  # the session was lost, and its client has not subscribed again since
        self.published = 0
        for name in topics:
            self.publish(name, due=True)

    def publish(self, name: str, *, due: bool) -> None:
        topic = self.topics[name]
        topic.offset += 1
        self.published += 1
        topic.published_at = f"2026-11-23T01:{self.published // 60:02}:{self.published % 60:02}Z"
        if not due:
            return
        entry = self._update(name, topic.offset, topic.last_due, snapshot=False)
        topic.last_due = topic.offset
        topic.log.append(entry)
        if name in self.subscribed:
            self.due[name].add((topic.epoch, topic.offset))
            self._push([entry])

    def new_epoch(self) -> None:
        """What a failover does: the logs are gone, offsets begin anew, nobody knows what was lost."""
        self.generation += 1
        for topic in self.topics.values():
            topic.epoch, topic.offset, topic.last_due = f"e{self.generation}", 0, None
            topic.log.clear()
            topic.whole_after = 0

    def trim(self) -> None:
        for topic in self.topics.values():
            topic.whole_after = topic.offset
            topic.log.clear()

    def forget(self) -> None:
        """What a flush of Redis does: the socket stays open, the next command is told to subscribe again."""
        self.subscribed.clear()
        self.known = False

    def disconnect(self) -> None:
        self.known, self.rebuilt = True, False
        self.subscribed.clear()
        self.flying.clear()

    def command(self, text: str) -> None:
        """Take a command; its reply and what follows it are put in flight."""
        assert len(text) < 24_000
        body = json.loads(text)
        if not self.known:
            self.known = self.rebuilt = True  # what this command does settles nothing
            self.flying.append(RESUBSCRIBE)
        elif self.rebuilt and body["action"] == "ping":
            self.flying.append(RESUBSCRIBE)  # the first may not have arrived
        elif body["action"] == "subscribe":
            self.rebuilt = False
        if body["action"] != "subscribe":
            self.flying.append(json.dumps({"type": "reply", "id": body["id"], "ok": True, "result": {}}))
            return
        since = body.get("since", {})
        assert len(body["topics"]) <= 100
        assert len(since) <= 100
        answers: dict[str, Any] = {}
        pushes: list[dict[str, Any]] = []
        for name in self._matching(body["topics"]):
            self.subscribed.add(name)
            topic = self.topics[name]
            if name in since:
                answers[name] = {"epoch": topic.epoch, "offset": topic.offset}
                pushes += self._resume(name, since[name], answers[name])
            elif name in body["topics"] or body["snapshot"]:
                self.due[name].clear()  # the subscription begins here
                answers[name] = {"epoch": topic.epoch, "offset": topic.offset}
                if body["snapshot"]:
                    pushes.append(self._update(name, topic.offset, topic.last_due, snapshot=True))
        reply = {"type": "reply", "id": body["id"], "ok": True, "result": {"topics": answers}}
        self.flying.append(json.dumps(reply))
        self._push(pushes)

    def _resume(self, name: str, since: dict[str, Any], answer: dict[str, Any]) -> list[dict[str, Any]]:
        self.resumes += 1
        topic = self.topics[name]
        answer["recovered"] = since["epoch"] == topic.epoch and since["offset"] >= topic.whole_after
        if answer["recovered"]:
            missed = [entry for entry in topic.log if entry["offset"] > since["offset"]]
            self.due[name] |= {(topic.epoch, entry["offset"]) for entry in missed}
            return missed
        self.excused[name] |= {key for key in self.due[name] if key[0] != topic.epoch or key[1] <= topic.offset}
        return [self._update(name, topic.offset, topic.last_due, snapshot=True)]

    def _matching(self, patterns: list[str]) -> list[str]:
        return [
            name
            for name in self.topics
            if any(name == p or (p.endswith(":*") and name.startswith(p[:-1])) for p in patterns)
        ]

    def _push(self, updates: list[dict[str, Any]]) -> None:
        if updates:
            self.flying.append(json.dumps({"type": "updates", "sent_at": T0, "updates": updates}))

    def _update(self, name: str, offset: int, prev: int | None, *, snapshot: bool) -> dict[str, Any]:
        return {
            "topic": name,
            "epoch": self.topics[name].epoch,
            "offset": offset,
            "prev": prev,
            "value": str(offset),
            "previous": None,
            "change_pct": None,
            "observed_at": T0,
            "published_at": self.topics[name].published_at,
            "source": "test",
            "confidence": None,
            "snapshot": snapshot,
        }
