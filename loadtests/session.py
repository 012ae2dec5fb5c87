"""One streaming client: the protocol's own core over a wire, with everything that happens to it timed and counted."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from defistream.core import Core
from defistream.resume import full_jitter
from defistream.update import Update
from defistream.wants import Part, Want

from loadtests.ledger import Ledger
from loadtests.wire import EndedError, RefusedError, Wire

LOOK_S = 0.5  # how long a client may sit in recv before it looks around
AUDIT_S = 15.0
QUIET_S = 2.5  # longer than the core waits for a gap to fill


class ReplyError(Exception):
    """A command was refused; the text is the error's name, so that rows of the report stay few."""


class Session:
    """A client with one set of subscriptions that outlives its connections.

    Guarantees: every update that is due is received, or counted as lost in the ledger; a command's reply and a
    handshake are each a row of the report.
    """

    def __init__(
        self,
        ledger: Ledger,
        url: str,
        headers: dict[str, str],
        *,
        patterns: Sequence[str],
        want: Want,
        gap_wait_s: float = 2.0,
    ) -> None:
        self.url = url
        self._ledger = ledger
        self._headers = headers
        self._patterns = tuple(patterns)
        self._want = want
        self._core = Core(jitter=random.random, gap_wait_s=gap_wait_s)
        self._wire: Wire | None = None
        self._sent: dict[Any, tuple[str, float]] = {}  # commands without a reply: what they are, when they were sent
        self._since = datetime.now(UTC)  # what was published before came by resuming
        self._opened = False
        self._resuming = False
        self._auditing: datetime | None = None
        self._counted: dict[str, int] = {}

    @property
    def connected(self) -> bool:
        return self._wire is not None

    @property
    def settled(self) -> bool:
        """Whether every command has its reply."""
        return not self._sent

    def open(self, url: str | None = None) -> bool:
        """Connect, and subscribe or resume; False (and a failure in the report) if that was refused."""
        started = time.monotonic()
        try:
            self._wire = Wire.open(url or self.url, self._headers)
        except (RefusedError, OSError) as error:
            self._ledger.row("WS", "connect", started, error=error)
            return False
        self._ledger.row("WS", "connect", started)
        self._since = datetime.now(UTC)
        now = time.monotonic()
        self._resuming = self._opened
        self._core.connected(now)
        if not self._opened:
            self._opened = True
            self._core.subscribe(Part(self._patterns, self._want, {}), now)
        self._send_due()
        return self.connected

    def open_with_patience(self, attempts: int = 8) -> bool:
        """As ``open``, again and again with full jitter as a good client does."""
        for attempt in range(attempts):
            if self.open():
                return True
            time.sleep(full_jitter(attempt, random.random()))
        return False

    def stay(self, seconds: float) -> bool:
        """Receive for so long; False if the connection ended before. A gap is asked for as the protocol says."""
        until = time.monotonic() + seconds
        if self._wire is None:
            time.sleep(seconds)  # whoever waits for something to happen must let it happen
        try:
            while self._wire is not None and (now := time.monotonic()) < until:
                self._step(min(until, now + LOOK_S, self._core.wakes_at() or until))
        except EndedError as ended:
            self._ended(ended)
        return self._wire is not None

    def ping(self) -> None:
        if self._wire is not None:
            self._core.command({"action": "ping"}, time.monotonic())
            self._send_due()

    def cut(self) -> None:
        """The network breaks."""
        if self._wire is not None:
            self._wire.cut()
            self._lost_wire()
            self._ledger.count("cuts")

    def close(self) -> None:
        """Leave for good. What is missing at this moment may be on its way, so it is not counted."""
        if self._wire is not None:
            self._wire.close()
            self._lost_wire()
        self._tally()

    def audit(self) -> None:
        """Ask the server where every topic stands, when nothing has been published for a while.

        An update that comes only now was never pushed: it is counted as ``missed``, as is a topic whose gap had to be
        asked for. (At a slower rate an update may have been waiting for its slot: there it is not.)
        """
        if self._wire is None and not self.open_with_patience():
            self._ledger.count("unaudited")
            return
        now = time.monotonic()
        self._resuming = True
        self._auditing = datetime.now(UTC) - timedelta(seconds=QUIET_S)
        self._core.disconnected()  # as after a reconnect: everything is asked for again, from where it stands
        self._core.connected(now)
        self._send_due()
        whole = self.stay(LOOK_S)
        until = now + AUDIT_S
        while whole and not (self.settled and self._core.tracker.due_at is None) and time.monotonic() < until:
            whole = self.stay(LOOK_S)
        done = whole and self.settled and self._core.tracker.due_at is None
        self._ledger.count("audited" if done else "unaudited")
        self._auditing = None

    # --- inside -------------------------------------------------------------------------------------

    def _step(self, wake_at: float) -> None:
        assert self._wire is not None
        messages = self._wire.receive(wake_at - time.monotonic())
        now, wall = time.monotonic(), datetime.now(UTC)
        # One process plays all the clients: each reads first and works when the others have read, or the work on 300
        # frames of one change would count as the delay of the last of them.
        time.sleep(0)
        for message in messages:
            if message.startswith(b'{"type":"updates"'):
                self._ledger.count("frames")
            elif (other := json.loads(message)).get("type") == "reply":
                self._replied(other)
            self._core.receive(message, now, wall)
        self._core.tick(now)
        self._take(sum(map(len, messages)))
        self._send_due()
        if self._core.lost is not None:
            self._ledger.row("WS", "connection", now, error=ReplyError(self._core.lost))
            self.cut()

    def _take(self, size_bytes: int) -> None:
        updates, events, _ = self._core.take()
        for event in events:
            if event.name == "not_recovered":
                self._ledger.lost(event.message)
        for update in updates:
            self._took(update, size_bytes // len(updates))
        self._tally()

    def _took(self, update: Update, size_bytes: int) -> None:
        if update.snapshot:
            self._ledger.count("snapshots")
        elif self._auditing is not None and self._want.rate == "realtime" and update.published_at < self._auditing:
            self._ledger.count("missed")
        elif update.published_at < self._since:
            self._ledger.replayed(update, size_bytes)
        else:
            self._ledger.pushed(update, self._want.rate, size_bytes)

    def _replied(self, reply: dict[str, Any]) -> None:
        if (sent := self._sent.pop(reply.get("id"), None)) is None:
            return  # answered before: a command that was under way when the audit began is sent again
        name, sent_at = sent
        error = None if reply.get("ok") else ReplyError((reply.get("error") or {}).get("name", "refused"))
        self._ledger.row("WS", name, sent_at, error=error)
        self._resuming = self._resuming and not self.settled

    def _send_due(self) -> None:
        for text in self._core.take_outgoing() if self._wire is not None else ():
            command = json.loads(text)
            name = command["action"]
            if command.get("since"):
                name = "resume" if self._resuming else "fill gap"
                self._ledger.count("missed", 0 if self._resuming else len(command["since"]))
            self._sent[command["id"]] = (name, time.monotonic())
            self._send(text)

    def _send(self, text: str) -> None:
        try:
            if self._wire is not None:
                self._wire.send(text)
        except EndedError as ended:
            self._ended(ended)

    def _ended(self, ended: EndedError) -> None:
        self._lost_wire()
        if ended.code != 1001:  # two hours, or ten silent minutes: the gateway's rule, not a fault
            self._ledger.row("WS", "connection", time.monotonic(), error=ended)

    def _lost_wire(self) -> None:
        self._wire = None
        self._sent.clear()
        self._core.disconnected()
        self._take(0)

    def _tally(self) -> None:
        """Pass what the core counted since the last time on to the ledger."""
        stats = self._core.stats
        seen = {
            "gaps": stats.gaps,
            "filled": stats.filled,
            "resumed": stats.recovered,
            "lost": stats.not_recovered,
            "duplicates": stats.duplicates,
            "malformed": stats.malformed,
            "epochs": stats.epochs,
        }
        if seen != self._counted:
            for name, value in seen.items():
                self._ledger.count(name, value - self._counted.get(name, 0))
            self._counted = seen
