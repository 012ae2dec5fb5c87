"""``python -m localcloud.cloudwatch evaluate``: a template's alarms over recorded data points."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path

from localcloud.cloudwatch import recording
from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.cloudwatch.queries import DEFAULT_QUOTAS, Quotas
from localcloud.cloudwatch.store import MetricStore
from localcloud.cloudwatch.template import assumed, load_template, read_alarms
from localcloud.cloudwatch.verdict import State

_MINUTE = timedelta(minutes=1)

_EPILOG = """\
The alarms are evaluated at --from and then once a minute up to and including --to. An evaluation at 10:05 sees the
data points up to 10:04:59: those of the minute that begins at 10:05 are not complete.

A recorded data point is a JSON object on a line:
  {"namespace": "DefiStream", "name": "PublishedToSent", "dimensions": {"Stage": "dev"},
   "timestamp": "2026-01-01T00:00:00Z", "values": [12.5, 80]}
"unit" and "counts" (how often each value occurred) may be there too. Without a unit it is of any unit; a time without
an offset is UTC.

Where a dimension refers to a resource, its value is the name that the template states; for a resource without one the
logical id ("Queue"), or "Queue.QueueName" for Fn::GetAtt. A parameter without a default has its first allowed value,
else its own name. --parameter gives either another.

With --json every alarm has a line every minute: {"alarm": …, "timestamp": …, "state": …, "reason": …}. Without it,
only changes are told, and at the end the state that each alarm has.

exit codes: 0 evaluated, whatever the states; 2 something given cannot be read or evaluated."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.end < options.start:
        parser.error("--to is before --from")
    try:
        _evaluate(options)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (CloudWatchError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _evaluate(options: argparse.Namespace) -> None:
    store = MetricStore()
    recording.load_file(options.metrics, store)
    template, given = load_template(*options.template), dict(options.parameter)
    if lacking := assumed(template, given):
        told = ", ".join(f"{name}={value}" for name, value in lacking.items())
        print(f"note: without a value and taken as {told} (--parameter NAME=VALUE gives another)", file=sys.stderr)
    alarms = read_alarms(template, {**lacking, **given}, only=options.alarm)
    if not alarms:
        print("there is no alarm in the template, or no condition of one holds", file=sys.stderr)
    quotas: Quotas = {**DEFAULT_QUOTAS, **dict(options.quota)}
    evaluator = Evaluator(alarms, store, initial=State(options.initial), quotas=quotas)
    for at in _minutes(options.start, options.end):
        for result in evaluator.evaluate(at):
            if options.json:
                print(json.dumps(_line(result)))
            elif result.changed:
                print(f"{_time(result.at)}  {result.name}: {result.previous} -> {result.state}. {result.reason}")
    if not options.json:
        print(*(f"{state:<18} {name}" for name, state in evaluator.states.items()), sep="\n")


def _minutes(start: datetime, end: datetime) -> Iterator[datetime]:
    while start <= end:
        yield start
        start += _MINUTE


def _line(result: AlarmResult) -> dict[str, str]:
    return {
        "alarm": result.name,
        "timestamp": _time(result.at),
        "state": result.state.value,
        "reason": result.reason,
    }


def _time(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _moment(text: str) -> datetime:
    try:
        return recording.moment(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _quota(text: str) -> tuple[tuple[str, str], float]:
    name, value = _parameter(text)
    namespace, slash, metric = name.rpartition("/")
    try:
        if slash:
            return (namespace, metric), float(value)
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not NAMESPACE/METRIC=NUMBER")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m localcloud.cloudwatch", description=__doc__)
    command = parser.add_subparsers(required=True, metavar="evaluate").add_parser(
        "evaluate",
        help="evaluate the alarms of a template once a minute",
        description="Evaluate every alarm of a template over recorded data points, as CloudWatch would.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--template",
        type=Path,
        nargs="+",
        required=True,
        metavar="FILE",
        help="CloudFormation, JSON or YAML; or the parts of one template, such as cfn/*.yaml",
    )
    command.add_argument("--metrics", type=Path, required=True, metavar="FILE.jsonl", help="recorded data points")
    command.add_argument("--from", dest="start", type=_moment, required=True, metavar="TIME", help="RFC 3339")
    command.add_argument("--to", dest="end", type=_moment, required=True, metavar="TIME", help="RFC 3339")
    command.add_argument(
        "--initial",
        choices=[state.value for state in State],
        default=State.INSUFFICIENT_DATA.value,
        metavar="STATE",
        help="the state of every alarm before the first evaluation: OK, ALARM or INSUFFICIENT_DATA (the default)",
    )
    command.add_argument(
        "--parameter",
        type=_parameter,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a template parameter, or the name of a resource (Queue=q, Queue.QueueName=q); may be repeated",
    )
    command.add_argument(
        "--quota",
        type=_quota,
        action="append",
        default=[],
        metavar="NAMESPACE/METRIC=NUMBER",
        help="what SERVICE_QUOTA gives, such as AWS/Lambda/ConcurrentExecutions=1000; may be repeated",
    )
    command.add_argument(
        "--alarm",
        action="append",
        default=[],
        metavar="NAME",
        help="only this alarm, by its name or logical id, and those that it watches; may be repeated",
    )
    command.add_argument("--json", action="store_true", help="a JSON object a line for every alarm and evaluation")
    return parser


if __name__ == "__main__":
    sys.exit(main())
