"""A deployment to an AWS account that is made on this machine for it, and is gone afterwards."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
import threading
from dataclasses import asdict
from typing import Any

from scripts.artifacts import Artifacts
from scripts.deployment.account import Account
from scripts.deployment.command import told
from scripts.deployment.console import Console
from scripts.deployment.errors import StackError
from scripts.deployment.request import Request, conclude
from scripts.deployment.waiting import Waiting


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
        request = Request(arguments, clients, artifacts, waiting)
        error: StackError | None = None
        try:
            found = await asyncio.to_thread(request.run)
        except StackError as failed:
            error, found = failed, dict(failed.more)
        finally:
            interrupt.set()
        about: dict[str, Any] = {"aws_url": account.url, "stand_ins": account.stand_ins}
        about["unmeasured_alarms"] = account.unmeasured
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
    silent = about["unmeasured_alarms"]
    console.title(f"Alarms of which nothing here measures the metrics, so that they never ring: {len(silent)}")
    console.line(", ".join(silent))


def usage(stage: str, env: dict[str, str]) -> str:
    """What a person types to use what was deployed."""
    set_up = "\n".join(f"  export {name}={value}" for name, value in env.items())
    return f"{set_up}\n  {sys.executable} -m scripts.smoke {stage}"
