"""Deploy a stage's packaged template, and see that it works.

python -m scripts.deploy --target local
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import shlex
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from botocore.exceptions import BotoCoreError, ClientError

from localcloud.deployment import LocalStage
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY
from localcloud.standins import STAND_INS
from scripts.artifacts import Package, make_package
from scripts.changeset import StackEvent
from scripts.packaging.assemble import PROJECT
from scripts.packaging.checks.parameters import check_parameters
from scripts.packaging.problems import PackagingError
from scripts.smoke import pair, show
from scripts.smoke_checks import Report, Smoke

EPILOG = """
local: ministack answers the AWS APIs, CloudFormation among them, on 127.0.0.1. The stage's template, the very one for
AWS, is deployed there as a change set, with a zip for this machine; a Redis, a PostgreSQL and recorded figures of
DefiLlama run beside it. Then a client connects to the stage's own WebSocket API, publishes and receives. Told by name:
what is otherwise here than in the stage, and which resources only stand in for what ministack cannot make. A type that
is neither made nor known as a stand-in fails the deployment. At the end nothing is left of it all.

examples:
  python -m scripts.deploy --target local
  python -m scripts.deploy --target local --stage staging --keep
  python -m scripts.deploy --target local --stage production --parameter DomainName=stream.example.com \\
      --parameter CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/x
  python -m scripts.deploy --target local --json

