"""Deploy a release to a stage, and see that it works.

python -m scripts.deploy staging
python -m scripts.deploy --target local
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.deployment.account import Account
from scripts.deployment.command import GOES_ON, add_shared, artifacts_of, ended, told
from scripts.deployment.errors import EXIT_CODES, StackError
from scripts.deployment.locally import deploy_locally
from scripts.deployment.request import Request, conclude
from scripts.deployment.waiting import Waiting
from scripts.package import version_name
from scripts.smoke import pair

EPILOG = f"""
What happens: the sources are packaged and uploaded, unless --version names a release that is in the bucket or --release
a folder; a change set is made and shown; the stack is brought to it, the schema before the code, and CodeDeploy shifts
the traffic where the stage has it so; while one alarm watches, and for ten minutes after, CloudFormation takes it all
back if that fires; then a client connects, publishes and receives; then the release is on record, for scripts.releases
and scripts.rollback.

Refused: to replace or delete what cannot be made again (--allow-replace names each resource that may be), and to
overwrite what somebody changed by hand (--accept-drift). A stage that is in alarm takes a release only --at-once, which
is for the one that ends the alarm. A parameter that was once given stays as it is.

A workflow's DeployRole has CloudFormation work in the name of ExecutionRole, and the stack remembers it. That role may
not change the deployment's own roles: then a person deploys with --role, a role of theirs that CloudFormation may take.

It may be interrupted and run again: CloudFormation goes on by itself, and the same command follows it.

local: an AWS account of this machine's own is made for this one command, and nothing is left of it. Told by name: what
is otherwise there than on AWS, and which resources only stand in for what cannot be made. One that stays is made by
`python -m localcloud.account`: set the variables that it prints, and leave --target out.

examples:
  python -m scripts.deploy staging --dry-run
  python -m scripts.deploy staging --bucket my-artifacts --yes
  python -m scripts.deploy production --version 20261123T080000Z-1a2b3c4
  python -m scripts.deploy --target local
  python -m scripts.deploy staging --target local --keep
  python -m scripts.deploy production --target local --parameter DomainName=stream.example.com \\
      --parameter CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012

{EXIT_CODES}"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.deploy",
        description="Deploy a release to a stage and run the smoke test against it.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared(options, stage="?")
    options.add_argument(
        "--target",
        choices=("aws", "local"),
        default="aws",
        help="aws: the account that the environment's credentials open; local: one on this machine, STAGE is dev then",
    )
    which = options.add_mutually_exclusive_group()
    which.add_argument(
        "--version", type=version_name, help="a release in the bucket; default: the sources, packaged now"
    )
    which.add_argument("--release", type=Path, metavar="FOLDER", help="a release as scripts.package wrote it")
    options.add_argument("--dry-run", action="store_true", help="show what would be changed, and stop")
    options.add_argument(
        "--allow-replace",
        action="append",
        default=[],
        metavar="LOGICAL_ID",
        help="a stateful resource that may be replaced or deleted; repeatable",
    )
    options.add_argument("--accept-drift", action="store_true", help="overwrite what was changed by hand")
    options.add_argument(
        "--at-once",
        action="store_true",
        help="no canary, no trial and no watch: for a release that puts right what an alarm rings for",
    )
    options.add_argument("--role", metavar="ARN", help="in whose name CloudFormation works (default: see below)")
    options.add_argument(
        "--monitor-minutes",
        type=_minutes,
        default=10,
        metavar="N",
        help="how long the alarm may take the release back (default: 10; 0: it may not at all)",
    )
    options.add_argument(
        "--parameter",
        action="append",
        default=[],
        type=pair,
        metavar="NAME=VALUE",
        help="over the stage's own value in cfn/parameters; repeatable",
    )
    options.add_argument("--no-smoke", action="store_true", help="leave out the smoke test")
    options.add_argument("--yes", action="store_true", help="do not ask; delete the stack of a failed first deployment")
    options.add_argument("--keep", action="store_true", help="local: let it run until Ctrl-C")
    options.add_argument("--verbose", action="store_true", help="a line for every resource")
    return options


def _minutes(text: str) -> int:
    if not text.isdigit() or int(text) > 180:  # CloudFormation's own bound
        raise argparse.ArgumentTypeError(f"{text!r} is not from 0 to 180")
    return int(text)


def deploy_to_account(arguments: argparse.Namespace) -> int:
    """To whatever account the environment opens."""
    account = Account.of_environment()
    artifacts = artifacts_of(account, arguments.stage, arguments.bucket)
    request = Request(arguments, account, artifacts, Waiting())
    try:
        conclude(request.console, request.run(), as_json=arguments.json)
    except StackError as error:
        return told("deploy", error, as_json=arguments.json, more=error.more)
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    arguments = options.parse_args(argv)
    if arguments.target == "local":
        arguments.stage = arguments.stage or "dev"
        return ended(
            "deploy", lambda: asyncio.run(deploy_locally(arguments)), as_json=arguments.json, interrupted=GOES_ON
        )
    if not arguments.stage:
        options.error("name a STAGE")
    if arguments.keep:
        options.error("--keep is for --target local")
    return ended("deploy", lambda: deploy_to_account(arguments), as_json=arguments.json, interrupted=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
