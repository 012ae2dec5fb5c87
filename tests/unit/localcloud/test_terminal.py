"""What a person reads while the platform runs: a line for what goes wrong, and no traces."""

import json
import shlex
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

from localcloud.terminal import Terminal, banner, counted, key_command, past_command, tab_of
from scripts.backfill import parser as backfill_parser
from scripts.keys import parse

TRACE = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\nredis.Error: it is down'
UNAUTHORIZED = ["[ERROR] Exception: Unauthorized", '  File "/p/app.py", line 28, in authorize', "    return x", ""]


@pytest.fixture
def said(capsys):
    """What the terminal shows of lines that a function wrote."""

    def show(*lines, function="authorize", verbose=False):
        terminal = Terminal(quiet=True, verbose=verbose, log=None)
        for line in lines:
            terminal.log(function, line)
        return capsys.readouterr().err.splitlines()

    return show


def entry(event, **more):
    return json.dumps({"event": event, "level": "error", "timestamp": "…", "function": "f", **more})


def test_an_expected_refusal_is_not_shown(said):
    """A wrong key is the caller's mistake."""
    assert said(*UNAUTHORIZED) == []
    assert len(said(*UNAUTHORIZED, verbose=True)) == 3


def test_another_error_is_one_line_with_its_message(said):
    lines = ["[ERROR] KeyError: 'user'", '  File "/p/app.py", line 28, in connect', "    return x"]
    assert said(*lines, function="connect") == ["  connect: error KeyError: 'user'"]
    assert len(said(*lines, function="connect", verbose=True)) == 3


def test_a_logged_exception_is_one_line_and_said_once(said):
    lines = [entry("invocation_failed", exception=TRACE, user_id="u"), "[ERROR] Error: it is down", "  File …"]
    assert said(*lines) == ["  authorize: error invocation_failed user_id=u: redis.Error: it is down"]


def test_an_exception_is_said_again_when_it_comes_again(said):
    lines = [entry("invocation_failed", exception=TRACE), "[ERROR] Error: it is down", "[ERROR] Error: it is down"]
    assert len(said(*lines)) == 2


def test_a_logged_exception_is_whole_with_verbose(said):
    assert 'File "a.py", line 1' in "\n".join(said(entry("x", exception=TRACE), verbose=True))


def test_a_trace_that_a_library_prints_is_its_last_line(said):
    assert said(*TRACE.splitlines()) == ["  authorize: warning redis.Error: it is down"]


def test_a_blank_line_is_never_shown(said):
    assert said("", "   ", "\t") == []
    assert said("", "   ", verbose=True) == []


def test_a_line_of_lambdas_own_is_shown(said):
    assert said("2026-11-23T02:00:00.000Z 4a5 Task timed out after 3.00 seconds")[0].endswith("3.00 seconds")


@pytest.mark.parametrize("line", ["12", "null", '"text"', "[1]"])
def test_a_line_of_json_that_is_no_entry_is_shown_as_it_is(said, line):
    assert said(line) == [f"  authorize: warning {line}"]


def test_what_is_no_warning_is_shown_with_verbose_only(said):
    line = json.dumps({"event": "feed", "level": "info", "kind": "prices"})
    assert said(line) == []
    assert said(line, verbose=True) == ["  authorize: info feed kind=prices"]


def test_metrics_are_not_for_people(said):
    assert said(json.dumps({"_aws": {}, "level": "error"}), verbose=True) == []


def test_a_log_file_gets_every_line_as_it_was_written(tmp_path, capsys):
    terminal = Terminal(quiet=True, verbose=False, log=tmp_path / "log")
    for line in UNAUTHORIZED:
        terminal.log("authorize", line)
    terminal.close()
    assert (tmp_path / "log").read_text().splitlines() == UNAUTHORIZED


def test_what_is_recorded_at_a_start_is_counted_and_what_is_not_is_named():
    kinds = {"prices": 206, "protocols": 0, "chains": 43, "stablecoins": 23, "yields": 0}
    assert counted(kinds) == "prices 206, chain TVL 43, pegs 23; not recorded: protocol TVL, yields"
    assert counted({"prices": 1}) == "prices 1"
    assert counted({"prices": 0}) == "not recorded: prices"


@pytest.mark.parametrize(
    ("begins", "tab"), [("2022-05-07", "chain-tvl"), ("2023-03-10", "pegs"), ("2021-09-06", None), ("2023-04-01", None)]
)
def test_a_start_with_a_story_opens_the_tab_that_tells_it(begins, tab):
    assert tab_of(datetime.fromisoformat(begins).replace(tzinfo=UTC)) == tab


def test_the_command_for_a_key_is_complete():
    words = shlex.split(key_command("http://127.0.0.1:4566", "KeysTable"))
    assert words[1:3] == ["-m", "scripts.keys"]
    wanted = parse(words[3:])
    assert (wanted.command, wanted.table, wanted.endpoint_url) == ("issue", "KeysTable", "http://127.0.0.1:4566")


def test_the_command_for_the_past_ends_where_the_recording_begins():
    words = shlex.split(
        past_command("postgresql://postgres@127.0.0.1:3/postgres", datetime(2022, 5, 7, 12, tzinfo=UTC))
    )
    assert words[1:3] == ["-m", "scripts.backfill"]
    wanted = backfill_parser().parse_args(words[3:])
    assert (wanted.since, wanted.until) == (datetime(2021, 5, 7, tzinfo=UTC), datetime(2022, 5, 7, tzinfo=UTC))
    assert (wanted.from_recorded, wanted.restart) == (True, True)


def test_the_banner_says_where_everything_is():
    cloud = SimpleNamespace(
        url="http://127.0.0.1:8080",
        ws_url="ws://127.0.0.1:8080/ws",
        key="ds_key",
        aws=SimpleNamespace(url="http://127.0.0.1:1"),
        outputs={"KeysTable": "keys"},
        console_url="http://127.0.0.1:8080/console/",
        redis=SimpleNamespace(url="redis://127.0.0.1:2"),
        postgres=SimpleNamespace(url="postgresql://127.0.0.1:3"),
        xray=SimpleNamespace(port=2000),
        options=SimpleNamespace(begins=datetime(2022, 5, 7, tzinfo=UTC), speed=3600.0),
    )
    tape = {"from": "2022-05-07", "interpolates": "values are linear", "at_start": {"chains": 86, "yields": 0}}
    shown = banner(cloud, tape)
    assert "http://127.0.0.1:8080/#key=ds_key&tab=chain-tvl\n" in shown
    assert "At this date: chain TVL 86; not recorded: yields." in shown
    assert past_command("postgresql://127.0.0.1:3", cloud.options.begins) in shown
    assert "tab=" not in banner(cloud, None)
    assert "scripts.backfill" not in banner(cloud, None)
