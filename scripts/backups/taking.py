"""Take a backup: one store after the other, each on record as soon as it is kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from scripts.backups.catalogue import Backup, Catalogue, new_id
from scripts.backups.census import newest, records
from scripts.backups.store import Kept, Store

Say = Callable[[str], None]


def back_up(
    stores: Mapping[str, Store],
    wanted: Sequence[str],
    catalogue: Catalogue,
    *,
    say: Say,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    restart: bool = False,
) -> Backup:
    """A backup of the stores that are ``wanted``; one of the same stores that was broken off is gone on with.

    Raises StackError for the first store that cannot be backed up; those before it are kept.
    """
    backup = None if restart else _begun(catalogue, wanted)
    if backup:
        say(f"goes on with backup {backup.id}: {', '.join(backup.stores) or 'nothing'} is there")
    else:
        backup = Backup(id=new_id(now()), stage=catalogue.stage, wanted=list(wanted))
    catalogue.keep(backup)
    for name in wanted:
        if name in backup.stores:
            continue
        say(f"{name}: begins")
        began = time.monotonic()
        kept = stores[name].back_up(backup.id)
        backup.stores[name] = replace(kept, seconds=round(time.monotonic() - began, 3))
        catalogue.keep(backup)
        say(f"{name}: {told(backup.stores[name])}")
    backup.finished = now().isoformat()
    catalogue.keep(backup)
    return backup


def told(kept: Kept) -> str:
    if kept.census is None:
        return f"kept as of {kept.moment[:19]} in {kept.seconds:.1f} s; it is counted when it is restored"
    last = newest(kept.census)
    return f"{records(kept.census):,} records{f', the newest of {last[:19]}' if last else ''}, in {kept.seconds:.1f} s"


def _begun(catalogue: Catalogue, wanted: Sequence[str]) -> Backup | None:
    newest_one = next(iter(catalogue.backups()), None)
    if newest_one is None or newest_one.finished or newest_one.wanted != list(wanted):
        return None
    return newest_one
