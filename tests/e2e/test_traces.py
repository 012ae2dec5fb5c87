"""Linked traces show a change's whole way, from the source to the socket, with timings in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from localcloud.testing import LocalCloud, observation
from localcloud.xray.document import Span
from localcloud.xray.journey import Journey, journey
from localcloud.xray.store import Trace
from localcloud.xray.tree import entry, is_partial, tree
from tests.e2e.watching import until, watching


def journeys(cloud: LocalCloud, *names: str) -> Iterator[Journey]:
    """The ways that lead through these functions, one after the other, of traces that are whole."""
    for trace in cloud.xray.store.newest():
        if entry(trace).name == names[-1] and (way := journey(cloud.xray.store, trace.id)):
            found = [entry(part).name for part in way.traces]
            if set(found) == set(names) and not any(map(is_partial, way.traces)):
                yield way


def of(way: Journey, name: str) -> Trace:
    return next(trace for trace in way.traces if entry(trace).name == name)


def calls(trace: Trace, name: str) -> list[Span]:
    """The calls of one outside system, in a trace whose only top is Lambda's segment."""
    [root] = tree(trace)
    return [span for _, span in root.walk() if span.name == name and span.document.namespace in ("aws", "remote")]


def via(way: Journey, target: str) -> set[tuple[str, ...]]:
    """What messages went through on their way to a function."""
    ids = {trace.id for trace in way.traces if entry(trace).name == target}
    return {tuple(service.name for service in hop.via) for hop in way.hops if hop.target in ids}


def in_order(*moments: float) -> bool:
    return list(moments) == sorted(moments)


@pytest.mark.timeout(90)
async def test_a_published_change_is_seen_through_process_and_deliver(start_cloud):
    """One observation, one change, one frame."""
    cloud = await start_cloud(tracing="all")
    async with watching(cloud, "price:ethereum") as watcher:
        await cloud.publish([observation("price:ethereum", "3000.5")])
        await until(lambda: bool(watcher.updates))
        await until(lambda: any(journeys(cloud, "process", "deliver")))

    [way] = journeys(cloud, "process", "deliver")
    process, deliver = of(way, "process"), of(way, "deliver")
    [sent] = calls(process, "SQS")
    [posted] = calls(deliver, "@connections")
    assert calls(process, "Redis")
    assert via(way, "deliver") == {("deliveries",)}
    assert in_order(process.start, sent.start, deliver.start, posted.start, posted.end or 0.0, way.end)
    assert all(hop.waited_ms is not None for hop in way.hops)
    assert not any(span.failed for trace in way.traces for span in trace.spans.values())
    assert "price:ethereum" in {
        value for span in process.spans.values() for value in span.document.annotations.values()
    }


@pytest.mark.timeout(90)
async def test_a_recorded_change_is_seen_from_its_poll_to_its_frame(start_cloud):
    """The poll publishes through a topic: SNS hands the header on, Lambda links what it led to."""
    cloud = await start_cloud(feed="recorded", tracing="all")
    async with watching(cloud, "price:*", "tvl:*"):
        await until(lambda: any(journeys(cloud, "poll", "process", "deliver")))

    way = next(journeys(cloud, "poll", "process", "deliver"))
    poll, process, deliver = (of(way, name) for name in ("poll", "process", "deliver"))
    assert calls(poll, "DefiLlama")
    assert calls(poll, "SNS")
    assert ("observations", "events") in via(way, "process")
    assert ("deliveries",) in via(way, "deliver")
    assert in_order(poll.start, min(span.start for span in calls(poll, "SNS")), process.start, deliver.start)
    assert way.end >= max(span.end or 0.0 for span in calls(deliver, "@connections"))
