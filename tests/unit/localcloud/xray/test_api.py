"""What the console and the terminal are told of traces."""

import json

import pytest

from localcloud.xray import waterfall
from localcloud.xray.api import XrayApi
from tests.unit.localcloud.xray.made import START, a_changes_way, document, store_of, subsegment, trace_id


@pytest.fixture
def api():
    times = {"trace": 4, "parent": 41, "start": 100, "end": 105}
    failing = subsegment(45, "@connections", **times, fault=True, annotations={"topic": "price:ethereum"})
    return XrayApi(store_of([*a_changes_way(), failing]), now=lambda: START + 0.2)


def names(answer):
    status, body = answer
    assert status == 200
    return [trace["name"] for trace in body["traces"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["deliver", "deliver", "process", "poll"]),
        ({"limit": "2"}, ["deliver", "deliver"]),
        ({"function": "process"}, ["process"]),
        ({"failed": "1"}, ["deliver"]),
        ({"annotation": "topic=price:ethereum"}, ["deliver"]),
        ({"annotation": "topic=price:bitcoin"}, []),
        ({"seconds": "0.13"}, ["deliver", "deliver", "process"]),
        ({"seconds": "0.05"}, []),
    ],
)
def test_traces_are_listed_newest_first_and_narrowed(api, query, expected):
    assert names(api.answer("/traces", query)) == expected


def test_the_functions_to_choose_from_are_all_that_were_traced(api):
    assert api.answer("/traces", {"limit": "1"})[1]["functions"] == ["deliver", "poll", "process"]


@pytest.mark.parametrize("query", [{"limit": "many"}, {"limit": "-1"}, {"seconds": "now"}, {"annotation": "topic"}])
def test_a_query_that_makes_no_sense_is_told(api, query):
    status, answer = api.answer("/traces", query)
    assert (status, list(answer)) == (400, ["message"])


@pytest.mark.parametrize("path", ["/", "/trace", "/trace/", f"/trace/{trace_id(99)}", "/journey/x", "/map/x", "/a/b/c"])
def test_what_is_not_here_is_not_found(api, path):
    assert api.answer(path)[0] == 404


def test_a_trace_has_its_spans_as_rows_of_a_waterfall(api):
    status, trace = api.answer(f"/trace/{trace_id(2)}")
    assert status == 200
    assert [(row["depth"], row["name"], row["offset_ms"], row["duration_ms"]) for row in trace["rows"]] == [
        (0, "process", 0.0, 20.0),
        (1, "process", 0.0, 20.0),
        (2, "Redis", 1.0, 3.0),
        (2, "SQS", 10.0, 8.0),
    ]
    assert trace["rows"][3]["service"] == {
        "id": "AWS::SQS::Queue deliveries",
        "name": "deliveries",
        "type": "AWS::SQS::Queue",
    }


def test_a_journey_has_one_time_for_all_its_traces(api):
    _, way = api.answer(f"/journey/{trace_id(1)}")
    assert [trace["offset_ms"] for trace in way["traces"]] == [0.0, 60.0, 90.0, 95.0]
    assert way["traces"][2]["rows"][0]["offset_ms"] == 90.0
    assert [(hop["from"], hop["to"]) for hop in way["hops"]] == [
        (trace_id(1), trace_id(2)),
        (trace_id(2), trace_id(3)),
        (trace_id(2), trace_id(4)),
    ]


@pytest.mark.parametrize("path", ["/traces", f"/trace/{trace_id(2)}", f"/journey/{trace_id(1)}", "/map"])
def test_every_answer_can_be_encoded(api, path):
    status, answer = api.answer(path)
    assert status == 200
    assert json.loads(json.dumps(answer)) == answer


def test_the_terminals_waterfall_has_a_line_a_span_and_bars_in_proportion(api):
    lines = waterfall.of_trace(api.answer(f"/trace/{trace_id(2)}")[1]).splitlines()
    assert len(lines) == 1 + 4
    bars = [line.partition("▕")[2].partition("▏ ")[0].rstrip("▏").rstrip() for line in lines[1:]]
    assert bars[0] == "█" * waterfall.BAR
    assert bars[3] == " " * 20 + "█" * 16


def test_the_terminal_shows_a_failure_what_is_missing_and_what_still_runs():
    api = XrayApi(store_of([document(1, "poll", end=None), subsegment(2, "Redis", parent=9, fault=True)]))
    text = waterfall.of_trace(api.answer(f"/trace/{trace_id(1)}")[1])
    assert "fault  (partial)" in text.splitlines()[0]
    assert "…" in text


def test_the_terminals_map_has_each_service_with_whom_it_calls(api):
    text = waterfall.of_map(api.answer("/map")[1])
    assert "⇢ AWS::Lambda::Function deliver" in text
    assert "→ AWS::SQS::Queue deliveries" in text


def test_the_map_can_be_of_fewer_traces(api):
    nodes = {node["name"] for node in api.answer("/map", {"limit": "1"})[1]["nodes"]}
    assert nodes == {"deliver", "deliveries"}


def test_an_empty_store_is_told_so():
    api = XrayApi(store_of([]))
    assert waterfall.of_list(api.answer("/traces")[1]["traces"]) == "no trace yet"
    assert waterfall.of_map(api.answer("/map")[1]) == "no trace yet"
