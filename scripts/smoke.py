"""A client's view of a deployed stage, as a command.

python -m scripts.smoke --ws-url wss://HOST/ws --rest-url https://HOST --topic-arn ARN --queue-url URL
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

import boto3

from scripts.smoke_checks import Check, Smoke, Target

EPILOG = """
checks: health, topics and tokens of the REST API; that a handshake without credentials is refused; that one with a
token is let in; that a subscription is answered; that an observation published to the topic, and one put straight on
the queue, come back through the socket within the bound; that the session answers a ping. The first that fails ends
the run. Publishing takes AWS credentials that may use the topic and the queue.

exit codes: 0 all passed, 1 one failed, 2 wrong arguments
"""


def show(check: Check) -> None:
    print(f"  {'ok  ' if check.ok else 'FAIL'}  {check.name:<16} {check.ms:8.0f} ms  {check.detail}", flush=True)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.smoke",
        description="Connect to a deployed stage as a client, publish to it, and see the update arrive.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--ws-url", required=True, help="WebSocket API, like wss://stream.example.com/ws")
    options.add_argument("--rest-url", required=True, help="REST API without /v1, like https://stream.example.com")
    options.add_argument("--topic-arn", required=True, help="the stack's output ObservationsTopicArn")
    options.add_argument("--queue-url", required=True, help="the stack's output EventsQueueUrl")
    options.add_argument("--api-key", help="whose tier decides the rate (default: anonymous, one update in 5 s)")
    options.add_argument("--header", action="append", default=[], metavar="NAME=VALUE", help="repeatable")
    options.add_argument("--within", type=float, default=15.0, metavar="SECONDS", help="for each update (default: 15)")
    options.add_argument("--region", default="us-east-1", help="AWS region (default: us-east-1)")
    options.add_argument("--endpoint-url", metavar="URL", help="the AWS API to publish by (default: AWS)")
    options.add_argument("--json", action="store_true", help="one JSON object instead of lines")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    arguments = options.parse_args(argv)
    if any("=" not in header for header in arguments.header):
        options.error("--header takes NAME=VALUE")
    target = Target(
        ws_url=arguments.ws_url,
        rest_url=arguments.rest_url,
        topic_arn=arguments.topic_arn,
        queue_url=arguments.queue_url,
        api_key=arguments.api_key,
        headers=dict(header.split("=", 1) for header in arguments.header),
        within_s=arguments.within,
    )
    client = boto3.Session(region_name=arguments.region).client
    sns, sqs = (client(name, endpoint_url=arguments.endpoint_url) for name in ("sns", "sqs"))
    smoke = Smoke(target, sns=sns, sqs=sqs, on_check=(lambda _: None) if arguments.json else show)
    report = asyncio.run(smoke.run())
    if arguments.json:
        print(json.dumps(asdict(report)))
    elif report.not_run:
        print(f"  not run: {', '.join(report.not_run)}", file=sys.stderr)
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
