"""A trace as a tree of spans, and what is said of it in a list."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from localcloud.xray.document import Span
from localcloud.xray.store import Trace


@dataclass(slots=True)
class Branch:
    """A span and what happened inside it, by start."""

    span: Span
    children: list[Branch] = field(default_factory=list)

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Span]]:
        """This span and all below it with their depth, each before its children."""
        waiting = [(depth, self)]
        while waiting:
            at, branch = waiting.pop()
            yield at, branch.span
            waiting += [(at + 1, child) for child in reversed(branch.children)]


def tree(trace: Trace) -> list[Branch]:
    """Every span of the trace exactly once.

    A span whose parent has not come (yet), or whose ancestors form a ring, is a root.
    """
    by_parent: defaultdict[str | None, list[Span]] = defaultdict(list)
    ordered = sorted(trace.spans.values(), key=lambda span: (span.start, not span.segment))
    for span in ordered:
        by_parent[span.parent_id if span.parent_id in trace.spans else None].append(span)
    seen: set[str] = set()
    roots = [_grow(span, by_parent, seen) for span in by_parent[None]]
    roots += [_grow(span, by_parent, seen) for span in ordered if span.id not in seen]
    return roots


def _grow(span: Span, by_parent: dict[str | None, list[Span]], seen: set[str]) -> Branch:
    root = Branch(span)
    seen.add(span.id)
    waiting = [root]
    while waiting:
        branch = waiting.pop()
        for child in by_parent.get(branch.span.id, ()):
            if child.id not in seen:
                seen.add(child.id)
                branch.children.append(Branch(child))
        waiting += branch.children
    return root


def entry(trace: Trace) -> Span:
    """The span that the trace began with: of the roots a segment rather than a subsegment, then the earliest."""
    spans = trace.spans.values()
    roots = [span for span in spans if span.parent_id not in trace.spans] or spans  # in a ring there is no root
    return min(roots, key=lambda span: (not span.segment, span.start))


def annotations_of(trace: Trace) -> dict[str, list[Any]]:
    """Every annotation of its spans with the values that it has, each once."""
    values: defaultdict[str, dict[Any, None]] = defaultdict(dict)
    for span in trace.spans.values():
        for key, value in span.document.annotations.items():
            values[key][value] = None
    return {key: list(found) for key, found in sorted(values.items())}


def summary(trace: Trace) -> dict[str, Any]:
    """One line of a list of traces: times in seconds since 1970 and in milliseconds."""
    first = entry(trace)
    documents = [span.document for span in trace.spans.values()]
    return {
        "id": trace.id,
        "name": first.name,
        "origin": first.origin,
        "start": trace.start,
        "duration_ms": round((trace.end - trace.start) * 1000, 3),
        "fault": any(document.fault for document in documents),
        "error": any(document.error for document in documents),
        "throttle": any(document.throttle for document in documents),
        "partial": is_partial(trace),
        "spans": len(trace.spans),
        "links": len(trace.links),
        "annotations": annotations_of(trace),
    }


def is_partial(trace: Trace) -> bool:
    """Whether something is still to come, or was dropped."""
    parents = {span.parent_id for span in trace.spans.values() if not span.segment}
    return bool(trace.dropped or parents - trace.spans.keys()) or any(span.end is None for span in trace.spans.values())
