"""Every invocation has a trace as Lambda gives it: header, segments, links."""

import pytest

from localcloud.xray.header import TraceHeader
from localcloud.xray.invocations import MAX_LINKS, SENT, SOURCE, Tracer
from localcloud.xray.sampling import EVERYTHING, NOTHING, Sampler
from localcloud.xray.store import TraceStore
from localcloud.xray.tree import tree

ARN = "arn:aws:lambda:us-east-1:000000000000:function:process"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:events"
ROOT = "1-581cf771-a006649127e371903a2de979"


class Rig:
    def __init__(self, rule=EVERYTHING):
        self.time = 1_700_000_000.0
        self.store = TraceStore()
        self.tracer = Tracer(self.store.put, sampler=Sampler([rule]), now=lambda: self.time)

    def begin(self, event=None, header=None):
        return self.tracer.begin("process", event or {}, arn=ARN, request_id="r-1", header=header)

    def run(self, event=None, header=None, *, error=None, cold=False):
        """Waits 2 s for its worker, works 3 s; the trace's spans by depth, or None where nothing was recorded."""
        begun = self.begin(event, header)
        self.time += 2
        begun.work(cold=cold)
        self.time += 3
        begun.end(error)
        self.header = TraceHeader.parse(begun.header)
        trace = self.store.get(self.header.root)
        return trace and [span for branch in tree(trace) for _, span in branch.walk()]


def message(header=None, sent_ms=1_699_999_999_000):
    attributes = {"SentTimestamp": str(sent_ms)} | ({"AWSTraceHeader": header} if header else {})
    return {"eventSource": "aws:sqs", "eventSourceARN": QUEUE, "attributes": attributes}


def sent_from(number, sampled=1):
    return f"Root=1-65532500-{number:024x};Parent={number:016x};Sampled={sampled}"


def batch(*headers):
    return {"Records": [message(header) for header in headers]}


@pytest.fixture
def rig():
    return Rig()


def test_an_invocation_is_two_segments_and_its_function_is_the_parent_of_what_the_sdk_sends(rig):
    service, function, work = rig.run()
    assert [service.origin, function.origin, work.name] == ["AWS::Lambda", "AWS::Lambda::Function", "Invocation"]
    assert (rig.header.parent, rig.header.sampled) == (function.id, True)
    assert function.parent_id == service.id
    assert function.document.aws["request_id"] == "r-1"
    assert function.document.resource_arn == ARN


def test_the_wait_for_a_worker_is_in_the_service_and_not_in_the_function(rig):
    service, function, work = rig.run()
    assert (service.duration_ms, function.duration_ms, work.duration_ms) == (5000, 3000, 3000)


def test_a_cold_start_is_a_part_of_the_function(rig):
    service, function, start, work = rig.run(cold=True)
    assert [start.name, work.name] == ["Initialization", "Invocation"]
    assert (start.duration_ms, work.duration_ms, function.duration_ms) == (2000, 3000, service.duration_ms)


def test_a_failed_function_is_a_fault_with_its_reason(rig):
    service, function, _ = rig.run(error={"errorType": "ValueError", "errorMessage": "no such coin"})
    [exception] = function.document.cause["exceptions"]
    assert function.document.fault
    assert not service.document.fault
    assert (exception["type"], exception["message"]) == ("ValueError", "no such coin")


def test_a_callers_trace_goes_on(rig):
    service, *_ = rig.run(header=f"Root={ROOT};Parent={'a' * 16};Sampled=1")
    assert (service.trace_id, service.parent_id) == (ROOT, "a" * 16)


@pytest.mark.parametrize(
    ("rule", "header", "recorded"),
    [
        (EVERYTHING, None, True),
        (NOTHING, None, False),
        (EVERYTHING, f"Root={ROOT};Sampled=0", False),
        (NOTHING, f"Root={ROOT};Sampled=1", True),
        (EVERYTHING, f"Root={ROOT}", True),
        (NOTHING, f"Root={ROOT};Sampled=?", False),
    ],
)
def test_a_callers_decision_stands_and_the_rules_decide_what_it_left_open(rule, header, recorded):
    rig = Rig(rule)
    assert bool(rig.run(header=header)) is recorded
    assert rig.header.sampled is recorded


def test_a_batch_is_linked_to_the_traces_of_its_messages_and_begins_its_own(rig):
    service, function, _ = rig.run(batch(sent_from(1), sent_from(2), sent_from(1)))
    assert [link.trace_id for link in service.document.links] == [f"1-65532500-{n:024x}" for n in (1, 2)]
    assert [link.id for link in service.document.links] == [f"{n:016x}" for n in (1, 2)]
    assert service.document.links[0].attributes == {
        "aws.xray.reserved.reference_type": "parent",
        SENT: 1_699_999_999.0,
    }
    assert service.trace_id not in {link.trace_id for link in service.document.links}
    assert service.document.metadata["localcloud"][SOURCE] == QUEUE
    assert function.document.links == []


def test_a_segment_has_no_more_links_than_x_ray_takes(rig):
    service, *_ = rig.run(batch(*map(sent_from, range(1, 40))))
    assert [link.id for link in service.document.links] == [f"{n:016x}" for n in range(1, MAX_LINKS + 1)]


@pytest.mark.parametrize(
    ("rule", "headers", "recorded", "links"),
    [
        (NOTHING, [sent_from(1, 0), sent_from(2, 1)], True, 1),
        (EVERYTHING, [sent_from(1, 0), sent_from(2, 0)], False, 0),
        (EVERYTHING, [None, sent_from(2, 0)], False, 0),
        (EVERYTHING, [None], True, 0),
        (NOTHING, [None, "Root=?"], False, 0),
    ],
)
def test_a_batch_is_traced_when_one_of_its_senders_was(rule, headers, recorded, links):
    spans = Rig(rule).run(batch(*headers))
    assert bool(spans) is recorded
    assert not recorded or len(spans[0].document.links) == links


@pytest.mark.parametrize(
    "event", [None, [], 5, {"Records": None}, {"Records": []}, {"Records": [None]}, {"Records": [{"eventSource": 1}]}]
)
def test_any_event_can_be_traced(rig, event):
    assert rig.run(event)
