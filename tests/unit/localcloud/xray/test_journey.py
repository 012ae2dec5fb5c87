"""A change's way is found through the links between traces, whichever of them is asked for."""

import random

import pytest

from localcloud.xray.invocations import Tracer
from localcloud.xray.journey import journey
from localcloud.xray.sampling import Sampler
from localcloud.xray.servicemap import percentile, service_map
from localcloud.xray.services import QUEUE, Service
from localcloud.xray.store import TraceStore
from tests.unit.handlers import rig
from tests.unit.localcloud.xray.made import a_changes_way, document, function, link, store_of, subsegment, trace_id


def numbers(way):
    return [int(trace.id[-4:], 16) for trace in way.traces]


@pytest.mark.parametrize("seed", range(5))
def test_the_whole_way_is_found_from_its_first_trace_in_whatever_order_it_came(seed):
    documents = a_changes_way()
    random.Random(seed).shuffle(documents)
    way = journey(store_of(documents), trace_id(1))
    assert numbers(way) == [1, 2, 3, 4]
    assert round((way.end - way.start) * 1000) == 110


def test_from_a_delivery_it_is_what_led_to_it_and_not_its_sisters():
    assert numbers(journey(store_of(a_changes_way()), trace_id(3))) == [1, 2, 3]


def test_a_hop_tells_what_the_message_went_through_and_how_long_it_waited():
    hops = journey(store_of(a_changes_way()), trace_id(1)).hops
    events, deliveries = Service("events", QUEUE), Service("deliveries", QUEUE)
    assert [hop.via for hop in hops] == [
        (Service("observations", "AWS::SNS"), events),
        (deliveries,),
        (deliveries,),
    ]
    assert [hop.waited_ms for hop in hops] == pytest.approx([13, 15, 19], abs=0.01)
    assert [hop.sender.name for hop in hops] == ["SNS", "SQS", "SQS"]


def test_without_a_time_of_sending_the_wait_is_from_the_end_of_the_senders_call():
    documents = [
        *function(10, "poll", trace=1, start=0, end=50),
        subsegment(15, "SQS", trace=1, parent=11, start=40, end=48, namespace="aws"),
        *function(20, "process", trace=2, start=60, end=80, links=[link(1, 15)]),
    ]
    [hop] = journey(store_of(documents), trace_id(2)).hops
    assert hop.waited_ms == pytest.approx(12, abs=0.01)


def test_a_linked_trace_that_is_not_here_is_named():
    way = journey(store_of([document(1, trace=2, links=[link(1, 9)])]), trace_id(2))
    assert (numbers(way), way.missing) == ([2], (trace_id(1),))
    assert (way.hops[0].sender, way.hops[0].waited_ms) == (None, None)


def test_links_that_go_round_in_a_ring_end():
    ring = [document(n, trace=n, start=n, links=[link((n % 3) + 1, 1)]) for n in (1, 2, 3)]
    assert sorted(numbers(journey(store_of(ring), trace_id(2)))) == [1, 2, 3]


def test_a_long_way_is_cut_and_says_so():
    chain = [document(n, trace=n, start=n, links=[link(n - 1, 1)] if n > 1 else []) for n in range(1, 30)]
    way = journey(store_of(chain), trace_id(1), most=10)
    assert (numbers(way), way.cut) == ([*range(1, 11)], True)
    assert not journey(store_of(chain), trace_id(1), most=100).cut


def test_there_is_no_way_through_an_unknown_trace():
    assert journey(store_of([]), trace_id(1)) is None


def shown(seen):
    return {(edge["from"].split()[-1], edge["to"].split()[-1]): edge for edge in seen["edges"]}


