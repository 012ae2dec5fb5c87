"""Traces as JSON, for the console and for programs.

========================= ============================================================================
``/traces``               the newest, each with its summary, and all functions seen; ``limit``, ``function``,
                          ``annotation`` (``key=value``), ``failed=1`` and ``seconds`` (no older) narrow it
``/trace/{id}``           one trace: its summary and its spans as rows of a waterfall
``/journey/{id}``         a change's whole way through that trace: all traces, the hops between them, rows
``/map``                  the service map of the newest ``limit`` (200) traces, of the last ``seconds``
========================= ============================================================================

Times are seconds since 1970, durations and offsets milliseconds. A row's ``depth`` is its place in the tree and its
``offset_ms`` is from the start of what was asked for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

from localcloud.xray.document import Span
from localcloud.xray.journey import Hop, Journey, journey
from localcloud.xray.servicemap import key, service_map
from localcloud.xray.services import Service, called, of_segment
from localcloud.xray.store import Trace, TraceStore
from localcloud.xray.tree import annotations_of, summary, tree

LIMIT = 50
MAP_LIMIT = 200  # a quarter of a millisecond each, in the loop that also serves the gateway
_SHOWN = ("namespace", "origin", "error", "fault", "throttle", "http", "aws", "sql", "annotations", "metadata", "cause")


class XrayApi:
    """Answers from a store."""

    def __init__(self, store: TraceStore, *, now: Callable[[], float] = time.time) -> None:
        self._store = store
        self._now = now

    def answer(self, path: str, query: Mapping[str, str] | None = None) -> tuple[int, Any]:
        """A status and what to encode: 200; 404 for what is not here; 400 for a query that makes no sense."""
        asked = query or {}
        kind, _, trace_id = path.strip("/").partition("/")
        try:
            match kind, trace_id:
                case "traces", "":
                    return 200, self.traces(asked)
                case "map", "":
                    return 200, service_map(self._store, islice(self._recent(asked), _limit(asked, MAP_LIMIT)))
                case "trace", _ if trace := self._store.get(trace_id):
                    return 200, trace_json(trace)
                case "journey", _ if found := journey(self._store, trace_id):
                    return 200, journey_json(found)
        except ValueError as error:
            return 400, {"message": str(error)}
        return 404, {"message": f"there is no {path}"}

    def traces(self, asked: Mapping[str, str]) -> dict[str, Any]:
        """``{"traces": [summary, …], "functions": [name, …]}``, the newest first. Raises ValueError."""
        wanted = (trace for trace in self._recent(asked) if _matches(trace, asked))
        told = [summary(trace) for trace in islice(wanted, _limit(asked, LIMIT))]
        return {"traces": told, "functions": sorted(self._store.functions)}

    def _recent(self, asked: Mapping[str, str]) -> Iterator[Trace]:
        since = self._now() - float(asked["seconds"]) if "seconds" in asked else 0.0
        return (trace for trace in self._store.newest() if trace.end >= since)


def trace_json(trace: Trace) -> dict[str, Any]:
    """A trace with its rows."""
    return {**summary(trace), "rows": rows(trace, trace.start), "dropped": trace.dropped}


def journey_json(way: Journey) -> dict[str, Any]:
    """A journey with its traces in the order of their start."""
    return {
        "start": way.start,
        "duration_ms": round((way.end - way.start) * 1000, 3),
        "traces": [
            {**summary(trace), "offset_ms": _ms(trace.start - way.start), "rows": rows(trace, way.start)}
            for trace in way.traces
        ],
        "hops": [_hop_json(hop) for hop in way.hops],
        "missing": list(way.missing),
        "cut": way.cut,
    }


def rows(trace: Trace, zero: float) -> list[dict[str, Any]]:
    """The spans of a trace, each after its parent, with offsets from ``zero``."""
    return [_row(depth, span, zero) for branch in tree(trace) for depth, span in branch.walk()]


def _row(depth: int, span: Span, zero: float) -> dict[str, Any]:
    service = of_segment(span) if span.segment else called(span)
    details = {name: value for name in _SHOWN if (value := getattr(span.document, name))}
    return {
        "depth": depth,
        "id": span.id,
        "parent_id": span.parent_id,
        "name": span.name,
        "service": _named(service) if service else None,
        "offset_ms": _ms(span.start - zero),
        "duration_ms": span.duration_ms,
        **details,
    }


def _hop_json(hop: Hop) -> dict[str, Any]:
    return {
        "from": hop.origin,
        "to": hop.target,
        "sender": hop.sender.id if hop.sender else None,
        "via": [_named(service) for service in hop.via],
        "waited_ms": hop.waited_ms,
    }


def _named(service: Service) -> dict[str, str]:
    return {"id": key(service), "name": service.name, "type": service.type}


def _matches(trace: Trace, asked: Mapping[str, str]) -> bool:
    if (name := asked.get("function")) and not any(span.segment and span.name == name for span in trace.spans.values()):
        return False
    if asked.get("failed") == "1" and not any(span.failed for span in trace.spans.values()):
        return False
    if pair := asked.get("annotation"):
        name, equals, value = pair.partition("=")
        if not equals:
            raise ValueError("annotation takes key=value")
        return value in map(str, annotations_of(trace).get(name, ()))
    return True


def _limit(asked: Mapping[str, str], default: int) -> int:
    return int(asked.get("limit", default))


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
