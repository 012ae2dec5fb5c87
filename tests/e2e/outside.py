"""Checks the protocol from outside, with nothing of the project imported: only websockets and the standard library.

Three plain sockets subscribe to the same topics: at `realtime`, at `5s`, and with `min_change_pct` 1. Every
update is recorded. Then, for every topic, the chain is checked: sorted by offset, each update's `prev` must be
the offset of the update before it, so that nothing is missing; and nothing may come later than two seconds after
its successor. Half-way the realtime socket is killed without a closing handshake, and later resumed with `since`.

    python tests/e2e/outside.py --url ws://127.0.0.1:8080/ws --key KEY --seconds 60 --json
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

LATE_S = 2.0
AWAY_S = 3.0
SINCE_PER_COMMAND = 100
REPLY_S = 15.0


@dataclass(frozen=True, slots=True)
class Seen:
    """An update as it arrived; ``at`` is in seconds of the monotonic clock."""

    topic: str
    epoch: str
    offset: int
    prev: int | None
    value: Decimal
    snapshot: bool
    at: float


@dataclass(slots=True)
class Recording:
    """What one subscription got, over all of its connections."""

    updates: list[Seen] = field(default_factory=list)
    replies: list[dict[str, Any]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    ended_at: float = 0.0
    began_at: float = 0.0
    away: list[tuple[float, float]] = field(default_factory=list)  # when no connection was open


@dataclass(slots=True)
class Verdict:
    """The findings on one recording; ``problems`` empty means that all holds."""

    topics: int = 0
    updates: int = 0
    snapshots: int = 0
    repeated: int = 0
    epochs: int = 0
    out_of_order: int = 0
    latest_s: float = 0.0
    resumed: int = 0
    recovered: int = 0
    problems: list[str] = field(default_factory=list)


# --- judging (pure) ---------------------------------------------------------------------------------


def judge(recording: Recording, *, interval_s: float = 0.0, min_change_pct: Decimal | None = None) -> Verdict:
    """Everything that PROTOCOL.md promises of one subscription's updates."""
    verdict = Verdict()
    topics: dict[str, dict[str, list[Seen]]] = defaultdict(lambda: defaultdict(list))
    for seen in recording.updates:
        topics[seen.topic][seen.epoch].append(seen)
    verdict.topics = len(topics)
    for topic, epochs in topics.items():
        verdict.epochs += len(epochs) - 1
        for epoch, updates in epochs.items():
            name = f"{topic} in epoch {epoch}"
            verdict.snapshots += sum(seen.snapshot for seen in updates)
            live = _first_of_each([seen for seen in updates if not seen.snapshot])
            verdict.updates += len(live)
            verdict.repeated += sum(not seen.snapshot for seen in updates) - len(live)
            verdict.problems += _contradictions(name, updates)
            verdict.problems += chain_problems(name, updates, settled_at=recording.ended_at - LATE_S)
            _lateness(name, live, recording, verdict)
            if interval_s:
                verdict.problems += _too_often(name, live, recording, interval_s)
            if min_change_pct is not None:
                verdict.problems += _too_small(name, live, min_change_pct)
    if not verdict.updates:
        verdict.problems.append("no update came: nothing is shown")
    _resumes(recording, verdict)
    return verdict


def chain_problems(name: str, updates: Sequence[Seen], *, settled_at: float) -> list[str]:
    """Breaks in the chain of ``prev`` and ``offset`` of one topic's epoch.

    Of the first update ``prev`` may be anything up to the snapshot's offset (or anything, without a snapshot). A
    break whose later end arrived after ``settled_at`` may still fill and is not counted.
    """
    problems: list[str] = []
    snapshots = sorted(seen.offset for seen in updates if seen.snapshot)
    start = snapshots[0] if snapshots else None
    live = sorted(_first_of_each([seen for seen in updates if not seen.snapshot]), key=lambda seen: seen.offset)
    if start is not None:
        live = [seen for seen in live if seen.offset > start]
    before = start
    for index, seen in enumerate(live):
        if index == 0:
            broken = before is not None and seen.prev is not None and seen.prev > before
        else:
            broken = seen.prev != before
        if broken and seen.at <= settled_at:
            problems.append(f"{name}: {seen.offset} follows {seen.prev}, but the update before it is {before}")
        before = seen.offset
    return problems


