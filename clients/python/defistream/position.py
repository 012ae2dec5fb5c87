"""Where a client stands in one topic: what it has seen, and whether something before that is missing.

Frames arrive out of order and twice. Every update names its ``offset`` and ``prev``, the offset of the update
before it that was due to this subscription; so the updates due form a chain. ``floor`` is the end of the part
of the chain that is complete. An update whose ``prev`` is above the floor hangs in the air: something between
is missing, and ``since`` floor asks for it.
"""

from __future__ import annotations

from datetime import datetime

from defistream.update import Update

KEPT_OFFSETS = 512  # more than the server's log holds (200), so nothing it can send again is forgotten
KEPT_EPOCHS = 4


class Run:
    """A topic's position within one epoch."""

    __slots__ = ("base", "expected", "floor", "hanging", "newest", "seen")

    def __init__(self, floor: int | None = None) -> None:
        self.floor = floor  # None: the next update, whatever it is, begins the chain
        self.newest = self.base = -1  # nothing at or below the base is due
        self.seen: set[int] = set()
        self.hanging: dict[int, int] = {}  # offset -> prev, for updates above the floor
        self.expected = -1  # the server said that the chain goes at least so far

    def link(self, update: Update) -> None:
        if self.floor is None:
            self.floor = update.offset
        elif update.snapshot or update.offset <= self.floor:
            return  # a snapshot is a value, not a link: it does not fill a gap
        elif update.prev is None or update.prev <= self.floor:
            self.floor = update.offset
        else:
            self.hanging[update.offset] = update.prev
            return
        self.advance()

    def advance(self) -> None:
        """Take into the chain whatever hangs on its end."""
        for offset in sorted(self.hanging):
            if self.hanging[offset] <= (self.floor or 0) or offset <= (self.floor or 0):
                self.floor = max(self.floor or 0, offset)
                del self.hanging[offset]

    def remember(self, offset: int) -> None:
        self.newest = max(self.newest, offset)
        self.seen.add(offset)
        if len(self.seen) > 2 * KEPT_OFFSETS:
            lowest = sorted(self.seen)[-KEPT_OFFSETS]
            self.base = max(self.base, min(lowest - 1, self.floor or 0))
            self.seen = {kept for kept in self.seen if kept > self.base}


class Position:
    """One topic's position. Guarantees: ``accept`` is true once for each (epoch, offset)."""

    __slots__ = ("_doubtful", "_former", "_published_at", "_run", "epoch")

    def __init__(self, epoch: str | None = None, offset: int | None = None) -> None:
        self.epoch = epoch
        self._run = Run(offset)
        self._run.newest = self._run.base = -1 if offset is None else offset
        self._former: dict[str, Run] = {}
        self._doubtful = False  # whether the epoch was begun by a snapshot that is older than what was known
        self._published_at: datetime | None = None  # the newest seen, whatever its epoch

    @property
    def floor(self) -> int | None:
        return self._run.floor

    @property
    def newest(self) -> int:
        return self._run.newest

    @property
    def hangs(self) -> bool:
        """Whether an update was seen whose predecessor was not."""
        return bool(self._run.hanging)

    @property
    def missing(self) -> bool:
        """Whether something below what was seen, or promised, has not arrived."""
        return self.hangs or (self.floor is not None and self._run.expected > self.floor)

    def accept(self, update: Update) -> bool:
        """Take an update; False if it was seen before, is covered by the start, or is of an epoch gone by.

        An epoch that was left never comes back by itself, so a late frame of it is left out. Of one that was never
        seen, a live update must be published later than what is known; a snapshot need not, since a server that was
        restored shows an older value as the present one. If it was but a late one, the next live update of the epoch
        before it goes back there.
        """
        if update.epoch != self.epoch:
            older = self._published_at is not None and update.published_at <= self._published_at
            if update.epoch in self._former and (older or update.snapshot or not self._doubtful):
                return False
            if older and not update.snapshot:
                return False
            began = self.epoch is not None
            self._switch(update.epoch)
            # Of an epoch that only a reply told, nothing is known to compare with: this may be a late frame before it.
            self._doubtful = older or (began and self._published_at is None)
            if began and self.floor is None and not update.snapshot:
                self._run.floor = 0  # the new epoch may have begun with updates that we did not get
        run = self._run
        new = update.offset > run.base and update.offset not in run.seen
        run.link(update)
        if new:
            run.remember(update.offset)
            self._published_at = max(self._published_at or update.published_at, update.published_at)
        return new

    def recovered(self, epoch: str, offset: int, *, all_due: bool) -> bool:
        """The server's answer to ``since``: all that is missing follows. False if it speaks of another epoch.

        ``all_due``: every offset is due to this subscription, so the chain must reach ``offset``.
        """
        if epoch != self.epoch:
            return False
        if all_due:
            self._run.expected = max(self._run.expected, offset)
        return True

    def rebase(self, epoch: str, offset: int, *, snapshot: bool) -> None:
        """Begin again at the server's position: nothing up to ``offset`` is due, but its snapshot if announced."""
        if epoch != self.epoch:
            self._switch(epoch)
        self._doubtful = False
        run = self._run
        run.base = max(run.base, offset - 1 if snapshot else offset)
        run.expected = -1
        run.floor = max(run.floor or 0, offset)
        run.advance()

    def loosen(self) -> None:
        """The subscription changed and the server told no position: take the next update as it comes."""
        self._run.floor, self._run.expected = None, -1
        self._run.hanging.clear()

    def give_up(self) -> None:
        """Accept that what is missing stays missing."""
        run = self._run
        run.floor = max(run.floor or 0, run.expected, *run.hanging, 0)
        run.expected = -1
        run.hanging.clear()

    def _switch(self, epoch: str) -> None:
        if self.epoch is not None:
            self._former[self.epoch] = self._run
        self.epoch = epoch
        self._run = self._former.pop(epoch) if epoch in self._former else Run()
        if len(self._former) > KEPT_EPOCHS:
            del self._former[next(iter(self._former))]
