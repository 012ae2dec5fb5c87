"""Where a client stands in one topic: what it has seen, and whether something before that is missing.

Frames arrive out of order and twice. Every update names its ``offset`` and ``prev``, the offset of the update
before it that was due to this subscription; so the updates due form a chain. ``floor`` is the end of the part
of the chain that is complete. An update whose ``prev`` is above the floor hangs in the air: something between
is missing, and ``since`` floor asks for it.
"""

from __future__ import annotations

from collections import deque

from defistream.update import Update

KEPT_OFFSETS = 512  # more than the server's log holds (200), so nothing it can send again is forgotten


class Position:
    """One topic's position. Guarantees: ``accept`` is true once for each (epoch, offset)."""

    __slots__ = ("_base", "_expected", "_hanging", "_retired", "_seen", "epoch", "floor", "newest")

    def __init__(self, epoch: str | None = None, offset: int | None = None) -> None:
        self.epoch = epoch
        self.floor = offset  # None: the next update, whatever it is, begins the chain
        self.newest = self._base = -1 if offset is None else offset  # nothing at or below the base is due
        self._seen: set[int] = set()
        self._hanging: dict[int, int] = {}  # offset -> prev, for updates above the floor
        self._expected = -1  # the server said that the chain goes at least so far
        self._retired: deque[str] = deque(maxlen=4)  # a late frame of an old epoch must not bring it back

    @property
    def missing(self) -> bool:
        """Whether something below what was seen, or promised, has not arrived."""
        return bool(self._hanging) or (self.floor is not None and self._expected > self.floor)

    @property
    def hangs(self) -> bool:
        """Whether an update was seen whose predecessor was not."""
        return bool(self._hanging)

    def is_new_epoch(self, epoch: str) -> bool:
        return self.epoch is not None and epoch != self.epoch and epoch not in self._retired

    def accept(self, update: Update) -> bool:
        """Take an update; False if it was seen before, is covered by the start, or is of an epoch gone by."""
        if update.epoch in self._retired:
            return False
        if update.epoch != self.epoch:
            began = self.epoch is not None
            self._adopt(update.epoch)
            if began and not update.snapshot:
                self.floor = 0  # the new epoch may have begun with updates that we did not get
        new = update.offset > self._base and update.offset not in self._seen
        self._link(update)
        if new:
            self._remember(update.offset)
            self.newest = max(self.newest, update.offset)
        return new

    def recovered(self, epoch: str, offset: int, *, all_due: bool) -> bool:
        """The server's answer to ``since``: all that is missing follows. False if it speaks of another epoch.

        ``all_due``: every offset is due to this subscription, so the chain must reach ``offset``.
        """
        if epoch != self.epoch:
            return False
        if all_due:
            self._expected = max(self._expected, offset)
        return True

    def rebase(self, epoch: str, offset: int, *, snapshot: bool) -> None:
        """Begin again at the server's position: nothing up to ``offset`` is due, but its snapshot if announced."""
        if epoch in self._retired:
            return
        if epoch != self.epoch:
            self._adopt(epoch)
        self._base = max(self._base, offset - 1 if snapshot else offset)
        self._expected = -1
        self.floor = max(self.floor or 0, offset)
        self._advance()

    def loosen(self) -> None:
        """The subscription changed and the server told no position: take the next update as it comes."""
        self.floor = None
        self._hanging.clear()
        self._expected = -1

    def give_up(self) -> None:
        """Accept that what is missing stays missing."""
        self.floor = max(self._hanging, default=self.floor or 0)
        self.floor = max(self.floor, self._expected)
        self._hanging.clear()
        self._expected = -1

    def _adopt(self, epoch: str) -> None:
        if self.epoch is not None:
            self._retired.append(self.epoch)
        self.epoch = epoch
        self.floor = None
        self.newest = self._base = self._expected = -1
        self._seen.clear()
        self._hanging.clear()

    def _link(self, update: Update) -> None:
        if self.floor is None:
            self.floor = update.offset
        elif update.snapshot or update.offset <= self.floor:
            return  # a snapshot is a value, not a link: it does not fill a gap
        elif update.prev is None or update.prev <= self.floor:
            self.floor = update.offset
        else:
            self._hanging[update.offset] = update.prev
            return
        self._advance()

    def _advance(self) -> None:
        for offset in sorted(self._hanging):
            if offset <= (self.floor or 0):
                del self._hanging[offset]
            elif self._hanging[offset] <= (self.floor or 0):
                self.floor = offset
                del self._hanging[offset]

    def _remember(self, offset: int) -> None:
        self._seen.add(offset)
        if len(self._seen) > 2 * KEPT_OFFSETS:
            lowest = sorted(self._seen)[-KEPT_OFFSETS]
            self._base = max(self._base, min(lowest - 1, self.floor or 0))
            self._seen = {kept for kept in self._seen if kept > self._base}
