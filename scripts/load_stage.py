"""Put a deployed stage under load, finding its addresses by its stack; CloudWatch's latency alarms give the verdict.

    LOAD_TEST_KEY=ds_… python -m scripts.load_stage staging --users 50 --duration 60s

The load test itself is `python -m loadtests`, whose options all work here too. The API key (tier enterprise, one for
every 400 users, commas between) comes from the variable LOAD_TEST_KEY, since everybody on a machine can read its
command lines.

exit codes: 0 passed; 1 an alarm fired, an update was lost, or requests failed; 2 there was nothing to put under load
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from loadtests.__main__ import main as load
from scripts.deployment.account import Account
from scripts.deployment.addresses import target_of
from scripts.deployment.errors import StackError
from scripts.deployment.stack import Stack
from scripts.smoke_checks import Target

VARIABLE = "LOAD_TEST_KEY"
JUDGE, TELL = "judge", "tell"


def arguments(stage: str, stack: str, region: str, target: Target, keys: Sequence[str]) -> list[str]:
    """What `python -m loadtests` is told; it is called in this process, so no other one sees keys and headers."""
    words = ["--stage", stage, "--stack", stack, "--region", region]
    words += ["--url", target.rest_url, "--ws-url", target.ws_url, "--publish-to", target.topic_arn]
    words += [f"--key={key}" for key in keys]
    return words + [f"--header={name}={value}" for name, value in target.headers.items()]


def keys_of(environ: Mapping[str, str]) -> list[str]:
    return [key for key in environ.get(VARIABLE, "").replace(",", " ").split() if key]


def main(argv: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m scripts.load_stage", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("stage", choices=("dev", "staging", "production"))
    options.add_argument("--stack", help="its CloudFormation stack (default: defi-stream-STAGE)")
    options.add_argument(
        "--alarms",
        choices=(JUDGE, TELL),
        default=JUDGE,
        help="whether a latency alarm that fires fails the run; tell is for machines that only stand in for AWS",
    )
    options.add_argument("--directory", type=Path, default=Path("build/loadtest"), help="(default: build/loadtest)")
    given, passed_on = options.parse_known_args(argv)
    keys = keys_of(os.environ)
    if not keys:
        print(f"load_stage: {VARIABLE} is not set", file=sys.stderr)
        return 2
    name = given.stack or f"defi-stream-{given.stage}"
    try:
        account = Account.of_environment()
        cloudformation = account.client("cloudformation")
        target = target_of(account.client, Stack(cloudformation, name))
    except (StackError, BotoCoreError, ClientError) as error:
        print(f"load_stage: {error}", file=sys.stderr)
        return 2
    words = arguments(given.stage, name, cloudformation.meta.region_name, target, keys)
    status = load([*words, "--directory", str(given.directory), *passed_on])
    return judged(given.directory) if status == 1 and given.alarms == TELL else status


def judged(directory: Path) -> int:
    """The exit code if an alarm that fired is told and no more: what was lost or refused still fails the run."""
    reasons = json.loads((directory / "result.json").read_text())["reasons"]
    if any(not reason.startswith("alarm ") for reason in reasons):
        return 1
    print("load_stage: passed, since alarms are only told here: nothing was lost or refused", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