def whole_up_to(updates: Sequence[Seen]) -> int:
    """The offset up to which one topic's chain has no break: where a resume must begin."""
    ordered = sorted(updates, key=lambda seen: seen.offset)
    reached = ordered[0].offset
    for seen in ordered:
        if not seen.snapshot and seen.offset > reached:
            if seen.prev is not None and seen.prev > reached:
                break
            reached = seen.offset
    return reached


def _first_of_each(updates: Iterable[Seen]) -> list[Seen]:
    """In order of arrival, without what came again."""
    first: dict[int, Seen] = {}
    for seen in updates:
        first.setdefault(seen.offset, seen)
    return list(first.values())


def _contradictions(name: str, updates: Sequence[Seen]) -> list[str]:
    values: dict[int, set[Decimal]] = defaultdict(set)
    for seen in updates:
        values[seen.offset].add(seen.value)
    return [f"{name}: offset {offset} has {len(got)} values" for offset, got in values.items() if len(got) > 1]


def _lateness(name: str, live: Sequence[Seen], recording: Recording, verdict: Verdict) -> None:
    """An update that came after a later one: how long after. What was missed while away is no lateness."""
    for index, seen in enumerate(live):
        overtaken_at = min((other.at for other in live[:index] if other.offset > seen.offset), default=None)
        if overtaken_at is None:
            continue
        late_s = seen.at - overtaken_at
        verdict.out_of_order += 1
        verdict.latest_s = max(verdict.latest_s, round(late_s, 3))
        if late_s > LATE_S and not any(overtaken_at <= end and begin <= seen.at for begin, end in recording.away):
            verdict.problems.append(f"{name}: {seen.offset} came {late_s:.1f} s after a later one")


def _too_often(name: str, live: Sequence[Seen], recording: Recording, interval_s: float) -> list[str]:
    """At most one an interval; one more for the first, and one for an interval cut at either end."""
    allowed = int((recording.ended_at - recording.began_at) / interval_s) + 2
    return [f"{name}: {len(live)} updates, at most {allowed} are allowed"] if len(live) > allowed else []


def _too_small(name: str, live: Sequence[Seen], min_change_pct: Decimal) -> list[str]:
    """Each move since the update before it must reach the filter."""
    by_offset = {seen.offset: seen for seen in live}
    problems = []
    for seen in live:
        before = by_offset.get(seen.prev) if seen.prev is not None else None
        if before is None or before.value == 0:
            continue
        moved = abs(seen.value - before.value) / abs(before.value) * 100
        if moved < min_change_pct * Decimal("0.9999"):  # the server compares doubles
            problems.append(f"{name}: {seen.offset} moved only {moved:.4f} %")
    return problems


def _resumes(recording: Recording, verdict: Verdict) -> None:
    for reply in recording.replies:
        if not reply.get("ok"):
            verdict.problems.append(f"refused: {reply.get('error')}")
            continue
        result = reply.get("result", {})
        if result.get("rejected"):
            verdict.problems.append(f"rejected: {result['rejected']}")
        for topic, answer in result.get("topics", {}).items():
            if not isinstance(answer, dict) or answer.get("recovered") is None or topic not in reply["asked"]:
                continue
            verdict.resumed += 1
            verdict.recovered += answer["recovered"]
            if not answer["recovered"]:
                verdict.problems.append(f"{topic}: not recovered since {reply['asked'][topic]}")


# --- recording --------------------------------------------------------------------------------------


