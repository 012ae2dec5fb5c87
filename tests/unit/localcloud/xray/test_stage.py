"""A REST request's trace begins at the stage, as API Gateway begins it."""

import pytest

from localcloud.xray.header import TraceHeader
from localcloud.xray.invocations import Tracer
from localcloud.xray.sampling import EVERYTHING, NOTHING, Rule, Sampler
from localcloud.xray.servicemap import service_map
from localcloud.xray.stage import RestTracer
from localcloud.xray.store import TraceStore
from localcloud.xray.tree import tree

ROOT = "1-581cf771-a006649127e371903a2de979"


def event(trace=f"Root={ROOT}", path="/v1/topics"):
    context = {"apiId": "a1b2", "stage": "api", "domainName": "a1b2.execute-api.us-east-1.amazonaws.com"}
    return {"headers": {"X-Amzn-Trace-Id": trace}, "requestContext": context, "httpMethod": "GET", "path": path}


def request(payload, error=None, *, rules=(EVERYTHING,), **fields):
    """The store after one request and the invocation that it led to."""
    store, sampler = TraceStore(), Sampler(rules)
    trace = RestTracer(store.put, sampler=sampler).begin(event(**fields))
    invocation = Tracer(store.put, sampler=Sampler([NOTHING])).begin(
        "api_handler", {}, arn="arn:x", request_id="r", header=trace.header
    )
    invocation.end(error)
    trace.end(payload, error)
    return store


def test_the_functions_segments_are_below_the_stages_call():
    store = request({"statusCode": 200})
    [root] = tree(store.get(ROOT))
    assert [(depth, span.name, span.origin) for depth, span in root.walk()] == [
        (0, "rest/api", "AWS::ApiGateway::Stage"),
        (1, "Lambda", None),
        (2, "api_handler", "AWS::Lambda"),
        (3, "api_handler", "AWS::Lambda::Function"),
        (4, "Invocation", None),
    ]


def test_the_map_leads_from_the_clients_through_the_stage_to_the_function():
    store = request({"statusCode": 200})
    edges = {(edge["from"].split()[1], edge["to"].split()[1]) for edge in service_map(store, store.newest())["edges"]}
    assert edges == {("Clients", "rest/api"), ("rest/api", "api_handler")}


@pytest.mark.parametrize(
    ("payload", "error", "status", "flags"),
    [
        ({"statusCode": 200}, None, 200, (False, False, False)),
        ({"statusCode": 404}, None, 404, (True, False, False)),
        ({"statusCode": 429}, None, 429, (True, False, True)),
        ({"statusCode": 503}, None, 503, (False, True, False)),
        (None, {"errorType": "ValueError", "errorMessage": ""}, 502, (False, True, False)),
        ("no answer of a function for REST", None, 502, (False, True, False)),
    ],
)
def test_the_stage_is_judged_by_the_status_that_it_answers(payload, error, status, flags):
    [root] = tree(request(payload, error).get(ROOT))
    document = root.span.document
    assert document.http["response"]["status"] == status
    assert (document.error, document.fault, document.throttle) == flags


@pytest.mark.parametrize(
    ("trace", "rules", "recorded"),
    [
        ("", [EVERYTHING], True),
        ("Sampled=1", [NOTHING], True),
        (f"Root={ROOT};Sampled=0", [EVERYTHING], False),
        ("", [Rule("health", priority=1, rate=0.0, reservoir=0, path="/v1/health"), EVERYTHING], True),
        ("", [Rule("topics", priority=1, rate=0.0, reservoir=0, path="/v1/t*", method="GET"), EVERYTHING], False),
    ],
)
def test_the_client_or_the_rules_for_the_stage_decide(trace, rules, recorded):
    assert bool(len(request({"statusCode": 200}, trace=trace, rules=rules))) is recorded


def test_what_the_client_says_goes_on_to_the_function():
    tracer = RestTracer(lambda _: None, sampler=Sampler([EVERYTHING]))
    header = TraceHeader.parse(tracer.begin(event(f"Root={ROOT};Parent={'a' * 16};Sampled=1")).header)
    assert (header.root, header.sampled) == (ROOT, True)
    assert header.parent != "a" * 16
