"""A change's whole way: the traces that led to one, itself, and those that it led to.

Queues do not join traces, they link them. Links are between traces, not messages: where one batch carried several
changes, all that followed from the batch belongs to the journey of each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from localcloud.xray.document import Link, Span
from localcloud.xray.invocations import SENT, SOURCE
from localcloud.xray.services import Service, called, of_segment, queue
from localcloud.xray.store import Trace, TraceStore
from localcloud.xray.tree import entry

MAX_TRACES = 200


@dataclass(frozen=True, slots=True)
class Hop:
    """One link followed. ``via`` is what the message went through; ``waited_ms`` from its sending to its receipt.

    ``sender`` is None when the span that sent it has not come.
    """

    origin: str
    target: str
    sender: Span | None
    via: tuple[Service, ...]
    waited_ms: float | None


@dataclass(frozen=True, slots=True)
class Journey:
    """Traces in the order of their start. ``missing`` are linked but not (no longer) here; ``cut``: there are more."""

    traces: tuple[Trace, ...]
    hops: tuple[Hop, ...]
    missing: tuple[str, ...]
    cut: bool

    @property
    def start(self) -> float:
        return self.traces[0].start

    @property
    def end(self) -> float:
        return max(trace.end for trace in self.traces)


def journey(store: TraceStore, trace_id: str, *, most: int = MAX_TRACES) -> Journey | None:
    """The journey through a trace, or None if there is no such trace."""
    if store.get(trace_id) is None:
        return None
    ids = _follow(trace_id, lambda found: store.before(trace) if (trace := store.get(found)) else (), most)
    ids |= _follow(trace_id, store.after, most)
    known = [trace for found in ids if (trace := store.get(found))]
    traces = sorted(known, key=lambda trace: trace.start)[:most]
    hops = [hop for trace in traces for hop in hops_to(store, trace) if hop.origin in ids]
    missing = [found for found in ids if store.get(found) is None]
    return Journey(tuple(traces), tuple(hops), tuple(missing), cut=len(ids) >= most)


def hops_to(store: TraceStore, trace: Trace) -> list[Hop]:
    """Every link of a trace, told as the way of a message."""
    first = entry(trace)
    return [_hop(store, link, first, first.told_here(SOURCE)) for link in trace.links]


def _hop(store: TraceStore, link: Link, receiver: Span, source: object) -> Hop:
    before = store.get(link.trace_id)
    sender = before.spans.get(link.id or "") if before else None
    said = called(sender) if sender else None
    steps = (said, queue(source) if isinstance(source, str) else None)
    sent = link.attributes.get(SENT, sender.end if sender else None)
    waited_ms = round(max(0.0, receiver.start - sent) * 1000, 3) if isinstance(sent, float) else None
    via = tuple(dict.fromkeys(step for step in steps if step))
    return Hop(link.trace_id, receiver.trace_id, sender, via, waited_ms)


def caller(store: TraceStore, hop: Hop) -> Service | None:
    """Who sent the message of a hop."""
    trace = store.get(hop.origin)
    return of_segment(entry(trace)) if trace else None


def _follow(start: str, step: Callable[[str], Iterable[str]], most: int) -> dict[str, None]:
    """Everything that is reached from ``start``, nearest first, in the order in which it was found."""
    found = {start: None}
    waiting = [start]
    for current in waiting:
        for following in step(current):
            if following not in found and len(found) < most:
                found[following] = None
                waiting.append(following)
    return found
