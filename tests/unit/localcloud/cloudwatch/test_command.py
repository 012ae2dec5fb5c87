"""``python -m localcloud.cloudwatch evaluate``, as others run it."""

import copy
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from localcloud.cloudwatch.__main__ import main

PROJECT = Path(__file__).resolve().parents[4]
TEMPLATE = {
    "Resources": {
        "Slow": {
            "Type": "AWS::CloudWatch::Alarm",
            "Properties": {
                "Namespace": "DefiStream",
                "MetricName": "PublishedToSent",
                "Dimensions": [{"Name": "Stage", "Value": "dev"}],
                "ExtendedStatistic": "p95",
                "Period": 60,
                "EvaluationPeriods": 3,
                "DatapointsToAlarm": 2,
                "ComparisonOperator": "GreaterThanThreshold",
                "Threshold": 200,
            },
        },
        "Down": {"Type": "AWS::CloudWatch::CompositeAlarm", "Properties": {"AlarmRule": "ALARM(Slow)"}},
    }
}
POINT = {"namespace": "DefiStream", "name": "PublishedToSent", "dimensions": {"Stage": "dev"}}


@pytest.fixture
def files(tmp_path):
    values = [[10, 20], [10, 300], [10, 400], [10, 20]]
    points = [{**POINT, "timestamp": f"2026-01-01T00:0{n}:00Z", "values": each} for n, each in enumerate(values)]
    (tmp_path / "template.json").write_text(json.dumps(TEMPLATE))
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, points)) + "\n\n")
    return tmp_path


def arguments(folder, *more, start="2026-01-01T00:01:00Z", end="2026-01-01T00:04:00+00:00"):
    given = [
        "--template",
        folder / "template.json",
        "--metrics",
        folder / "metrics.jsonl",
        "--from",
        start,
        "--to",
        end,
    ]
    return ["evaluate", *map(str, given), *more]


def test_every_alarm_has_a_line_a_minute_in_json(files, capsys):
    assert main(arguments(files, "--json")) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert all(list(line) == ["alarm", "timestamp", "state", "reason"] for line in lines)
    found = [(line["alarm"], line["timestamp"][11:], line["state"]) for line in lines]
    assert found == [
        *(("Slow", "00:01:00Z", "OK"), ("Down", "00:01:00Z", "OK")),
        *(("Slow", "00:02:00Z", "OK"), ("Down", "00:02:00Z", "OK")),
        *(("Slow", "00:03:00Z", "ALARM"), ("Down", "00:03:00Z", "ALARM")),
        *(("Slow", "00:04:00Z", "ALARM"), ("Down", "00:04:00Z", "ALARM")),
    ]


def test_without_json_the_changes_and_the_last_states_are_printed(files, capsys):
    assert main(arguments(files, "--initial", "OK")) == 0
    changed, _, *last = capsys.readouterr().out.splitlines()
    assert changed.startswith("2026-01-01T00:03:00Z  Slow: OK -> ALARM. Threshold Crossed: 2 out of the last 3")
    assert last == ["ALARM              Slow", "ALARM              Down"]


def test_the_initial_state_is_kept_where_nothing_decides(files, capsys):
    ignoring = copy.deepcopy(TEMPLATE)
    ignoring["Resources"]["Slow"]["Properties"]["TreatMissingData"] = "ignore"
    (files / "template.json").write_text(json.dumps(ignoring))
    moment = "2025-01-01T00:00:00Z"
    assert main(arguments(files, "--json", "--initial", "ALARM", start=moment, end=moment)) == 0
    assert [json.loads(line)["state"] for line in capsys.readouterr().out.splitlines()] == ["ALARM", "ALARM"]


@pytest.mark.parametrize(
    ("point", "named"),
    [
        ("{", "line 1"),
        ("[]", "line 1"),
        (json.dumps(POINT), "line 1: values is missing"),
        (json.dumps({**POINT, "values": [1]}), "line 1: timestamp is missing"),
        (json.dumps({**POINT, "values": ["x"], "timestamp": "2026-01-01T00:00:00Z"}), "line 1: .*'x'"),
        (json.dumps({**POINT, "values": [1], "timestamp": "2026-01-01T00:00:00"}), "no offset from UTC"),
        (json.dumps({**POINT, "values": [1], "timestamp": "yesterday"}), "line 1: .*yesterday"),
    ],
)
def test_a_point_that_cannot_be_read_is_named_by_its_line(files, capsys, point, named):
    (files / "metrics.jsonl").write_text(point + "\n")
    assert main(arguments(files)) == 2
    assert re.match(f"error: .*{named}", capsys.readouterr().err)


def test_a_template_that_cannot_be_evaluated_ends_with_two(files, capsys):
    (files / "template.json").write_text('{"Resources": {"A": {"Type": "AWS::CloudWatch::Alarm"}}}')
    assert main(arguments(files)) == 2
    assert (
        capsys.readouterr().err
        == "error: exactly one of Statistic and ExtendedStatistic is needed, or Metrics (in A)\n"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        ["--from", "now"],
        ["--to", "2025-12-31T23:59:59Z"],
        ["--initial", "FINE"],
        ["--parameter", "Stage"],
        ["--quota", "Lambda=1"],
        ["--quota", "a/b=x"],
    ],
)
def test_a_wrong_argument_ends_with_two(files, capsys, wrong):
    with pytest.raises(SystemExit) as caught:
        main(arguments(files, *wrong))
    assert (caught.value.code, wrong[0] in capsys.readouterr().err) == (2, True)


def test_it_runs_alone_and_imports_nothing_else_of_this_project(files):
    """The evaluator judges a load test or a recording without the laptop's cloud."""
    script = (
        "import runpy, sys; sys.argv[0] = 'cloudwatch'\n"
        "try: runpy.run_module('localcloud.cloudwatch', run_name='__main__')\n"
        "except SystemExit as end: code = end.code\n"
        "ours = {name for name in sys.modules if name.split('.')[0] in ('localcloud', 'chalicelib', 'scripts')}\n"
        "print(code, sorted(name for name in ours if not name.startswith('localcloud.cloudwatch')))\n"
    )
    ran = subprocess.run(
        [sys.executable, "-c", script, *arguments(files, "--json")],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout.splitlines()[-1] == "0 ['localcloud']"
