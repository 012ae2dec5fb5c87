"""The load test's command line, and the option of localcloud that it uses."""

import argparse

import pytest

from loadtests import run, target
from loadtests.__main__ import main, parser
from loadtests.target import TargetError
from localcloud.__main__ import options_of
from localcloud.__main__ import parser as localcloud_parser
from localcloud.durations import duration, spoken
from localcloud.terminal import Terminal


@pytest.mark.parametrize(
    ("text", "seconds"), [("300ms", 0.3), ("5s", 5.0), ("1.5m", 90.0), ("2h", 7200.0), ("45", 45.0), ("0", 0.0)]
)
def test_a_length_of_time_is_read_with_its_unit(text, seconds):
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "-1s", "5 days", "s", "1e3", "nan", "0.5.1s"])
def test_what_is_no_length_of_time_is_refused(text):
    with pytest.raises(argparse.ArgumentTypeError, match="no length of time"):
        duration(text)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.3, "300 ms"), (5, "5 s"), (90, "90 s"), (600, "10 min"), (3600, "1 h")]
)
def test_a_length_of_time_is_told_in_its_largest_unit(seconds, text):
    assert spoken(seconds) == text


def test_localcloud_takes_a_latency_to_inject():
    arguments = localcloud_parser().parse_args(["--inject-latency", "300ms"])
    options = options_of(arguments, Terminal(quiet=True, verbose=False, log=None))
    assert options.inject_latency_s == pytest.approx(0.3)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--url", "https://x"],
        ["--url", "https://x", "--ws-url", "wss://x/ws"],
        ["--users", "0"],
        ["--shape", "wave"],
        ["--duration", "0"],
        ["--spawn-rate", "0"],
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(arguments, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize(("passed", "code"), [(True, 0), (False, 1)])
def test_the_exit_code_says_whether_it_passed_and_the_reasons_are_told(passed, code, monkeypatch, capsys):
    reasons = [] if passed else ["alarm PushLatencyTooHigh fired on the clients"]
    monkeypatch.setattr(run, "run", lambda options: {"passed": passed, "reasons": reasons})
    assert main(["--json"]) == code
    assert ("PushLatencyTooHigh" in capsys.readouterr().err) is not passed


def test_nothing_to_put_under_load_is_another_exit_code(monkeypatch, capsys):
    def no_target(options):
        raise TargetError("localcloud did not start")

    monkeypatch.setattr(run, "run", no_target)
    assert main([]) == 2
    assert "localcloud did not start" in capsys.readouterr().err


STAGE = ["--url", "http://127.0.0.1:9", "--ws-url", "ws://127.0.0.1:9", "--stage", "dev", "--stack", "s"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--template", "/nowhere/alarms.yaml"], "no alarms from /nowhere/alarms.yaml"),
        (
            ["--url", "http://127.0.0.1:9", "--ws-url", "ws://127.0.0.1:9", "--stage", "dev", "--stack", "s"],
            "the stack s",
        ),
    ],
)
def test_what_judges_is_looked_for_before_the_load(arguments, said, monkeypatch, tmp_path, capsys):
    def begun(*_, **__):
        raise AssertionError("the load began")

    monkeypatch.setattr(target, "laptop", begun)
    monkeypatch.setattr(target, "swarm", begun)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")  # nobody is there
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "none")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "none")
    assert main([*arguments, "--directory", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err


def test_a_file_of_keys_that_is_not_there_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "StageAlarms", lambda stack, region: None)
    assert main([*STAGE, "--key", "@/nowhere", "--directory", str(tmp_path)]) == 2
    assert "no keys from @/nowhere" in capsys.readouterr().err


def test_an_interrupted_run_says_so_in_a_word(monkeypatch, capsys):
    def interrupted(options):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, "run", interrupted)
    assert main([]) == 130
    assert capsys.readouterr().err == "loadtests: interrupted, nothing was judged\n"


def test_help_names_every_shape_and_the_exit_codes():
    text = parser().format_help()
    assert all(word in text for word in ("steady", "ramp", "soak", "spike", "storm", "exit code"))
