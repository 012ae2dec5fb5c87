"""What EventBridge fires: every minute, and maintain once a day.

Whoever tries a release out sends the same event with ``rehearsal`` in its detail: then nothing is done that a client
would see. An operator sends ``sweep`` one with ``connections`` in its detail, and is told of them instead: ``{"count":
N}`` how many by tier and of the N busiest users and topics, ``{"list": N}`` N of them, of ``user``, ``tier`` or
``topic`` if these are said.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chalicelib.telemetry import invocation

if TYPE_CHECKING:
    from chalicelib.ports.alerts import Timers
    from chalicelib.services.census import Census
    from chalicelib.services.conflation import Conflation
    from chalicelib.services.ingest import Ingest
    from chalicelib.services.retention import KeepMonths
    from chalicelib.services.rule_index import KeepIndex
    from chalicelib.services.sessions import ManageSessions


def poll(event: Any, service: Ingest) -> dict[str, Any]:
    """Poll every feed that is due."""
    raw = event.to_dict()
    with invocation("poll", request_id=getattr(event.context, "aws_request_id", None)):
        if _is_rehearsal(raw):
            return {"rehearsal": True, **asdict(service.rehearse())}
        scheduled_at = datetime.fromisoformat(raw["time"]).astimezone(UTC)
        report = service.run(scheduled_at=scheduled_at, owner=raw["id"])
        answer: dict[str, Any] = asdict(report)
        return answer


def sweep(
    event: Any,
    conflation: Conflation,
    sessions: ManageSessions,
    rules: KeepIndex,
    timers: Timers,
    census: Census,
) -> dict[str, Any]:
    """What should have happened by itself and did not, and what no queue holds back for so long.

    Flushes the slots whose tick was lost, announces the end of connections that are old, counts those that are open,
    hands over the timers that fall due, mends the index of rules and has those of stale topics looked at.
    """
    with invocation("sweep", request_id=getattr(event.context, "aws_request_id", None)):
        if asked := (event.to_dict().get("detail") or {}).get("connections"):
            return _told(asked, census)
        if _is_rehearsal(event.to_dict()):
            sessions.count_active()
            return {"rehearsal": True, "overdue": len(conflation.overdue())}
        with ExitStack() as last_first:  # none keeps the others from their turn
            done: dict[str, Any] = {}
            last_first.callback(lambda: done.update(overdue=len(conflation.sweep())))
            last_first.callback(sessions.count_active)
            last_first.callback(lambda: done.update(ending=sessions.announce_endings()))
            last_first.callback(lambda: done.update(mended=rules.sweep()))
            last_first.callback(lambda: done.update(due=timers.sweep()))
        return done


def _told(asked: dict[str, Any], census: Census) -> dict[str, Any]:
    if "count" in asked:
        return asdict(census.count(top=asked["count"]))
    narrowed = {name: asked[name] for name in ("user", "tier", "topic") if asked.get(name)}
    return {"connections": [asdict(one) for one in census.find(limit=asked["list"], **narrowed)]}


def maintain(event: Any, service: KeepMonths) -> dict[str, Any]:
    """Make the months of history that will be needed; take away those that are old."""
    with invocation("maintain", request_id=getattr(event.context, "aws_request_id", None)):
        if _is_rehearsal(event.to_dict()):
            service.rehearse()
            return {"rehearsal": True}
        answer: dict[str, Any] = asdict(service.run())
        return answer


def _is_rehearsal(raw: dict[str, Any]) -> bool:
    return bool((raw.get("detail") or {}).get("rehearsal"))
