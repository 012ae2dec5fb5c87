"""``python -m localcloud.cloudwatch evaluate``, as others run it."""

import copy
import json
import re
import shlex
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


def _point(**changed):
    return json.dumps({**POINT, "timestamp": "2026-01-01T00:00:00Z", "values": [1], **changed})


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
        *(("[]", "line 1: .* JSON object"), ("7", "line 1: .* JSON object"), ("[" * 100_000, "line 1")),
        (json.dumps(POINT), "line 1: values is missing"),
        (json.dumps({**POINT, "values": [1]}), "line 1: timestamp is missing"),
        *((_point(values=values), "line 1: values") for values in (["x"], ["1"], "12", 12, [], [True], [[1]], None)),
        *((_point(values=[1], counts=counts), "line 1: counts") for counts in ([1, 1], [0], [1.5], [-1], "1", [])),
        *((_point(timestamp=at), "line 1: .*") for at in ("yesterday", "", 1767225600, None, "2026-13-01T00:00:00Z")),
        *((_point(dimensions=each), "line 1: ") for each in (["Stage"], "Stage", {"Stage": None}, [{"Name": "Stage"}])),
        *((_point(namespace=each), "line 1: namespace is text") for each in (1, "", None)),
        *((_point(unit=1), "line 1: unit is text"), ('{"namespace": "a", "namespace": NaN}', "line 1: ")),
        *((_point(values=[float("nan")]), "line 1: .*no number"), (_point(values=[10**400]), "line 1: .*too large")),
    ],
)
def test_a_point_that_cannot_be_read_is_named_by_its_line(files, capsys, point, named):
    (files / "metrics.jsonl").write_text(point + "\n")
    assert main(arguments(files)) == 2
    assert re.match(f"error: .*{named}", capsys.readouterr().err)


@pytest.mark.parametrize(
    ("changed", "state"),
    [
        ({"values": [300]}, "ALARM"),
        ({"values": [300], "timestamp": "2026-01-01T00:00:00"}, "ALARM"),
        ({"values": [300], "timestamp": "2026-01-01t00:00:59.999z"}, "ALARM"),
        ({"values": [300], "timestamp": "2026-01-01T00:01:00Z"}, "INSUFFICIENT_DATA"),
        ({"values": [300], "timestamp": "2026-01-01T05:30:00.5+05:30"}, "ALARM"),
        ({"values": [300], "dimensions": [{"Name": "Stage", "Value": "dev"}]}, "ALARM"),
        ({"values": [300], "dimensions": {}}, "INSUFFICIENT_DATA"),
        ({"values": [1, 300], "counts": [95, 5]}, "OK"),
        ({"values": [1, 300], "counts": [94, 6]}, "ALARM"),
        ({"values": [300], "unit": "Milliseconds"}, "ALARM"),
        ({"values": [300], "unit": None}, "ALARM"),
        ({"values": [300], "unit": "Seconds"}, "INSUFFICIENT_DATA"),
        ({"values": [300], "unit": "None"}, "INSUFFICIENT_DATA"),
    ],
)
def test_a_point_is_read_however_it_is_written(files, capsys, changed, state):
    """The alarm asks for a unit; a line without one may be of any."""
    asking = copy.deepcopy(TEMPLATE)
    asking["Resources"]["Slow"]["Properties"] |= {"EvaluationPeriods": 1, "DatapointsToAlarm": 1}
    asking["Resources"]["Slow"]["Properties"]["Unit"] = "Milliseconds"
    (files / "template.json").write_text(json.dumps(asking))
    (files / "metrics.jsonl").write_text("\ufeff" + _point(**changed) + "\r\n", encoding="utf-8")
    moment = "2026-01-01T00:01:00Z"
    assert main(arguments(files, "--json", start=moment, end=moment)) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[0])["state"] == state