class Subscriber:
    """One plain subscription: sends commands, records what comes."""

    def __init__(self, url: str, key: str, topics: Sequence[str], options: dict[str, Any]) -> None:
        self.recording = Recording(began_at=time.monotonic())
        self._url = url
        self._key = key
        self._topics = list(topics)
        self._options = options
        self._waiting: dict[int, tuple[dict[str, Any], asyncio.Future[None]]] = {}
        self._last_id = 0

    @contextlib.asynccontextmanager
    async def connected(self) -> AsyncIterator[ClientConnection]:
        headers = {"x-api-key": self._key}
        async with connect(self._url, additional_headers=headers, compression=None, proxy=None) as socket:
            reader = asyncio.create_task(self._read(socket))
            try:
                yield socket
            finally:
                reader.cancel()
                await asyncio.gather(reader, return_exceptions=True)

    async def subscribe(self, socket: ClientConnection) -> None:
        await self._command(socket, {"topics": self._topics})

    async def resume(self, socket: ClientConnection) -> None:
        """Subscribe again, ``since`` the last offset up to which each topic's chain is whole, in parts."""
        since = list(self._positions().items())
        for start in range(0, len(since), SINCE_PER_COMMAND):
            part = dict(since[start : start + SINCE_PER_COMMAND])
            await self._command(socket, {"topics": self._topics, "snapshot": False, "since": part})

    def _positions(self) -> dict[str, dict[str, Any]]:
        chains: dict[str, list[Seen]] = defaultdict(list)
        epochs = {seen.topic: seen.epoch for seen in self.recording.updates}
        for seen in self.recording.updates:
            if seen.epoch == epochs[seen.topic]:
                chains[seen.topic].append(seen)
        return {topic: {"epoch": epochs[topic], "offset": whole_up_to(chain)} for topic, chain in chains.items()}

    async def _command(self, socket: ClientConnection, fields: dict[str, Any]) -> None:
        self._last_id += 1
        command = {"action": "subscribe", "id": self._last_id, **self._options, **fields}
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[self._last_id] = (fields.get("since", {}), done)
        await socket.send(json.dumps(command))
        async with asyncio.timeout(REPLY_S):
            await done

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in socket:
                self._frame(json.loads(text), time.monotonic())

    def _frame(self, frame: dict[str, Any], at: float) -> None:
        if frame["type"] == "updates":
            self.recording.updates += [
                Seen(raw["topic"], raw["epoch"], raw["offset"], raw["prev"], Decimal(raw["value"]), raw["snapshot"], at)
                for raw in frame["updates"]
            ]
        elif frame["type"] == "reply":
            asked, done = self._waiting.pop(frame["id"])
            self.recording.replies.append({**frame, "asked": asked})
            done.set_result(None)
        else:
            self.recording.notices.append(str(frame.get("name", frame["type"])))


async def record(subscriber: Subscriber, seconds: float, *, kill: bool = False) -> Recording:
    """Listen for so long; with ``kill``, break the connection half-way, stay away, resume."""
    recording = subscriber.recording
    async with subscriber.connected() as socket:
        await subscriber.subscribe(socket)
        await asyncio.sleep(seconds / 2 if kill else seconds)
        if kill:
            socket.transport.abort()  # no closing handshake: what a lost network looks like
            await socket.wait_closed()
    if kill:
        away_at = time.monotonic()
        await asyncio.sleep(AWAY_S)
        async with subscriber.connected() as socket:
            await subscriber.resume(socket)
            recording.away.append((away_at, time.monotonic() + LATE_S))
            await asyncio.sleep(max(0.0, seconds / 2 - AWAY_S))
    recording.ended_at = time.monotonic()
    return recording


async def check(url: str, key: str, topics: Sequence[str], seconds: float) -> dict[str, Verdict]:
    """The three subscriptions side by side, judged."""
    realtime = record(Subscriber(url, key, topics, {}), seconds, kill=True)
    slow = record(Subscriber(url, key, topics, {"rate": "5s"}), seconds)
    filtered = record(Subscriber(url, key, topics, {"filter": {"min_change_pct": "1"}}), seconds)
    recordings = await asyncio.gather(realtime, slow, filtered)
    return {
        "realtime": judge(recordings[0]),
        "5s": judge(recordings[1], interval_s=5.0),
        "min_change_pct 1": judge(recordings[2], min_change_pct=Decimal(1)),
    }


def as_object(verdicts: dict[str, Verdict]) -> dict[str, Any]:
    streams = {
        name: {slot: getattr(verdict, slot) for slot in Verdict.__dataclass_fields__}
        for name, verdict in verdicts.items()
    }
    return {"ok": not any(verdict.problems for verdict in verdicts.values()), "streams": streams}


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", required=True, help="ws:// or wss:// URL of the socket, with its path")
    parser.add_argument("--key", required=True, help="API key of a tier that allows realtime")
    parser.add_argument("--topics", nargs="+", default=["price:*", "tvl:protocol:*"])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--json", action="store_true", help="one JSON object; exit code 1 if anything is wrong")
    options = parser.parse_args(argv)
    found = as_object(asyncio.run(check(options.url, options.key, options.topics, options.seconds)))
    if options.json:
        sys.stdout.write(json.dumps(found) + "\n")
    else:
        for name, stream in found["streams"].items():
            problems = stream.pop("problems")
            sys.stdout.write(f"{name}: {'; '.join(problems[:20]) or 'all holds'}\n    {stream}\n")
    return 0 if found["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
