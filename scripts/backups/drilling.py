"""The drill: a platform of its own is filled, backed up, written to, destroyed store by store and restored."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import defistream

from localcloud.cloud import LocalCloud
from scripts.backups import census
from scripts.backups.catalogue import Backup, Catalogue
from scripts.backups.destroying import DESTROY, Destroy
from scripts.backups.restoring import SWITCHED, Restore, choose
from scripts.backups.store import NAMES, Store
from scripts.backups.stores import stores_of
from scripts.backups.taking import back_up
from scripts.deployment.errors import StackError
from scripts.operations.place import LOCAL, Place

Say = Callable[[str], None]
WITHIN_S = 30.0
LEAST = 400  # records of each kind before there is anything to lose
KEYS = 25  # API keys made before the backup, and as many after


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Of one store. ``lost_s`` is the recovery point: from the moment that it went back to until its destruction;
    ``recovery_s`` the recovery time: from its destruction until it served again.
    """

    store: str
    records: int
    equal: bool
    lost_s: float
    recovery_s: float
    detail: str = ""


class Drill:
    """One run. Raises StackError with what is not as it should be."""

    def __init__(self, cloud: LocalCloud, place: Place, folder: Path, *, say: Say) -> None:
        self._cloud = cloud
        self._say = say
        self._stores: dict[str, Store]
        self._catalogue: Catalogue
        self._stores, self._catalogue = stores_of(place, None, folder=folder)
        self._destroy = Destroy(cloud, place)

    @classmethod
    async def of(cls, cloud: LocalCloud, folder: Path, *, say: Say) -> Drill:
        """In a thread: who is asked where things are runs in this very loop."""

        def make() -> Drill:
            return cls(cloud, Place.of(LOCAL, cloud.url.rpartition(":")[2]), folder, say=say)

        return await asyncio.to_thread(make)

    async def run(self) -> list[Outcome]:
        async with watching(self._cloud) as client:
            await self._fill(client)
            backup = await asyncio.to_thread(back_up, self._stores, NAMES, self._catalogue, say=self._say)
            await self._write_on(client)
            known = client.epochs()
            outcomes = [await self._survive(name, backup) for name in NAMES]
            detail = await self._resumes(client, known)
        return [one if one.store != "redis" else with_detail(one, detail) for one in outcomes]

    async def _fill(self, client: Client) -> None:
        await asyncio.to_thread(self._destroy.issue_keys, KEYS)
        await until(lambda: len(client.updates) > 0, "no update came to the client")
        await until(lambda: self._destroy.held() > LEAST, f"fewer than {LEAST} observations were recorded")
        self._say(f"filled: {self._destroy.held():,} observations, {len(client.updates):,} updates came to a client")

    async def _write_on(self, client: Client) -> None:
        """Until the stores hold what the backup lacks."""
        before, seen = self._destroy.held(), len(client.updates)
        self._after = await asyncio.to_thread(self._destroy.issue_keys, KEYS)
        await until(
            lambda: self._destroy.held() > before and len(client.updates) > seen, "nothing was written after the backup"
        )
        self._say(f"written on: {self._destroy.held() - before:,} observations and {KEYS} keys more")

    async def _survive(self, name: str, backup: Backup) -> Outcome:
        destroyed = datetime.now(UTC)
        began = time.monotonic()
        self._say(await asyncio.to_thread(getattr(self._destroy, DESTROY[name])))
        chosen = choose(self._stores, [name], backup.id, self._catalogue)
        restore = Restore(self._stores, self._catalogue, say=self._say)
        restore.begin(backup.id, chosen, restart=True)
        await asyncio.to_thread(restore.run, switches=True)
        took = time.monotonic() - began
        one, kept = restore.progress[name], chosen[name]
        if one.found is None or kept.census is None or one.step != SWITCHED:
            raise StackError(f"{name} could not be compared")
        return Outcome(
            store=name,
            records=census.records(one.found),
            equal=not census.differences(kept.census, one.found, now=datetime.now(UTC)) and not kept.uncounted,
            lost_s=round((destroyed - datetime.fromisoformat(kept.moment)).total_seconds(), 1),
            recovery_s=round(took, 2),
            detail=one.before,
        )

    async def _resumes(self, client: Client, known: Mapping[str, set[str]]) -> str:
        """On the socket that was open throughout: topics move on in epochs that nobody knew before, and in these
        nothing is missing. What comes in a known epoch is an old offset given again, which a client drops as seen.
        """
        began = len(client.updates)

        def newest() -> dict[str, list[defistream.Update]]:
            epochs = {update.topic: update.epoch for update in client.updates}  # the last of each
            moved = {update.topic for update in client.updates[began:]}
            found: dict[str, list[defistream.Update]] = {}
            for update in client.updates:
                if update.topic in moved and update.epoch == epochs[update.topic]:
                    found.setdefault(update.topic, []).append(update)
            return found

        await until(
            lambda: max(map(len, newest().values()), default=0) > 1, "no client went on after the stores were restored"
        )
        moved = newest()
        stale = [topic for topic, updates in moved.items() if updates[-1].epoch in known.get(topic, ())]
        missing = {topic: gap for topic, updates in moved.items() if (gap := gaps(updates))}
        if stale or missing or client.repeated():
            raise StackError(f"a client met known epochs {stale}, gaps {missing}, {client.repeated()} repeated updates")
        return f"{len(moved)} topics went on in new epochs without a gap, {client.stream.stats.reconnects} reconnects"


class Client:
    """One subscription to everything, and all that it got."""

    def __init__(self, stream: defistream.Stream) -> None:
        self.stream = stream
        self.updates: list[defistream.Update] = []

    async def run(self) -> None:
        async for update in self.stream:
            self.updates.append(update)

    def epochs(self) -> dict[str, set[str]]:
        found: dict[str, set[str]] = {}
        for update in self.updates:
            found.setdefault(update.topic, set()).add(update.epoch)
        return found

    def repeated(self) -> int:
        names = [(update.topic, update.epoch, update.offset) for update in self.updates]
        return len(names) - len(set(names))


def gaps(updates: list[defistream.Update]) -> list[int]:
    """Offsets of one epoch that others name as the one before them and that never came; the first is the beginning."""
    seen = {update.offset for update in updates}
    return [update.prev for update in updates if update.prev and min(seen) < update.prev and update.prev not in seen]


@asynccontextmanager
async def watching(cloud: LocalCloud) -> AsyncIterator[Client]:
    async with defistream.connect(cloud.ws_url, api_key=cloud.key, http_url=cloud.url) as stream:
        await stream.subscribe("price:*", "tvl:*")
        client = Client(stream)
        task = asyncio.create_task(client.run())
        yield client
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool], message: str) -> None:
    try:
        async with asyncio.timeout(WITHIN_S):
            while not await asyncio.to_thread(holds):  # noqa: ASYNC110 - a database tells nobody what it has recorded
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise StackError(f"{message} within {WITHIN_S:g} s") from None


def with_detail(one: Outcome, detail: str) -> Outcome:
    return replace(one, detail=detail)


def as_json(outcomes: list[Outcome], seconds: float) -> Mapping[str, Any]:
    return {"ok": all(one.equal for one in outcomes), "seconds": seconds, "stores": [asdict(one) for one in outcomes]}