@pytest.mark.parametrize("name", ["template.json", "metrics.jsonl"])
def test_a_file_that_is_no_text_or_not_there_is_named(files, capsys, name):
    (files / name).write_bytes(b"\xff\xfe\x00{")
    assert (main(arguments(files)), name in capsys.readouterr().err) == (2, True)
    (files / name).unlink()
    assert (main(arguments(files)), name in capsys.readouterr().err) == (2, True)


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


def test_the_readmes_example_says_what_the_readme_says(capsys, monkeypatch):
    readme = (PROJECT / "README.md").read_text()
    command, told = re.search(r"-m localcloud\.cloudwatch (.*?)\n```\n\n```text\n(.*?)```", readme, re.DOTALL).groups()
    monkeypatch.chdir(PROJECT)
    parts = map(str, sorted(Path("cfn").glob("*.yaml")))
    assert main(shlex.split(command.replace("cfn/*.yaml", shlex.join(parts)))) == 0
    assert capsys.readouterr().out == told


def test_a_parameter_without_a_value_stands_for_itself_and_that_is_said(files, capsys):
    """Topics and stages are often given at deployment; no alarm's state hangs on the ARN that it tells."""
    asking = copy.deepcopy(TEMPLATE)
    asking["Parameters"] = {
        "Stage": {"Type": "String", "AllowedValues": ["dev", "prod"]},
        "Topic": {"Type": "String"},
        "Limit": {"Type": "Number"},
    }
    properties = asking["Resources"]["Slow"]["Properties"]
    properties |= {"AlarmActions": [{"Ref": "Topic"}], "Dimensions": [{"Name": "Stage", "Value": {"Ref": "Stage"}}]}
    (files / "template.json").write_text(json.dumps(asking))
    assert main(arguments(files, "--json")) == 0
    out, note = capsys.readouterr()
    assert json.loads(out.splitlines()[-2])["state"] == "ALARM"
    assert "taken as Stage=dev, Topic=Topic (--parameter" in note
    properties["Threshold"] = {"Ref": "Limit"}
    (files / "template.json").write_text(json.dumps(asking))
    assert main(arguments(files, "--parameter", "Topic=arn:topic")) == 2
    assert "--parameter Limit=VALUE" in capsys.readouterr().err
    assert main(arguments(files, "--parameter", "Limit=1000", "--parameter", "Stage=prod")) == 0
    assert capsys.readouterr().out.splitlines()[-2:] == ["INSUFFICIENT_DATA  Slow", "OK                 Down"]


def test_only_the_named_alarms_and_what_they_watch_are_evaluated(files, capsys):
    """So one alarm of a template can be looked at though another cannot be evaluated here."""
    more = copy.deepcopy(TEMPLATE)
    properties = more["Resources"]["Slow"]["Properties"]
    more["Resources"]["Odd"] = {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {**properties, "ExtendedStatistic": "x"},
    }
    more["Resources"]["Other"] = {"Type": "AWS::CloudWatch::Alarm", "Properties": {**properties, "AlarmName": "other"}}
    (files / "template.json").write_text(json.dumps(more))
    moment = "2026-01-01T00:01:00Z"
    for asked, evaluated in (("Down", ["Slow", "Down"]), ("Other", ["other"]), ("other", ["other"])):
        assert main(arguments(files, "--json", "--alarm", asked, start=moment, end=moment)) == 0
        assert [json.loads(line)["alarm"] for line in capsys.readouterr().out.splitlines()] == evaluated
    for asked, said in (("Odd", "no statistic 'x'"), ("Slwo", "there is Slow"), ("Zzz", "Down, Odd, Slow, other")):
        assert main(arguments(files, "--alarm", asked)) == 2
        assert said in capsys.readouterr().err


def test_who_reads_the_first_line_only_is_told_of_no_error(files):
    """As `| head -1` does, of more than a pipe holds."""
    command = [sys.executable, "-m", "localcloud.cloudwatch", *arguments(files, "--json", end="2026-01-02T00:00:00Z")]
    with subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as ran:
        assert json.loads(ran.stdout.readline())["alarm"] == "Slow"
        ran.stdout.close()
        assert (ran.stderr.read(), ran.wait()) == ("", 0)


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
