"""Restore: into something new, compared with what was kept, and only then in the place of what served.

Each store is ``begun``, then ``restored``, ``verified`` and ``switched``, on record at each, so that the same command
goes on where it was broken off.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from scripts.backups import census
from scripts.backups.catalogue import Catalogue, moment_of, new_id
from scripts.backups.store import Candidate, Kept, Store
from scripts.deployment.errors import RefusedError, StackError

Say = Callable[[str], None]
BEGUN, RESTORED, VERIFIED, SWITCHED = "begun", "restored", "verified", "switched"


class UnequalError(StackError):
    """What was brought back is not what was kept; nothing was switched."""

    exit_code = 7
    outcome = "unequal"


@dataclass(slots=True, kw_only=True)
class Progress:
    """How far one store has come."""

    kept: Kept
    step: str = ""
    candidate: Candidate = field(default_factory=dict)
    found: census.Census | None = None
    before: str = ""
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "kept": self.kept.as_json(),
            "step": self.step,
            "candidate": dict(self.candidate),
            "found": census.as_json(self.found),
            "before": self.before,
            "seconds": self.seconds,
        }

    @classmethod
    def of_json(cls, document: Mapping[str, Any]) -> Progress:
        kept, found = Kept.of_json(document["kept"]), census.of_json(document["found"])
        return cls(**{**document, "kept": kept, "found": found})


def choose(stores: Mapping[str, Store], wanted: Sequence[str], to: str, catalogue: Catalogue) -> dict[str, Kept]:
    """From what each store would be restored: its exact past where it has one, else its last backup before.

    Raises RefusedError if there is nothing for one of them.
    """
    moment = moment_of(to)
    chosen = {}
    for name in wanted:
        exact = stores[name].at(moment) if moment else None
        chosen[name] = exact or catalogue.kept(to, name)
    return chosen


class Restore:
    """One restore, named by when it was begun, or one that was broken off and is gone on with."""

    def __init__(
        self,
        stores: Mapping[str, Store],
        catalogue: Catalogue,
        *,
        say: Say,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._stores = stores
        self._catalogue = catalogue
        self._say = say
        self._now = now
        self.name = ""
        self.to = ""
        self.progress: dict[str, Progress] = {}

    def begin(self, to: str, chosen: Mapping[str, Kept], *, restart: bool = False) -> None:
        """Take up the newest restore if it is of the same and has not been finished, else begin another."""
        last = None if restart else self._unfinished()
        if last and last["to"] == to and moments(last) == {name: kept.moment for name, kept in chosen.items()}:
            self._take_up(last)
            steps = ", ".join(f"{name} {one.step or 'not begun'}" for name, one in self.progress.items())
            self._say(f"goes on with restore {self.name}: {steps}")
            return
        if left := self._unfinished():
            self._say(
                f"restore {left['name']} is left as it is: --discard removes what it brought back, and this one's"
            )
        self.name, self.to = new_id(self._now()), to
        self.progress = {name: Progress(kept=kept) for name, kept in chosen.items()}
        self._keep()

    def run(self, *, switches: bool, unverified: bool = False) -> None:
        """Every store as far as it may go; all are verified before the first is switched.

        Raises UnequalError if one is not what was kept, RefusedError if one cannot be compared and ``unverified`` is
        not given, StackError if a store fails. What came before is on record.
        """
        for name, one in self.progress.items():
            if one.step in ("", BEGUN):
                self._restore(name, one)
        for name, one in self.progress.items():
            if one.step == RESTORED:
                self._verify(name, one, unverified=unverified)
        if switches:
            for name, one in self.progress.items():
                if one.step == VERIFIED:
                    self._switch(name, one)
        self._keep()

    def discard(self) -> None:
        """Remove the new resources, of every restore that was not switched, that do not serve.

        Raises RefusedError if there is no such restore.
        """
        left = [one for one in self._catalogue.restores() if not one["finished"]]
        if not left:
            raise RefusedError("there is no restore that was begun and not switched")
        for document in left:
            self._take_up(document)
            for name, one in self.progress.items():
                if one.step not in ("", SWITCHED):
                    self._discard(name, one)
            self._keep(finished=True)

    def _discard(self, name: str, one: Progress) -> None:
        if one.step == BEGUN:  # only what is there as a whole can be named, and removed
            self._restore(name, one)
        self._stores[name].discard(one.candidate)
        self._say(f"{name}: what restore {self.name} brought back is removed")
        one.step, one.candidate = "", {}

    def as_json(self, *, finished: bool = False) -> dict[str, Any]:
        done = finished or all(one.step == SWITCHED for one in self.progress.values())
        return {
            "name": self.name,
            "stage": self._catalogue.stage,
            "to": self.to,
            "finished": done,
            "stores": {name: one.as_json() for name, one in self.progress.items()},
        }

    def _unfinished(self) -> dict[str, Any] | None:
        """The newest restore, if it can be gone on with."""
        last = next(iter(self._catalogue.restores()), None)
        return last if last and not last["finished"] else None

    def _take_up(self, last: Mapping[str, Any]) -> None:
        self.name, self.to = last["name"], last["to"]
        self.progress = {name: Progress.of_json(one) for name, one in last["stores"].items()}

    def _restore(self, name: str, one: Progress) -> None:
        self._say(f"{name}: brought back as of {one.kept.moment[:19]} into something new")
        began, one.step = time.monotonic(), BEGUN
        self._keep()
        one.candidate = self._stores[name].restore(one.kept, self.name)
        self._done(one, RESTORED, began)

    def _verify(self, name: str, one: Progress, *, unverified: bool) -> None:
        began = time.monotonic()
        one.found = self._stores[name].census(one.candidate)
        if one.found is None:
            if not unverified:
                raise RefusedError(
                    f"{name} cannot be looked into from here: run the same command where it can be reached"
                    " (CloudShell in the VPC), or look yourself and give --unverified"
                )
            self._say(f"{name}: not verified, as asked")
        elif one.kept.census is None:
            self._say(f"{name}: {census.records(one.found):,} records; what it held then was not counted")
        else:
            compared = {held: each for held, each in one.found.items() if held not in one.kept.uncounted}
            if unequal := census.differences(one.kept.census, compared, now=self._now()):
                raise UnequalError(f"{name} is not what was kept: {'; '.join(unequal[:5])}")
            last = census.newest(one.found)
            until = f", the newest of {last[:19]}" if last else ""
            self._say(f"{name}: equal to what was kept: {census.records(compared):,} records{until}")
            if one.kept.uncounted:
                self._say(f"{name}: changed while they were counted, so not compared: {', '.join(one.kept.uncounted)}")
        self._done(one, VERIFIED, began)

    def _switch(self, name: str, one: Progress) -> None:
        began = time.monotonic()
        one.before = self._stores[name].switch(one.candidate)
        self._done(one, SWITCHED, began)
        self._say(f"{name}: serves. {one.before}")

    def _done(self, one: Progress, step: str, began: float) -> None:
        one.step = step
        one.seconds[step] = round(time.monotonic() - began, 3)
        self._keep()

    def _keep(self, *, finished: bool = False) -> None:
        self._catalogue.keep_restore(self.name, self.as_json(finished=finished))


def moments(document: Mapping[str, Any]) -> dict[str, str]:
    """To when each store of a restore that is on record goes back."""
    return {name: one["kept"]["moment"] for name, one in document["stores"].items()}
