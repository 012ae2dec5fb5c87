"""The newest lines of all functions, and how they are searched."""

import json

import pytest

from localcloud.console.logbook import LogBook, Search


@pytest.fixture
def logs():
    book = LogBook(most=5, now=lambda: 1000.0)
    book.add(
        "process", json.dumps({"level": "info", "event": "changes_published", "changes": ["price:a@1", "tvl:b@7"]})
    )
    book.add("message", json.dumps({"level": "debug", "event": "handled", "connection_id": "c1", "topic": "price:a"}))
    book.add("deliver", json.dumps({"level": "error", "event": "refused", "connection_id": "c2"}))
    book.add("deliver", "[ERROR] ValueError: no such thing")
    return book


def events(entries):
    return [entry.fields.get("event", entry.line) for entry in entries]


def test_the_newest_line_comes_first(logs):
    assert events(logs.find(Search())) == [
        "[ERROR] ValueError: no such thing",
        "refused",
        "handled",
        "changes_published",
    ]


def test_a_level_is_the_least_one(logs):
    assert events(logs.find(Search(level="info"))) == [
        "[ERROR] ValueError: no such thing",
        "refused",
        "changes_published",
    ]
    assert events(logs.find(Search(level="error"))) == ["[ERROR] ValueError: no such thing", "refused"]


def test_an_unknown_level_is_refused():
    with pytest.raises(ValueError, match="level is one of debug"):
        Search(level="loud")


def test_lines_are_found_by_function_connection_and_text(logs):
    assert events(logs.find(Search(function="message"))) == ["handled"]
    assert events(logs.find(Search(connection="c2"))) == ["refused"]
    assert events(logs.find(Search(text="VALUEERROR"))) == ["[ERROR] ValueError: no such thing"]
    assert logs.find(Search(function="deliver", connection="c1")) == []


def test_a_topic_is_found_where_a_line_names_it_alone_or_among_its_changes(logs):
    assert events(logs.find(Search(topic="price:a"))) == ["handled", "changes_published"]
    assert events(logs.find(Search(topic="tvl:b"))) == ["changes_published"]
    assert events(logs.find(Search(topic="price:*"))) == ["handled", "changes_published"]
    assert logs.find(Search(topic="price")) == []


def test_older_lines_follow_before_a_number_and_no_more_than_the_limit(logs):
    newest = logs.find(Search(), limit=2)
    assert events(logs.find(Search(before=newest[-1].number), limit=1)) == ["handled"]


def test_no_more_lines_are_kept_than_it_may(logs):
    for number in range(5):
        logs.add("sweep", f"line {number}")
    assert events(logs.find(Search())) == [f"line {number}" for number in (4, 3, 2, 1, 0)]


def test_lines_of_metrics_and_empty_ones_are_not_kept(logs):
    before = len(logs)
    logs.add("poll", '{"_aws": {"CloudWatchMetrics": []}}')
    logs.add("poll", "  ")
    assert len(logs) == before


@pytest.mark.parametrize(
    ("line", "level"),
    [
        ("2026-11-23T10:00:00.000Z 1-2 Task timed out after 3.00 seconds", "error"),
        ("[WARNING]\t2026 slow", "info"),
        ("[WARNING] slow", "warning"),
        ("plain", "info"),
        ("{broken", "info"),
        ('["a list"]', "info"),
    ],
)
def test_a_line_that_is_no_object_has_lambdas_level(logs, line, level):
    logs.add("poll", line)
    [entry] = logs.find(Search(), limit=1)
    assert (entry.level, entry.json()["text"]) == (level, line)
