"""One deployment as asked for on the command line: what was going on is followed, then the release is deployed."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from scripts.artifacts import Artifacts
from scripts.deployment.account import Clients, is_aws
from scripts.deployment.console import Console
from scripts.deployment.deploying import Deploying
from scripts.deployment.errors import StackError
from scripts.deployment.finishing import Finishing
from scripts.deployment.options import Options, Result
from scripts.deployment.release import Release
from scripts.deployment.waiting import Waiting
from scripts.packaging.output import package
from scripts.packaging.project import PROJECT
from scripts.smoke import line


class Request:
    """One deployment as asked for on the command line."""

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
            monitor_minutes=0 if arguments.at_once else arguments.monitor_minutes,
            shifts_traffic=not arguments.at_once,
            role=arguments.role,
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


def conclude(console: Console, told: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(told), flush=True)
        return
    console.title("Outputs:")
    for name, value in sorted(told["outputs"].items()):
        console.line(f"{name:<28} {value}")
    version = f" release {told['version']}" if told["version"] else ""
    console.title(f"{told['stage']}: {told['outcome']}{version} in {told['seconds']:.0f} s")
