"""A client's view of a deployed stage, as a command.

python -m scripts.smoke staging
python -m scripts.smoke local
python -m scripts.smoke --ws-url wss://HOST/ws --rest-url https://HOST --topic-arn ARN --queue-url URL
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from scripts.deployment.account import Account
from scripts.deployment.errors import StackError
from scripts.deployment.smoking import smoke_of
from scripts.deployment.stack import Stack, stack_name
from scripts.keys import credentials
from scripts.operations.place import LOCAL, Place
from scripts.packaging.project import PROJECT, stages
from scripts.smoke_checks import Check, Report, Smoke, Target

EPILOG = """
checks: health, topics and tokens of the REST API; that a handshake without credentials is refused; that one with a
token is let in; that a subscription is answered; that an observation published to the topic, and one put straight on
the queue, come back through the socket within the bound, and in how many milliseconds; that the session answers a ping;
of a STAGE also that none of the alarms that sum the others up is in ALARM. The first that fails ends the run.

With STAGE everything is found through its stack, by the AWS credentials and region of the environment; the stage local
is what `python -m localcloud` runs on this machine (the variable LOCALCLOUD_PORT, if it is not 8080). Without STAGE the
addresses are given; publishing takes AWS credentials that may use the topic and the queue, but for an --endpoint-url on
a loopback address. A stage that is not called through CloudFront wants the origin guard's header too.

Everybody on a machine can read its command lines: give what is secret in DEFISTREAM_KEY and by --header-from.

exit codes: 0 all passed, 1 one failed, 2 wrong arguments
"""
ADDRESSES = ("ws_url", "rest_url", "topic_arn", "queue_url")


def line(check: Check) -> str:
    return f"{'ok  ' if check.ok else 'FAIL'}  {check.name:<16} {check.ms:8.0f} ms  {check.detail}"


def show(check: Check) -> None:
    print(f"  {line(check)}", flush=True)


def pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return name, value


def from_environment(text: str) -> tuple[str, str]:
    name, variable = pair(text)
    if not os.environ.get(variable):
        raise argparse.ArgumentTypeError(f"the variable {variable} is not set")
    return name, os.environ[variable]


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.smoke",
        description="Connect to a deployed stage as a client, publish to it, and see the update arrive.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    names = [LOCAL, *stages(PROJECT)]
    options.add_argument("stage", nargs="?", choices=names, metavar="STAGE", help=", ".join(names))
    options.add_argument("--ws-url", help="WebSocket API, like wss://stream.example.com/ws")
    options.add_argument("--rest-url", help="REST API without /v1, like https://stream.example.com")
    options.add_argument("--topic-arn", help="the stack's output ObservationsTopicArn")
    options.add_argument("--queue-url", help="the stack's output EventsQueueUrl")
    options.add_argument(
        "--api-key",
        default=os.environ.get("DEFISTREAM_KEY"),
        help="whose tier decides the rate (or the variable DEFISTREAM_KEY; default: anonymous, one update in 5 s)",
    )
    options.add_argument(
        "--header", action="append", default=[], type=pair, metavar="NAME=VALUE", help="sent with all; repeatable"
    )
    options.add_argument(
        "--header-from",
        action="append",
        dest="header",
        type=from_environment,
        metavar="NAME=VARIABLE",
        help="the same, with the value of an environment variable",
    )
    options.add_argument("--within", type=float, default=15.0, metavar="SECONDS", help="for each update (default: 15)")
    options.add_argument("--region", default="us-east-1", help="AWS region of given addresses (default: us-east-1)")
    options.add_argument("--endpoint-url", metavar="URL", help="the AWS API to publish by (default: AWS)")
    options.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    arguments = options.parse_args(argv)
    given = [name for name in ADDRESSES if getattr(arguments, name)]
    if arguments.stage and (given or arguments.header):
        options.error("STAGE finds its addresses and headers by itself: leave either it or them out")
    if not arguments.stage and len(given) < len(ADDRESSES):
        options.error("name a STAGE, or give --ws-url, --rest-url, --topic-arn and --queue-url")
    on_check: Callable[[Check], None] = (lambda _: None) if arguments.json else show
    try:
        report = _of_stage(arguments, on_check) if arguments.stage else _of_addresses(arguments, on_check)
    except (StackError, BotoCoreError, ClientError) as error:
        print(f"smoke: {error}", file=sys.stderr)
        if arguments.json:
            print(json.dumps({"ok": False, "error": str(error)}))
        return 1
    if arguments.json:
        print(json.dumps(asdict(report)))
    elif report.not_run:
        print(f"  not run: {', '.join(report.not_run)}", file=sys.stderr)
    return 0 if report.ok else 1


def _of_stage(arguments: argparse.Namespace, on_check: Callable[[Check], None]) -> Report:
    if arguments.stage == LOCAL:
        return _of_localcloud(arguments, on_check)
    account = Account.of_environment()
    stack = Stack(account.client("cloudformation"), stack_name(arguments.stage))
    how = {"on_check": on_check, "api_key": arguments.api_key, "within_s": arguments.within}
    return smoke_of(account.client, stack, **how)[1]


def _of_localcloud(arguments: argparse.Namespace, on_check: Callable[[Check], None]) -> Report:
    place = Place.of(LOCAL)
    target = Target(
        ws_url=place.addresses["ws_url"],
        rest_url=place.addresses["url"],
        topic_arn=place.state.outputs["ObservationsTopicArn"],
        queue_url=place.state.outputs["EventsQueueUrl"],
        api_key=arguments.api_key,
        headers={},
        within_s=arguments.within,
    )
    return asyncio.run(Smoke(target, sns=place.client("sns"), sqs=place.client("sqs"), on_check=on_check).run())


def _of_addresses(arguments: argparse.Namespace, on_check: Callable[[Check], None]) -> Report:
    target = Target(
        ws_url=arguments.ws_url,
        rest_url=arguments.rest_url,
        topic_arn=arguments.topic_arn,
        queue_url=arguments.queue_url,
        api_key=arguments.api_key,
        headers=dict(arguments.header),
        within_s=arguments.within,
    )
    url = arguments.endpoint_url
    client = boto3.Session(region_name=arguments.region, **credentials(url, os.environ)).client
    sns, sqs = (client(name, endpoint_url=url) for name in ("sns", "sqs"))
    return asyncio.run(Smoke(target, sns=sns, sqs=sqs, on_check=on_check).run())


if __name__ == "__main__":
    sys.exit(main())
