"""python -m loadtests: put the platform under load, then ask its own alarms what they make of it."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from loadtests import run
from loadtests.shapes import SHAPES
from loadtests.target import TargetError
from localcloud.durations import duration

EPILOG = """
users: of a hundred, 75 subscribers (a whole kind or lists of topics, at several rates), 15 traders (prices through a
filter; they break off every half minute and resume), 10 programs that use the REST API (topics, a topic's past, a
dashboard's queries). Every client follows the protocol to the letter: offsets and prev of every update are checked, and
at the end each asks the server where its topics stand, so an update that was not pushed is found even if it was the
last one.

the alarms: the template's latency alarms (PublishedToSequenced, SequencedToSent, PublishedToSent) are evaluated over
the run, on a laptop once with the metrics that the handlers wrote and once with the delays that the clients measured.
A run shorter than six minutes stretches the alarms' clock (--minute): their thresholds and M of N stay, what they call
a minute is a few seconds of the run, and the report says so. On AWS (--stack) CloudWatch's own states and history in
the run's window are read.

exit code: 0 if it passed; 1 if an alarm fired, an update was lost or more than 1 % of the requests failed, with the
reasons on the standard error; 2 if there was nothing to put under load, or nothing to judge it by; 130 if
it was interrupted.

examples:
  python -m loadtests                                         100 users for 60 s on this machine
  python -m loadtests --users 500 --shape storm               all sockets break, twice
  python -m loadtests --users 30 --inject-latency 300ms       what it looks like when the alarm fires
  python -m loadtests --url https://staging.example.com --ws-url wss://staging.example.com/ws --key @keys.txt \\
    --stage staging --stack defi-stream-staging --duration 10m --minute 60s
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m loadtests",
        description="Put the platform under load, then ask its own alarms what they make of it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    load = options.add_argument_group("the load")
    load.add_argument("--users", type=_count, default=100, help="users at full load (default: 100)")
    load.add_argument("--duration", type=duration, default=60.0, help="time at full load, like 60s, 10m, 2h (60s)")
    load.add_argument("--shape", choices=SHAPES, default="steady", help=_shapes())
    load.add_argument(
        "--spawn-rate",
        type=float,
        help="users that come a second (default: 1/20 of them, 1/2 in a spike)",
    )
    load.add_argument("--seed", type=int, default=1, help="of the moves and of what users choose (default: 1)")
    load.add_argument("--changes", type=float, default=20.0, help="made-up changes a second (default: 20)")
    load.add_argument("--topics", type=_count, default=100, help="made-up topics (default: 100)")
    local = options.add_argument_group("the laptop cloud, started for the run unless --url is given")
    local.add_argument(
        "--feed",
        choices=("synthetic", "recorded", "live"),
        default="synthetic",
        help="made-up changes, recorded figures an hour a second, or DefiLlama itself (default: synthetic)",
    )
    local.add_argument("--inject-latency", type=duration, default=0.0, metavar="TIME", help="of localcloud, like 300ms")
    local.add_argument("--localcloud", action="append", default=[], metavar="ARG", help="any option of it; repeatable")
    stage = options.add_argument_group("a stage instead")
    stage.add_argument("--url", help="of the REST API, without /v1")
    stage.add_argument("--ws-url", help="of the socket, like wss://HOST/ws")
    stage.add_argument("--key", action="append", default=[], help="an API key, or @FILE with one a line; repeatable")
    stage.add_argument(
        "--header", action="append", default=[], type=_pair, metavar="NAME=VALUE", help="sent with all; repeatable"
    )
    stage.add_argument("--stage", help="its name, as metrics carry it")
    stage.add_argument("--stack", help="its CloudFormation stack, whose alarms are read after the run")
    stage.add_argument("--region", default="us-east-1", help="of the stack (default: us-east-1)")
    stage.add_argument("--publish-to", metavar="ARN", help="its observations topic, to publish made-up changes to")
    stage.add_argument("--settle", type=duration, default=180.0, help="time that CloudWatch is given after it (180s)")
    judged = options.add_argument_group("what is judged")
    judged.add_argument(
        "--minute", type=duration, help="how long a minute of the alarms lasts (default: as fits, <= 60s)"
    )
    judged.add_argument("--template", type=Path, help="a template with the alarms (default: cfn/ of this project)")
    output = options.add_argument_group("output")
    output.add_argument("--directory", type=Path, default=Path("build/loadtest"), help="(default: build/loadtest)")
    output.add_argument("--json", action="store_true", help="print one JSON object; progress goes to standard error")
    return options


def _shapes() -> str:
    return "; ".join(f"{name}: {meaning}" for name, meaning in SHAPES.items()).replace("%", "%%") + " (default: steady)"


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) > 0):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number above zero")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    if bool(options.url) != bool(options.ws_url):
        parser().error("--url and --ws-url go together")
    if options.url and not (options.stage and options.stack):
        parser().error("a stage needs --stage and --stack: its alarms are what is asked at the end")
    if options.duration <= 0 or (options.spawn_rate is not None and options.spawn_rate <= 0):
        parser().error("--duration and --spawn-rate are above zero")
    try:
        told = run.run(options)
    except TargetError as error:
        print(f"loadtests: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("loadtests: interrupted, nothing was judged", file=sys.stderr)
        return 130
    print(json.dumps(told) if options.json else (options.directory / "summary.md").read_text())
    for reason in told["reasons"]:
        print(f"loadtests: {reason}", file=sys.stderr)
    return 0 if told["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
