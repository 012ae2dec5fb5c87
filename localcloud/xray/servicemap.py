"""The service map: who calls whom, how often, how fast and with what success."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from localcloud.xray.document import Span
from localcloud.xray.invokers import CLIENTS, INVOKED_BY
from localcloud.xray.journey import Hop, caller, hops_to
from localcloud.xray.services import Service, called, is_function, of_segment
from localcloud.xray.store import Trace, TraceStore
from localcloud.xray.tree import entry

PERCENTILES = (50, 90, 99)


@dataclass(slots=True)
class Tally:
    """What was seen of one node or one edge."""

    latencies_ms: list[float] = field(default_factory=list)
    count: int = 0
    faults: int = 0
    errors: int = 0
    throttles: int = 0

    def add(self, span: Span) -> None:
        self.count += 1
        self.faults += span.document.fault
        self.errors += span.document.error
        self.throttles += span.document.throttle
        if span.duration_ms is not None:
            self.latencies_ms.append(span.duration_ms)

    def wait(self, waited_ms: float | None) -> None:
        self.count += 1
        if waited_ms is not None:
            self.latencies_ms.append(waited_ms)

    def numbers(self) -> dict[str, Any]:
        """JSON; rates are shares of ``count``, latencies None where nothing has ended."""
        count = self.count or 1
        return {
            "count": self.count,
            "fault_rate": round(self.faults / count, 6),
            "error_rate": round(self.errors / count, 6),
            "throttle_rate": round(self.throttles / count, 6),
            "latency_ms": {f"p{percent}": percentile(self.latencies_ms, percent) for percent in PERCENTILES},
        }


class ServiceMap:
    """Built trace by trace. A function's node counts its invocations, an inferred node the calls that it got.

    A call whose caller has not come (yet) has no edge: it would be of nobody.
    """

    def __init__(self) -> None:
        self.nodes: dict[Service, Tally] = {}
        self.edges: dict[tuple[Service, Service], Tally] = {}
        self.linked: set[tuple[Service, Service]] = set()  # drawn dashed: a message's way, not a call

    def add(self, store: TraceStore, trace: Trace) -> None:
        answered = {span.parent_id for span in trace.spans.values() if span.segment}
        for span in trace.spans.values():
            if is_function(span):
                function = of_segment(span)
                self._call(_owner(span, trace), function, span)
            elif span.id not in answered and (service := called(span)):  # else the callee has spoken for itself
                self._call(_owner(span, trace), service, span)
        first = entry(trace)
        if trace.links:
            for hop in hops_to(store, trace):
                self._follow(store, hop, of_segment(first))
        elif first.segment and first.document.parent_id is None:
            self._edge(_invoker(first), of_segment(first)).add(first)

    def _call(self, caller: Service | None, callee: Service, span: Span) -> None:
        self._node(callee).add(span)
        if caller:
            self._edge(caller, callee).add(span)

    def _follow(self, store: TraceStore, hop: Hop, receiver: Service) -> None:
        """A message's way as edges; its waiting belongs to the last. The sender's own call is an edge already."""
        way = [*hop.via, receiver]
        for origin, target in pairwise(way):
            self.linked.add((origin, target))
            self._edge(origin, target).wait(hop.waited_ms if target == receiver else None)
        told = hop.sender is not None and called(hop.sender) is not None
        for service in hop.via[told:]:
            self._node(service).count += 1  # no call of it was seen, but a message came by
        if not told and (sender := caller(store, hop)):
            self._edge(sender, way[0]).wait(None)

    def _node(self, service: Service) -> Tally:
        return self.nodes.setdefault(service, Tally())

    def _edge(self, origin: Service, target: Service) -> Tally:
        self._node(origin)
        self._node(target)
        return self.edges.setdefault((origin, target), Tally())


def service_map(store: TraceStore, traces: Iterable[Trace]) -> dict[str, Any]:
    """``{"nodes": [{"id", "name", "type", …}], "edges": [{"from", "to", "linked", …}]}``, names in order."""
    built = ServiceMap()
    for trace in traces:
        built.add(store, trace)
    nodes = sorted(built.nodes.items())
    edges = sorted(built.edges.items())
    return {
        "nodes": [{"id": key(node), "name": node.name, "type": node.type, **seen.numbers()} for node, seen in nodes],
        "edges": [
            {"from": key(pair[0]), "to": key(pair[1]), "linked": pair in built.linked, **seen.numbers()}
            for pair, seen in edges
        ],
    }


def key(service: Service) -> str:
    return f"{service.type} {service.name}"


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that is not below ``percent`` percent of them (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)] if ranked else None


def _invoker(first: Span) -> Service:
    """Who called what a trace began with. Only Lambda's segments say; what else begins one is called by clients."""
    return Service(str(first.told_here(INVOKED_BY) or CLIENTS), "client")


def _owner(span: Span, trace: Trace) -> Service | None:
    """Who is behind a span: the nearest segment above it, for a segment the nearest of somebody else."""
    seen = {span.id}
    own = of_segment(span) if span.segment else None
    while (above := trace.spans.get(span.parent_id or "")) and above.id not in seen:
        if above.segment and of_segment(above) != own:
            return of_segment(above)
        seen.add(above.id)
        span = above
    return None
