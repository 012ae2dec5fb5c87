"""The protocol without its socket: text in, updates and text out, time passed in.

The shell that owns the socket calls ``connected``, ``receive``, ``tick`` and ``disconnected`` and, after each,
takes what came of it: ``take_outgoing`` is text to send, ``take`` is updates, events, replies.
``wakes_at`` says when ``tick`` has something to do next.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from datetime import datetime
from itertools import count
from typing import Any, Literal

from defistream.commands import COMMAND_TIMEOUT_S, Pending, Reply, refresh_at, rejected_topics
from defistream.errors import CommandError, from_reply
from defistream.resume import Resumer
from defistream.tracker import Tracker
from defistream.update import Alert, Event, EventName, Stats, Update
from defistream.wants import Part, Want, is_wildcard

Order = Literal["arrival", "newest"]

SILENCE_S = 120.0  # then a ping, PROTOCOL's rule for noticing a server that forgot us
NO_REPLY = "no reply"


class Core:
    """One client's side of the protocol, over any number of connections.

    Guarantees, for every subscription: an update is given out once; updates that arrive before the reply to
    the command that brings them wait for it; a gap is given ``gap_wait_s`` to fill and is then asked for with
    ``since``; what cannot be had any more is reported as ``not_recovered``, never passed over in silence.
    """

    def __init__(
        self, *, order: Order = "arrival", gap_wait_s: float = 2.0, jitter: Callable[[], float] = lambda: 1.0
    ) -> None:
        self.stats = Stats()
        self.wants: dict[str, Want] = {}
        self.lost: str | None = None  # why the shell should drop the connection and make a new one
        self.refresh_due = False  # a token should be had and given to ``refresh``
        newest_only = order == "newest"
        self.tracker = Tracker(self.wants, self.stats, self._note, newest_only=newest_only, gap_wait_s=gap_wait_s)
        self._resumer = Resumer(jitter)
        self._pending: dict[int, Pending] = {}
        self._outgoing: list[str] = []
        self._events: list[Event] = []
        self._replies: list[Reply] = []
        self._ids = count(1)
        self._up = False
        self._heard_at = 0.0
        self._refresh_at: float | None = None

    def take_outgoing(self) -> list[str]:
        taken, self._outgoing = self._outgoing, []
        return taken

    def take(self) -> tuple[list[Update], list[Event], list[Reply]]:
        updates = self.tracker.take()
        for update in updates:
            if update.alert is not None and not update.snapshot:  # a snapshot's may be over for long
                self._note("alert", update.topic, _told(update.alert), asdict(update.alert))
        events, self._events = self._events, []
        replies, self._replies = self._replies, []
        return updates, events, replies

    # --- the connection ------------------------------------------------------------------------------

    def connected(self, now: float) -> None:
        """A new connection is open: renew every subscription from where it stands, repeat unanswered commands."""
        self._up, self._heard_at, self._refresh_at = True, now, None
        self.lost, self.refresh_due = None, False
        unanswered, self._pending = self._pending, {}
        self._resume_all(now)
        for id, command in unanswered.items():
            self._send(id, command.body, command.part, now, internal=False)

    def disconnected(self) -> None:
        """The connection is gone. Nothing that stood is forgotten; a ping or refresh under way is answered."""
        self._up = False
        self._resumer.clear()
        self.tracker.interrupted()
        for id, command in list(self._pending.items()):
            if command.internal or command.action in ("ping", "refresh"):
                del self._pending[id]
                if not command.internal:
                    self._replies.append(Reply(id, {}))

    def wakes_at(self) -> float | None:
        """When ``tick`` is due, or None while there is no connection."""
        if not self._up:
            return None
        ping_at = None if self._pinging else self._heard_at + SILENCE_S
        times = [ping_at, self._refresh_at, self._resumer.due_at, self.tracker.due_at]
        times += [command.timeout_at for command in self._pending.values() if command.internal]
        return min((time for time in times if time is not None), default=None)

    def tick(self, now: float) -> None:
        """Do what is due: resume gaps, send waiting parts, ping, ask for a refresh, give a dead connection up."""
        if not self._up:
            return
        if any(command.internal and command.timeout_at <= now for command in self._pending.values()):
            self.lost = NO_REPLY
            return
        if self._heard_at + SILENCE_S <= now and not self._pinging:
            self._send(next(self._ids), {"action": "ping"}, None, now, internal=True)
        if self._refresh_at is not None and self._refresh_at <= now:
            self.refresh_due, self._refresh_at = True, None
        gaps = self.tracker.overdue(now)
        if gaps:
            self._resume(self.tracker.since(gaps), joins=False)
        self._send_parts(now)

    # --- commands ------------------------------------------------------------------------------------

    def subscribe(self, part: Part, now: float) -> int:
        """Send a subscribe command; its Reply comes later. Updates of its topics wait for the reply."""
        self.tracker.start(part.since)
        return self._command(part.body(), part, now)

    def unsubscribe(self, patterns: Iterable[str], now: float) -> int:
        """Leave; ``*`` is everything. Forgotten at once, so that a reconnect does not bring it back."""
        patterns = list(patterns)
        everything = "*" in patterns
        for pattern in list(self.wants) if everything else patterns:
            self.wants.pop(pattern, None)
        for command in self._pending.values():
            if command.part is not None:
                command.left |= {pattern for pattern in command.part.patterns if everything or pattern in patterns}
        for part in self._resumer.leave(everything, set(patterns)):
            self.tracker.release(part.holds(), now)
        self.tracker.forget_uncovered()
        return self._command({"action": "unsubscribe", "topics": patterns}, None, now)

    def command(self, body: Mapping[str, Any], now: float) -> int:
        """Send any other command (``list``, ``ping``, ``refresh``)."""
        return self._command(body, None, now)

    def abandon(self, id: int, now: float) -> None:
        """Nobody waits for this command any more: what it held is let go."""
        command = self._pending.pop(id, None)
        if command is not None and self._up:
            self.tracker.release(command.holds(), now)

    def refresh_later(self, at: float) -> None:
        """A token could not be had: ask again then."""
        self.refresh_due, self._refresh_at = False, at

    def receive(self, text: str | bytes, now: float, wall: datetime) -> None:
        """One frame. ``wall`` is its time of arrival; a frame that is not the protocol is counted and left."""
        self._heard_at = now
        try:
            self._frame(json.loads(text), now, wall)
        except (ValueError, TypeError, KeyError, AttributeError):
            self.stats.malformed += 1
        if self._pinging:  # any sign of life answers it
            for id in [id for id, command in self._pending.items() if command.internal and command.action == "ping"]:
                del self._pending[id]
        self._send_parts(now)

    def _frame(self, frame: Any, now: float, wall: datetime) -> None:
        kind = frame.get("type")
        if kind == "updates":
            self.tracker.updates(frame, now, wall)
        elif kind == "reply":
            self._reply(frame, now, wall)
        elif kind == "notice":
            self._notice(frame, now)
        else:
            raise ValueError("not a frame of ours")  # such as API Gateway's own {"message": "Internal server error"}

    def _notice(self, frame: Mapping[str, Any], now: float) -> None:
        self._note("notice", None, str(frame.get("message", "")), frame)
        if frame.get("name") == "resubscribe":
            self._resume_all(now)  # even while renewing: part of that may have been lost with the session
        elif frame.get("name") == "going_away":
            self.lost = "going_away"

    def _reply(self, frame: Mapping[str, Any], now: float, wall: datetime) -> None:
        id = frame.get("id")
        if id is None and len(self._pending) == 1:
            id = next(iter(self._pending))  # refused before its id was read: it can only be this one
        command = self._pending.pop(id, None)  # type: ignore[arg-type]
        if command is None or id is None:
            return
        if frame.get("ok"):
            result = frame.get("result") or {}
            self._refresh_at = refresh_at(result.get("session_expires"), now, wall) or self._refresh_at
            if command.internal:
                self._resumer.done(command.part)
            else:
                self._replies.append(Reply(id, result))
            try:
                self._joined(command, result, now)
            finally:
                self.tracker.release(command.holds(), now)
        else:
            self._refused(id, command, from_reply(frame.get("error") or {}), now)

    def _joined(self, command: Pending, result: Mapping[str, Any], now: float) -> None:
        if (part := command.part) is None:
            return
        rejected = rejected_topics(result.get("rejected"))
        for topic, reason in rejected.items():
            self.wants.pop(topic, None)
            self._note("rejected", topic, reason)
        for pattern in part.patterns:
            if pattern in rejected or pattern in command.left:
                continue
            if self.wants.get(pattern) != part.want and is_wildcard(pattern):
                self.tracker.loosen(pattern)
            self.wants[pattern] = part.want
        self.tracker.replied(part, result.get("topics") or {}, now)

    def _refused(self, id: int, command: Pending, error: CommandError, now: float) -> None:
        part = command.part
        if not command.internal:
            self.tracker.release(command.holds(), now)
            self._replies.append(Reply(id, {}, error))
        elif 4000 <= error.code < 5000:
            self.lost = f"{error}"
        elif part is not None and error.temporary:
            self._resumer.again(part, now, error.retry_after)
        elif part is not None:
            self._resumer.done(part)
            self.tracker.unrecoverable(part.since, str(error))
            for pattern in part.patterns if part.joins else ():
                self.wants.pop(pattern, None)
                self._note("rejected", pattern, str(error))
            self.tracker.release(part.holds(), now)

    def _resume_all(self, now: float) -> None:
        self._resumer.clear()
        self.tracker.interrupted()
        self._pending = {id: command for id, command in self._pending.items() if not command.internal}
        for command in self._pending.values():
            self.tracker.hold(command.holds())
        self._resume(self.tracker.since(), joins=True)
        self._send_parts(now)

    def _resume(self, since: dict[str, dict[str, Any]], *, joins: bool) -> None:
        for part in self._resumer.plan(self.wants, since, joins=joins):
            self.tracker.hold(part.holds())

    def _send_parts(self, now: float) -> None:
        for part in self._resumer.ready(now) if self._up else ():
            self._send(next(self._ids), part.body(), part, now, internal=True)

    def _command(self, body: Mapping[str, Any], part: Part | None, now: float) -> int:
        id = next(self._ids)
        if self._up:
            self._send(id, body, part, now, internal=False)
        else:
            self._pending[id] = Pending(body, part, False, now)  # sent by ``connected``
        return id

    def _send(self, id: int, body: Mapping[str, Any], part: Part | None, now: float, *, internal: bool) -> None:
        self._pending[id] = Pending(body, part, internal, now + COMMAND_TIMEOUT_S)
        if part is not None and not internal:  # internal parts hold since they were planned
            self.tracker.hold(part.holds())
        self._outgoing.append(json.dumps({**body, "id": id}, separators=(",", ":")))

    @property
    def _pinging(self) -> bool:
        return any(command.action == "ping" for command in self._pending.values())

    def _note(
        self, name: EventName, topic: str | None, message: str = "", data: Mapping[str, Any] | None = None
    ) -> None:
        self._events.append(Event(name, topic, message, data or {}))


def _told(alert: Alert) -> str:
    return f"{alert.state}: {alert.name} ({alert.condition})"
