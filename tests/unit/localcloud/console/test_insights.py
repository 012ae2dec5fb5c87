"""The queries of the dashboards that can be answered from the lines in memory."""

import json

import pytest

from localcloud.console.insights import NotHereError, answer
from localcloud.console.logbook import LogBook

TOP = (
    "SOURCE '/aws/lambda/process' | filter event = \"changes_published\" | fields jsonParse(@message) as line "
    '| unnest line.changes into change | parse change "*@*" as topic, offset '
    "| stats count(*) as changes by topic | sort changes desc | limit 2"
)


def book(*lines):
    clock = iter(range(100, 1000))
    logs = LogBook(now=lambda: float(next(clock)))
    for function, fields in lines:
        logs.add(function, json.dumps(fields))
    return logs


def changes(*names):
    return {"event": "changes_published", "changes": list(names)}


def test_topics_are_counted_over_the_changes_of_all_lines():
    logs = book(("process", changes("a@1", "b@1", "a@2")), ("process", changes("b@2", "a@3", "c@1")))
    assert answer(TOP, logs.newest(), since=0) == [{"topic": "a", "changes": 3}, {"topic": "b", "changes": 2}]


def test_only_lines_of_the_source_of_that_event_and_of_that_time_count():
    logs = book(
        ("process", changes("old@1")),
        ("deliver", changes("other@1")),
        ("process", {**changes("not@1"), "event": "different"}),
        ("process", changes("new@1")),
    )
    assert answer(TOP, logs.newest(), since=101) == [{"topic": "new", "changes": 1}]


def test_a_line_without_the_list_counts_for_nothing():
    assert answer(TOP, book(("process", {"event": "changes_published"})).newest(), since=0) == []


@pytest.mark.parametrize(
    "step", ["stats max(@maxMemoryUsed) as used by @log", 'parse change "*@*" as topic', "dedup topic"]
)
def test_a_step_that_only_cloudwatch_knows_is_named(step):
    with pytest.raises(NotHereError) as refused:
        answer(f"SOURCE '/aws/lambda/process' | {step}", [], since=0)
    assert str(refused.value) == step
