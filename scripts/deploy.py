"""Deploy a release to a stage, and see that it works.

python -m scripts.deploy staging
python -m scripts.deploy --target local
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from scripts.artifacts import Artifacts
from scripts.deployment.account import Account, is_aws
from scripts.deployment.command import add_shared, artifacts_of, ended, told
from scripts.deployment.console import Console
from scripts.deployment.deploying import Clients, Deploying, Options, Result
from scripts.deployment.errors import EXIT_CODES, StackError
from scripts.deployment.finishing import Finishing
from scripts.deployment.release import Release
from scripts.deployment.waiting import Waiting
from scripts.package import version_name
from scripts.packaging.assemble import PROJECT
from scripts.packaging.output import package
from scripts.smoke import line, pair

EPILOG = f"""
What happens: the sources are packaged and uploaded, unless --version names a release that is in the bucket or --release
a folder; a change set is made and shown; the stack is brought to it, the schema before the code, and CodeDeploy shifts
the traffic where the stage has it so; while one alarm watches, and for ten minutes after, CloudFormation takes it all
back if that fires; then a client connects, publishes and receives; then the release is on record, for scripts.releases
and scripts.rollback.

Refused: to replace or delete what cannot be made again (--allow-replace names each resource that may be), and to
overwrite what somebody changed by hand (--accept-drift). A parameter that was once given stays as it is.

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
      --parameter CertificateArn=arn:aws:acm:us-east-1:000000000000:certificate/x

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


class Command:
    """One deployment as asked for."""

    def __init__(self, arguments: argparse.Namespace, account: Clients, artifacts: Artifacts, waiting: Waiting) -> None:
        self._arguments = arguments
        self._artifacts = artifacts
        self._started = time.monotonic()
        self._made_for = "aws" if is_aws(account.client("cloudformation")) else "local"  # the zip: which machine
        self.console = Console(json=arguments.json, verbose=arguments.verbose)
        self.deploying = Deploying(account, artifacts, arguments.stage, console=self.console, waiting=waiting)
        self._finishing = Finishing(self.deploying, api_key=os.environ.get("DEFISTREAM_KEY"))

    def run(self) -> dict[str, Any]:
        """What a program is told. Raises what goes wrong, with what was found out by then in its ``more``."""
        result = None if self._arguments.dry_run else self._resumed()
        if result is None:
            self._finishing.look_before()
            result = self.deploying.deploy(self._release(), self._options())
        more: dict[str, Any] = result.as_json()
        try:
            if result.outcome == "deployed" and not self._arguments.no_smoke:
                self.console.title("Smoke test, as a client:")
                self._finishing.smoke(result, lambda check: self.console.line(line(check)))
                self._finishing.prune()
        except StackError as error:
            error.more = {**more, **self._finishing.seen}
            raise
        seconds = round(time.monotonic() - self._started, 1)
        return {"ok": True, "stage": self._arguments.stage, "seconds": seconds, **more, **self._finishing.seen}

    def _resumed(self) -> Result | None:
        """Of a change that was going on; None if that was not what is asked for."""
        result = self.deploying.resume()
        named = self._arguments.version or self._arguments.release
        if result is None or result.record is None or not named:
            return result
        return result if result.record.version == self._arguments.version else None

    def _release(self) -> Release:
        arguments = self._arguments
        if arguments.version:
            return self._artifacts.release(arguments.version)
        folder = arguments.release or make_release(arguments.stage, target=self._made_for, say=self.console.step)
        return self._artifacts.upload(folder, say=self.console.step)

    def _options(self) -> Options:
        arguments = self._arguments
        return Options(
            parameters=dict(arguments.parameter),
            dry_run=arguments.dry_run,
            allow_replace=arguments.allow_replace,
            accept_drift=arguments.accept_drift,
            monitor_minutes=arguments.monitor_minutes,
            yes=arguments.yes or arguments.target == "local",
            verbose=arguments.verbose,
        )


