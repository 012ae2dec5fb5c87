"""The newest traces, put together from documents that come in any order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from localcloud.xray.document import Document, Link, Span, spans_of
from localcloud.xray.services import FUNCTION

MAX_TRACES = 2_000
MAX_SPANS = 1_000  # of one trace; X-Ray's own bound is 500 kB of documents
MAX_HELD = 100_000  # spans of all traces: a few hundred megabytes at the worst


@dataclass(slots=True)
class Trace:
    """All that is known of one trace. ``dropped`` spans were more than it may have; ``before`` led to it."""

    id: str
    spans: dict[str, Span] = field(default_factory=dict)
    before: dict[str, None] = field(default_factory=dict)
    dropped: int = 0

    @property
    def start(self) -> float:
        return min(span.start for span in self.spans.values())

    @property
    def end(self) -> float:
        """The latest moment that is known of it."""
        return max(span.end or span.start for span in self.spans.values())

    @property
    def links(self) -> list[Link]:
        """What its spans say of the traces that led to it."""
        return [link for span in self.spans.values() for link in span.document.links]


class TraceStore:
    """Holds at most ``max_traces`` traces and ``max_held`` spans: what is new pushes the oldest traces out."""

    def __init__(self, *, max_traces: int = MAX_TRACES, max_spans: int = MAX_SPANS, max_held: int = MAX_HELD) -> None:
        self._traces: dict[str, Trace] = {}  # oldest first
        self._followers: defaultdict[str, dict[str, None]] = defaultdict(dict)  # in order of arrival
        self.functions: set[str] = set()  # every one that was ever traced
        self._max_traces = max_traces
        self._max_spans = max_spans
        self._max_held = max_held
        self._held = 0

    def __len__(self) -> int:
        return len(self._traces)

    def put(self, document: Document) -> None:
        """Add a document; one with a known id replaces what was known (its start, sent before its end)."""
        for span in spans_of(document):
            trace = self._traces.get(span.trace_id) or self._add(span.trace_id)
            if span.id not in trace.spans and len(trace.spans) >= self._max_spans:
                trace.dropped += 1
                continue
            self._held += span.id not in trace.spans
            trace.spans[span.id] = span
            if span.origin == FUNCTION:
                self.functions.add(span.name)
            for link in span.document.links:
                trace.before[link.trace_id] = None
                self._followers[link.trace_id][span.trace_id] = None
        while self._held > self._max_held and len(self._traces) > 1:
            self._forget(next(iter(self._traces)))

    def get(self, trace_id: str) -> Trace | None:
        return self._traces.get(trace_id)

    def newest(self, most: int | None = None) -> Iterator[Trace]:
        """Traces, the one that was first heard of last first."""
        return islice(reversed(self._traces.values()), most)

    def before(self, trace: Trace) -> list[str]:
        """The ids of the traces that led to this one, known here or not."""
        return list(trace.before)

    def after(self, trace_id: str) -> list[str]:
        """The ids of the traces that this one led to."""
        return list(self._followers.get(trace_id, ()))

    def _add(self, trace_id: str) -> Trace:
        while len(self._traces) >= self._max_traces:
            self._forget(next(iter(self._traces)))
        trace = self._traces[trace_id] = Trace(trace_id)
        return trace

    def _forget(self, trace_id: str) -> None:
        trace = self._traces.pop(trace_id)
        self._held -= len(trace.spans)
        for before in trace.before:
            followers = self._followers.get(before, {})
            followers.pop(trace_id, None)
            if not followers:
                self._followers.pop(before, None)