def test_the_map_has_functions_what_they_call_and_the_ways_of_messages():
    store = store_of(a_changes_way())
    seen = service_map(store, store.newest())
    assert {edge: (told["count"], told["linked"]) for edge, told in shown(seen).items()} == {
        ("Clients", "poll"): (1, False),
        ("poll", "observations"): (1, False),
        ("observations", "events"): (1, True),
        ("events", "process"): (1, True),
        ("process", "Redis"): (1, False),
        ("process", "deliveries"): (1, False),
        ("deliveries", "deliver"): (2, True),
    }
    nodes = {node["name"]: node for node in seen["nodes"]}
    assert {name: node["count"] for name, node in nodes.items()} == {
        "Clients": 0,
        "Redis": 1,
        "deliver": 2,
        "deliveries": 1,
        "events": 1,
        "observations": 1,
        "poll": 1,
        "process": 1,
    }
    assert nodes["deliver"]["latency_ms"] == pytest.approx({"p50": 10, "p90": 15, "p99": 15}, abs=0.01)
    assert shown(seen)["deliveries", "deliver"]["latency_ms"]["p50"] == pytest.approx(15, abs=0.01)


def test_rates_are_shares_of_the_invocations():
    documents = [
        *function(10, "poll", trace=1, start=0, end=1, fault=True),
        *function(20, "poll", trace=2, start=0, end=1),
        *function(30, "poll", trace=3, start=0, end=1, error=True, throttle=True),
        *function(40, "poll", trace=4, start=0, end=1),
    ]
    store = store_of(documents)
    [poll] = [node for node in service_map(store, store.newest())["nodes"] if node["name"] == "poll"]
    assert (poll["count"], poll["fault_rate"], poll["error_rate"], poll["throttle_rate"]) == (4, 0.25, 0.25, 0.25)


def test_a_message_whose_sender_called_nobody_that_is_known_still_has_its_edge():
    """A header that was sent outside of any subsegment names the function itself."""
    documents = [
        *function(10, "message", trace=1, start=0, end=5),
        *function(20, "deliver", trace=2, start=9, end=12, links=[link(1, 11, sent=4)], queue="deliveries"),
    ]
    store = store_of(documents)
    edges = shown(service_map(store, store.newest()))
    assert edges["message", "deliveries"]["count"] == 1
    assert edges["deliveries", "deliver"]["linked"]


@pytest.mark.parametrize(
    ("event", "caller"),
    [
        (rig.event("scheduled"), "Schedule"),
        (rig.event("websocket_connect"), "Clients"),
        (rig.event("authorizer_request"), "Clients"),
        (rig.event("rest_v1_proxy"), "Clients"),
        ({"RequestType": "Create", "ResponseURL": "https://…", "StackId": "s"}, "CloudFormation"),
        ({"SecretId": "s", "Step": "createSecret", "ClientRequestToken": "t"}, "Secrets Manager"),
        ({"action": "upgrade"}, "Operator"),
        (None, "Operator"),
    ],
)
def test_a_function_is_called_by_whom_its_event_is_from(event, caller):
    store = TraceStore()
    Tracer(store.put, sampler=Sampler()).begin("function", event, arn="", request_id="r").end(None)
    assert list(shown(service_map(store, store.newest()))) == [(caller.split()[-1], "function")]


def test_a_call_whose_caller_has_not_come_is_counted_but_is_of_nobody():
    store = store_of([subsegment(15, "Redis", trace=1, parent=11, namespace="remote")])
    seen = service_map(store, store.newest())
    assert [(node["name"], node["count"]) for node in seen["nodes"]] == [("Redis", 1)]
    assert seen["edges"] == []


def test_a_callee_that_speaks_for_itself_is_not_inferred_as_well():
    documents = [
        *function(10, "poll", trace=1, start=0, end=9),
        subsegment(15, "other", trace=1, parent=11, namespace="remote"),
        document(16, "other", trace=1, parent=15, origin="AWS::ECS::Container"),
    ]
    store = store_of(documents)
    seen = service_map(store, store.newest())
    assert [node["type"] for node in seen["nodes"] if node["name"] == "other"] == ["AWS::ECS::Container"]
    assert shown(seen)["poll", "other"]["count"] == 1


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, None), ([3], 99, 3), ([1, 2, 3, 4], 50, 2), ([4, 3, 2, 1], 99, 4), (range(1, 101), 90, 90)],
)
def test_a_percentile_is_the_nearest_rank(values, percent, expected):
    assert percentile(values, percent) == expected
