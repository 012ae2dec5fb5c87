"""Traces are put together in whatever order their parts come, and take no more memory than they may."""

import itertools

import pytest

from localcloud.xray.tree import annotations_of, entry, is_partial, summary, tree
from tests.unit.localcloud.xray.made import document, link, span_id, store_of, subsegment, trace_id

PARTS = [
    document(1, "poll", end=40, origin="AWS::Lambda"),
    document(2, "poll", start=5, end=40, parent=1, origin="AWS::Lambda::Function"),
    subsegment(3, "Redis", start=10, end=12, parent=2),
    subsegment(4, "SNS", start=20, end=30, parent=2),
]


def shape(branches):
    return [(branch.span.name, shape(branch.children)) for branch in branches]


@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)))
def test_a_trace_is_the_same_tree_in_whatever_order_it_came(order):
    trace = store_of(order).get(trace_id(1))
    assert shape(tree(trace)) == [("poll", [("poll", [("Redis", []), ("SNS", [])])])]
    assert entry(trace).id == span_id(1)
    assert not is_partial(trace)


def test_a_span_whose_parent_has_not_come_is_shown_at_the_top():
    trace = store_of([PARTS[0], PARTS[2]]).get(trace_id(1))
    assert shape(tree(trace)) == [("poll", []), ("Redis", [])]
    assert is_partial(trace)


@pytest.mark.parametrize("pairs", [[(1, 1)], [(1, 2), (2, 1)], [(1, 3), (2, 1), (3, 2), (4, 2)]])
def test_spans_that_are_their_own_ancestors_are_each_shown_once(pairs):
    trace = store_of([document(number, str(number), parent=parent) for number, parent in pairs]).get(trace_id(1))
    walked = [span.id for branch in tree(trace) for _, span in branch.walk()]
    assert sorted(walked) == [span_id(number) for number, _ in pairs]


def test_the_end_of_a_segment_replaces_its_beginning():
    store = store_of([document(1, end=None, in_progress=True)])
    assert is_partial(store.get(trace_id(1)))
    store.put(document(1, end=7))
    trace = store.get(trace_id(1))
    assert (len(trace.spans), summary(trace)["duration_ms"]) == (1, 7.0)


def test_a_new_trace_pushes_the_oldest_out_with_its_links():
    store = store_of([document(n, trace=n, links=[link(n + 100, 1)]) for n in (1, 2, 3)], max_traces=2)
    assert [trace.id for trace in store.newest()] == [trace_id(3), trace_id(2)]
    assert store.get(trace_id(1)) is None
    assert store.after(trace_id(101)) == []
    assert store.after(trace_id(102)) == [trace_id(2)]


def test_a_few_large_traces_push_out_as_many_as_needed():
    store = store_of([document(n, trace=1 + n // 5) for n in range(20)], max_held=12)
    assert [trace.id for trace in store.newest()] == [trace_id(4), trace_id(3)]
    store.put(document(99, trace=9))
    assert len(store) == 3


def test_what_is_replaced_leaves_no_link_behind_when_its_trace_goes():
    store = store_of([document(1, trace=1, links=[link(7, 1)]), document(1, trace=1)], max_traces=1)
    store.put(document(2, trace=2))
    assert store.after(trace_id(7)) == []


def test_a_trace_has_no_more_spans_than_it_may_and_says_how_many_are_missing():
    store = store_of([document(n) for n in range(1, 8)], max_spans=5)
    trace = store.get(trace_id(1))
    assert (len(trace.spans), trace.dropped) == (5, 2)
    assert is_partial(trace)


def test_a_follower_is_known_before_what_it_follows():
    store = store_of([document(1, trace=2, links=[link(1, 5)])])
    assert store.after(trace_id(1)) == [trace_id(2)]
    assert store.before(store.get(trace_id(2))) == [trace_id(1)]


def test_a_summary_tells_of_failures_and_annotations_anywhere_in_the_trace():
    failing = subsegment(3, "Redis", parent=1, fault=True, annotations={"topic": "price:ethereum", "n": 1})
    trace = store_of([document(1), failing, subsegment(4, "x", parent=1, annotations={"topic": "peg:dai"})])
    told = summary(trace.get(trace_id(1)))
    assert (told["fault"], told["error"], told["throttle"]) == (True, False, False)
    assert told["annotations"] == {"n": [1], "topic": ["price:ethereum", "peg:dai"]}
    assert annotations_of(trace.get(trace_id(1))) == told["annotations"]
