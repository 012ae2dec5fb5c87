"""All topics' positions, the updates that wait for a reply, and the gaps that are given time to fill."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from defistream.position import Position
from defistream.update import EventName, Stats, Update, parse_update
from defistream.wants import Part, Since, Want, covering, is_wildcard, wildcards_of

MAX_RESUMES = 3  # of one gap; then what is missing is reported as lost


class Note(Protocol):
    def __call__(self, name: EventName, topic: str | None, message: str = "") -> None: ...


@dataclass(slots=True)
class _Gap:
    due_at: float | None  # None: asked for, the reply will tell
    counted: bool
    resumes: int = 0


class Tracker:
    """Decides for each update: new, seen before, or to be held; and for each topic: whole, or with a gap."""

    def __init__(
        self, wants: Mapping[str, Want], stats: Stats, note: Note, *, newest_only: bool, gap_wait_s: float
    ) -> None:
        self._wants = wants
        self._stats = stats
        self._note = note
        self._newest_only = newest_only
        self._gap_wait_s = gap_wait_s
        self._positions: dict[str, Position] = {}
        self._gaps: dict[str, _Gap] = {}
        self._holds: Counter[str] = Counter()
        self._held: dict[str, list[Update]] = {}
        self._out: list[Update] = []

    def take(self) -> list[Update]:
        taken, self._out = self._out, []
        return taken

    # --- updates -------------------------------------------------------------------------------------

    def updates(self, frame: Mapping[str, Any], now: float, wall: datetime) -> None:
        """The updates of one frame. One that makes no sense is counted and does not harm the others."""
        sent_at = frame.get("sent_at")
        for raw in frame.get("updates") or ():
            try:
                update = parse_update(raw, sent_at=sent_at, received_at=wall)
            except (KeyError, TypeError, ValueError, ArithmeticError):
                self._stats.malformed += 1
                continue
            if self._holds and self._is_held(update.topic):
                self._held.setdefault(update.topic, []).append(update)
            else:
                self._accept(update, now)

    def _accept(self, update: Update, now: float) -> None:
        if covering(self._wants, update.topic) is None:
            return  # unsubscribed in the meantime
        position = self._positions.setdefault(update.topic, Position())
        before, shown = position.epoch, position.newest
        new = position.accept(update)
        if position.epoch != before:
            self._epoch_changed(update.topic, before, position.epoch)
            shown = -1
        if not new:
            self._stats.duplicates += 1
        elif not self._newest_only or update.offset > shown or update.alert is not None:
            self._stats.updates += 1
            self._out.append(update)
        self._look(update.topic, position, now)

    def _epoch_changed(self, topic: str, before: str | None, after: str | None) -> None:
        if before is not None:
            self._stats.epochs += 1
            self._note("epoch", topic, f"{before} ended, {after} began")

    def _look(self, topic: str, position: Position, now: float) -> None:
        gap = self._gaps.get(topic)
        if not position.missing:
            if gap is not None:
                del self._gaps[topic]
                if gap.counted and not gap.resumes:
                    self._stats.filled += 1
                    self._note("filled", topic)
        elif gap is None:
            self._gaps[topic] = _Gap(now + self._gap_wait_s, counted=True)
            self._count_gap(topic, position)
        elif not gap.counted and position.hangs:
            gap.counted = True
            self._count_gap(topic, position)

    def _count_gap(self, topic: str, position: Position) -> None:
        self._stats.gaps += 1
        self._note("gap", topic, f"updates after {position.floor} are missing")

    # --- holding -------------------------------------------------------------------------------------

    def hold(self, names: Iterable[str]) -> None:
        """Keep updates of these topics and wildcards back until as many ``release`` calls."""
        self._holds.update(names)

    def release(self, names: Iterable[str], now: float) -> None:
        for name in names:
            self._holds[name] -= 1
            if self._holds[name] <= 0:
                del self._holds[name]
        for topic in [topic for topic in self._held if not self._is_held(topic)]:
            for update in self._held.pop(topic):
                self._accept(update, now)

    def _is_held(self, topic: str) -> bool:
        return topic in self._holds or any(wildcard in self._holds for wildcard in wildcards_of(topic))

    # --- gaps and resuming ---------------------------------------------------------------------------

    @property
    def due_at(self) -> float | None:
        return min((gap.due_at for gap in self._gaps.values() if gap.due_at is not None), default=None)

    def overdue(self, now: float) -> list[str]:
        """Topics whose gap did not fill in time and is to be asked for; given up after MAX_RESUMES."""
        due = [topic for topic, gap in self._gaps.items() if gap.due_at is not None and gap.due_at <= now]
        asked: list[str] = []
        for topic in due:
            gap = self._gaps[topic]
            if gap.resumes >= MAX_RESUMES:
                self._give_up(topic, "asked for, promised, and never sent")
                continue
            if not gap.counted:
                gap.counted = True
                self._count_gap(topic, self._positions[topic])
            gap.due_at, gap.resumes = None, gap.resumes + 1
            asked.append(topic)
        return asked

    def since(self, topics: Iterable[str] | None = None) -> Since:
        """Where to resume these topics (all, by default): the end of what is complete."""
        since: Since = {}
        for topic in self._positions if topics is None else topics:
            position = self._positions[topic]
            if position.epoch is not None:
                offset = max(position.newest, 0) if position.floor is None else position.floor
                since[topic] = {"epoch": position.epoch, "offset": offset}
        return since

    def replied(self, part: Part, answers: Mapping[str, Any], now: float) -> None:
        """A subscribe command's positions, topic by topic."""
        for topic, answer in answers.items():
            if is_wildcard(topic) or not isinstance(answer, Mapping) or answer.get("epoch") is None:
                continue  # nothing was observed of it yet
            position = self._positions.setdefault(topic, Position())
            epoch, offset, before = str(answer["epoch"]), int(answer["offset"]), position.epoch
            # Held updates of another epoch are old; were they new after all, the next one shows the gap.
            self._held[topic] = [update for update in self._held.pop(topic, ()) if update.epoch == epoch]
            if topic in part.since:
                self._resumed(topic, position, epoch, offset, part, bool(answer.get("recovered")), now)
            elif topic in part.patterns or position.floor is None:
                position.rebase(epoch, offset, snapshot=part.want.snapshot)
            if position.epoch != before:
                self._epoch_changed(topic, before, position.epoch)
        for topic in part.since:
            gap = self._gaps.get(topic)
            if gap is not None and gap.due_at is None:
                gap.due_at = now + self._gap_wait_s

    def _resumed(
        self, topic: str, position: Position, epoch: str, offset: int, part: Part, recovered: bool, now: float
    ) -> None:
        if recovered and position.recovered(epoch, offset, all_due=part.want.all_due):
            self._stats.recovered += 1
            self._note("recovered", topic)
            if position.missing and topic not in self._gaps:
                self._gaps[topic] = _Gap(now + self._gap_wait_s, counted=False)
            return
        self._stats.not_recovered += 1
        self._note("not_recovered", topic, f"updates after {position.floor} are no longer in the server's log")
        position.rebase(epoch, offset, snapshot=True)
        self._look(topic, position, now)

    def unrecoverable(self, topics: Iterable[str], reason: str) -> None:
        """The server refused to resume these for good."""
        for topic in topics:
            self._give_up(topic, reason)

    def _give_up(self, topic: str, reason: str) -> None:
        self._gaps.pop(topic, None)
        self._positions[topic].give_up()
        self._stats.not_recovered += 1
        self._note("not_recovered", topic, reason)

    # --- subscriptions -------------------------------------------------------------------------------

    def start(self, since: Since) -> None:
        """Positions known from elsewhere: a REST snapshot, or an earlier run."""
        for topic, at in since.items():
            if topic not in self._positions:
                self._positions[topic] = Position(str(at["epoch"]), int(at["offset"]))

    def loosen(self, pattern: str) -> None:
        """A wildcard's options changed: its topics' chains begin anew with the next update."""
        for topic, position in self._positions.items():
            if pattern in wildcards_of(topic):
                position.loosen()
                self._gaps.pop(topic, None)

    def forget_uncovered(self) -> None:
        for topic in [topic for topic in self._positions if covering(self._wants, topic) is None]:
            del self._positions[topic]
            self._gaps.pop(topic, None)

    def interrupted(self) -> None:
        """The server's side is lost: gaps and held updates are covered by the resume that follows."""
        self._gaps.clear()
        self._holds.clear()
        self._held.clear()