exit codes: 0 deployed and the smoke test passed, 1 not, 2 wrong arguments, 130 interrupted
"""


class Console:
    """Progress for a person: a line for each step, and one line that counts resources; nothing if ``quiet``."""

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._rewrites = sys.stdout.isatty() and not verbose
        self._started = time.monotonic()
        self._created = 0

    def step(self, text: str) -> None:
        if not self._quiet:
            print(f"{self._clear()}  {time.monotonic() - self._started:5.1f} s  {text}", flush=True)

    def event(self, event: StackEvent) -> None:
        """A resource of the stack: every one with ``verbose``, else those that failed and a count."""
        if self._quiet:
            return
        if event.status.endswith("_FAILED"):
            self.step(f"{event.status} {event.type} {event.logical_id}: {event.reason}")
        elif event.status.endswith("_COMPLETE"):
            self._created += 1
            note = "  (stand-in)" if event.type in STAND_INS else ""
            if self._verbose:
                self.step(f"{event.status} {event.type} {event.logical_id}{note}")
            elif self._rewrites:
                print(f"{self._clear()}  {self._created} resources: {event.logical_id}{note}"[:100], end="", flush=True)
            elif self._created % 50 == 0:
                self.step(f"{self._created} resources")

    def _clear(self) -> str:
        return "\r\033[K" if self._rewrites else ""

    def title(self, text: str) -> None:
        if not self._quiet:
            print(f"{self._clear()}\n{text}", flush=True)


async def smoke(stage: LocalStage, *, quiet: bool) -> Report:
    session = boto3.Session(ACCESS_KEY, SECRET_KEY, region_name=REGION)
    sns, sqs = (session.client(name, endpoint_url=stage.aws.url) for name in ("sns", "sqs"))
    return await Smoke(stage.smoke_target(), sns=sns, sqs=sqs, on_check=(lambda _: None) if quiet else show).run()


def described(stage: LocalStage, report: Report, *, seconds: float) -> dict[str, Any]:
    """The deployment for a program."""
    return {
        "ok": report.ok,
        "seconds": round(seconds, 1),
        "ws_url": stage.ws_url,
        "rest_url": stage.rest_url,
        "aws_url": stage.aws.url,
        "resources": len(stage.resources),
        "stand_ins": stage.stand_ins,
        "differences": [asdict(difference) for difference in stage.differences],
        "outputs": stage.outputs,
        "smoke": asdict(report),
    }


def tell(console: Console, stage: LocalStage) -> None:
    console.title("Otherwise here than in the stage:")
    for difference in stage.differences:
        print(f"  {difference.what:<26} {difference.here}  ({difference.why})")
    counted = sum(map(len, stage.stand_ins.values()))
    console.title(f"Stand-ins, with nothing behind them: {counted} of {len(stage.resources)} resources")
    for kind, names in stage.stand_ins.items():
        print(f"  {len(names):3}  {kind}: {', '.join(names)}")


async def deploy(arguments: argparse.Namespace) -> int:
    """Until it is done, or until Ctrl-C: before it is up that is an interruption, with --keep after it the end."""
    work = asyncio.create_task(_deploy(arguments))
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        print("deploy: interrupted; nothing is left running", file=sys.stderr)
        return 130


async def _deploy(arguments: argparse.Namespace) -> int:
    started = time.monotonic()
    console = Console(quiet=arguments.json, verbose=arguments.verbose)
    out = PROJECT / "build" / f"{arguments.stage}-local"

    def make() -> Package:
        package = make_package(arguments.stage, target="local", out=out, say=console.step)
        return with_parameters(package, dict(arguments.parameter))

    async with LocalStage(make, progress=console.step, on_event=console.event) as stage:
        console.step(f"stack of {len(stage.resources)} resources")
        if not arguments.json:
            tell(console, stage)
        console.title("Smoke test, as a client:")
        report = await smoke(stage, quiet=arguments.json)
        if arguments.json:
            print(json.dumps(described(stage, report, seconds=time.monotonic() - started)), flush=True)
        else:
            conclude(console, stage, report)
        if arguments.keep:
            console.title("From another terminal, with the origin guard's header, as no CloudFront is in between:")
            console.title(f"  {smoke_command(stage)}\n\n  {stage.rest_url}/v1/health")
            console.title("  Ctrl-C ends it.")
            await interrupted()
    return 0 if report.ok else 1


def with_parameters(package: Package, given: Mapping[str, str]) -> Package:
    """The package with other values. Raises PackagingError for what AWS would not take, and ministack does."""
    parameters = {**package.parameters, **given}
    problems = tuple(check_parameters(package.template["Parameters"], parameters, "--parameter", {}))
    if problems:
        raise PackagingError(problems)
    return replace(package, parameters=parameters)


def smoke_command(stage: LocalStage) -> str:
    """What a person types to run the smoke test again; its addresses, key and header serve any other client."""
    target = stage.smoke_target()
    words = ["--ws-url", target.ws_url, "--rest-url", target.rest_url, "--endpoint-url", stage.aws.url]
    words += ["--topic-arn", target.topic_arn, "--queue-url", target.queue_url, "--api-key", target.api_key or ""]
    words += ["--header", "=".join(next(iter(target.headers.items()))), "--within", f"{target.within_s:g}"]
    return f"{shlex.join([sys.executable, '-m', 'scripts.smoke'])} {shlex.join(words)}"


def conclude(console: Console, stage: LocalStage, report: Report) -> None:
    console.title("Outputs:")
    for name, value in sorted(stage.outputs.items()):
        print(f"  {name:<28} {value}")
    if not report.ok:
        print(f"\nnot run: {', '.join(report.not_run)}\nministack said last:\n{stage.aws.tail()}", file=sys.stderr)


async def interrupted() -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.deploy",
        description="Deploy a stage's packaged template and run the smoke test against it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--target", choices=("local",), required=True, help="where to: local is this machine")
    options.add_argument("--stage", choices=("dev", "staging", "production"), default="dev", help="default: dev")
    options.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="over the stage's own value in cfn/parameters; repeatable",
    )
    options.add_argument("--keep", action="store_true", help="let it run until Ctrl-C")
    options.add_argument("--verbose", action="store_true", help="a line for every resource")
    options.add_argument("--json", action="store_true", help="one JSON object at the end instead of lines")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    try:
        return asyncio.run(deploy(arguments))
    except (PackagingError, RuntimeError, OSError, ValueError, Boto3Error, BotoCoreError, ClientError) as error:
        print(f"deploy: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        return 1


if __name__ == "__main__":
    sys.exit(main())