def make_release(stage: str, *, target: str, say: Callable[[str], None]) -> Path:
    """Package the sources for one stage; returns the folder. Raises PackagingError."""
    folder = PROJECT / "build" / (f"{stage}-local" if target == "local" else stage)
    seen: set[str] = set()

    def steps(text: str) -> None:
        step = text.partition(":")[0]
        if step and step not in seen:
            seen.add(step)
            say(step)

    package([stage], target=target, out=folder, say=steps)
    return folder


def deploy_to_account(arguments: argparse.Namespace) -> int:
    """To whatever account the environment opens."""
    account = Account.of_environment()
    artifacts = artifacts_of(account, arguments.stage, arguments.bucket)
    command = Command(arguments, account, artifacts, Waiting())
    try:
        conclude(command.console, command.run(), as_json=arguments.json)
    except StackError as error:
        return told("deploy", error, as_json=arguments.json, more=error.more)
    return 0


def conclude(console: Console, told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told), flush=True)
        return
    console.title("Outputs:")
    for name, value in sorted(told["outputs"].items()):
        console.line(f"{name:<28} {value}")
    version = f" release {told['version']}" if told["version"] else ""
    console.title(f"{told['stage']}: {told['outcome']}{version} in {told['seconds']:.0f} s")


# --- an account of this machine ---


async def deploy_locally(arguments: argparse.Namespace) -> int:
    """Until it is done, or until Ctrl-C: before it is up that is an interruption, with --keep after it the end."""
    interrupt = threading.Event()
    work = asyncio.create_task(_deploy_locally(arguments, interrupt))
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, work.cancel)
    try:
        return await work
    except asyncio.CancelledError:
        interrupt.set()
        print("deploy: interrupted; nothing is left running", file=sys.stderr)
        return 130


async def _deploy_locally(arguments: argparse.Namespace, interrupt: threading.Event) -> int:
    from localcloud.account.account import LocalAccount

    console = Console(json=arguments.json, verbose=arguments.verbose)
    async with LocalAccount(progress=console.step) as account:
        clients = Account(account.client)
        artifacts = Artifacts(clients.client("s3"), account.bucket)
        waiting = Waiting(every_s=0.2, interrupt=interrupt)
        command = Command(arguments, clients, artifacts, waiting)
        error: StackError | None = None
        try:
            found = await asyncio.to_thread(command.run)
        except StackError as failed:
            error, found = failed, dict(failed.more)
        finally:
            interrupt.set()
        about = {"aws_url": account.url, "stand_ins": account.stand_ins}
        about["differences"] = [asdict(each) for each in account.differences]
        if error is not None:
            print(f"\nministack said last:\n{account.tail()}", file=sys.stderr)
            return told("deploy", error, as_json=arguments.json, more={**found, **about})
        if not arguments.json:
            tell(console, about)
        conclude(console, {**found, **about}, as_json=arguments.json)
        if arguments.keep:
            console.title(f"It stays until Ctrl-C. From another terminal:\n\n{usage(arguments.stage, account.env)}")
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
    return 0


def tell(console: Console, about: dict[str, Any]) -> None:
    console.title("Otherwise here than on AWS:")
    for each in about["differences"]:
        console.line(f"{each['what']:<26} {each['here']}  ({each['why']})")
    console.title(f"Stand-ins, with nothing behind them: {sum(map(len, about['stand_ins'].values()))} resources")
    for kind, names in about["stand_ins"].items():
        console.line(f"{len(names):3}  {kind}: {', '.join(names)}")


def usage(stage: str, env: dict[str, str]) -> str:
    """What a person types to use what was deployed."""
    set_up = "\n".join(f"  export {name}={value}" for name, value in env.items())
    return f"{set_up}\n  {sys.executable} -m scripts.smoke {stage}"


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    arguments = options.parse_args(argv)
    if arguments.target == "local":
        arguments.stage = arguments.stage or "dev"
        return ended("deploy", lambda: asyncio.run(deploy_locally(arguments)), as_json=arguments.json)
    if not arguments.stage:
        options.error("name a STAGE")
    if arguments.keep:
        options.error("--keep is for --target local")
    return ended("deploy", lambda: deploy_to_account(arguments), as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
