"""What a person does with a stage beside the workflows: deploy it first, load it, look what serves."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3

from scripts.deployment.stack import Stack

STAGES = ("staging", "production")
LOAD_END_S = 900.0
QUIET_S = 10.0  # two minutes of the alarms' clock: what has been measured until then has been evaluated
QUIET_WITHIN_S = 240.0


class CommandError(RuntimeError):
    """A command ended badly; the text has its last words."""


class Person:
    """Somebody with credentials of the account, in a clone of the repository."""

    def __init__(self, work: Path, env: Mapping[str, str], bucket: str) -> None:
        self.work = work
        self.env = {**os.environ, **env, "ARTIFACT_BUCKET": bucket}
        self._session = boto3.Session(
            env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"], region_name=env["AWS_REGION"]
        )
        self._endpoint = env["AWS_ENDPOINT_URL"]

    def client(self, service: str) -> Any:
        variable = f"AWS_ENDPOINT_URL_{service.upper()}"
        return self._session.client(service, endpoint_url=self.env.get(variable, self._endpoint))

    def run(self, module: str, *words: str) -> str:
        """A command of the project; returns what it prints. Raises CommandError."""
        done = subprocess.run(
            [sys.executable, "-m", module, *words],
            cwd=self.work,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            said = "\n".join([*done.stdout.splitlines()[-30:], *done.stderr.splitlines()[-30:]])
            raise CommandError(f"{module} {' '.join(words)} ended with {done.returncode}:\n{said}")
        return done.stdout

    def outputs(self, stage: str) -> dict[str, str]:
        state = Stack(self.client("cloudformation"), f"defi-stream-{stage}").state()
        return dict(state.outputs) if state else {}

    def deploy_role(self, stage: str) -> str:
        """ARN of the role that the stage's workflows take."""
        return str(self.client("iam").get_role(RoleName=self.held(stage, "DeployRole"))["Role"]["Arn"])

    def held(self, stage: str, logical_id: str) -> str:
        """Physical id of a resource of the stage. Raises CommandError if there is none."""
        resources = Stack(self.client("cloudformation"), f"defi-stream-{stage}").resources()
        for one in resources:
            if one.logical_id == logical_id:
                return one.physical_id
        raise CommandError(f"{stage} has no {logical_id}")

    def records(self, stage: str) -> list[dict[str, Any]]:
        """Of every deployment, the newest first."""
        told: dict[str, Any] = json.loads(self.run("scripts.releases", stage, "--json"))
        return list(told["records"])

    def serving(self, stage: str) -> dict[str, Any]:
        """The record of the newest deployment that took."""
        return next(record for record in self.records(stage) if record["outcome"] == "deployed")

    def current(self, stage: str) -> str | None:
        told: dict[str, Any] = json.loads(self.run("scripts.releases", stage, "--json"))
        return told["current"]

    def aliases(self, stage: str) -> dict[str, str]:
        """Version of each function that ``live`` points to. Raises AssertionError while one is shared between two."""
        functions = self.client("lambda")
        found = {}
        for page in functions.get_paginator("list_functions").paginate():
            for function in page["Functions"]:
                name = function["FunctionName"]
                if not name.startswith(f"defi-stream-{stage}-"):
                    continue
                for alias in functions.list_aliases(FunctionName=name)["Aliases"]:
                    if alias.get("RoutingConfig", {}).get("AdditionalVersionWeights"):
                        raise AssertionError(f"{name}:{alias['Name']} is still shared between two versions")
                    found[name] = alias["FunctionVersion"]
        return found

    def verdicts(self, stage: str) -> list[str]:
        """What the pre-traffic hook found wrong with new versions, each in a line."""
        group = f"/aws/lambda/defi-stream-{stage}-verify-release"
        pages = self.client("logs").get_paginator("filter_log_events").paginate(logGroupName=group)
        said = [event["message"] for page in pages for event in page["events"] if "release_judged" in event["message"]]
        return [problem for line in said for problem in json.loads(line).get("problems", ())]

    def is_quiet(self, stage: str) -> bool:
        """Whether the alarm that takes releases back is off."""
        name = f"defi-stream-{stage}-DeploymentAlarm"
        found = self.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=["CompositeAlarm"])
        return [alarm["StateValue"] for alarm in found["CompositeAlarms"]] == ["OK"]

    def key(self, stage: str) -> str:
        """An API key with room for a load test."""
        table = self.outputs(stage)["KeysTable"]
        words = ["--table", table, "issue", "--tier", "enterprise", "--name", "load test", "--json"]
        return str(json.loads(self.run("scripts.keys", *words))["key"])

    @contextmanager
    def under_load(self, stage: str, key: str, folder: Path, *, users: int, seconds: int) -> Iterator[LoadTest]:
        """A load test of the stage beside what the block does."""
        words = ["--users", str(users), "--duration", f"{seconds}s", "--directory", str(folder), "--json"]
        words += ["--changes", "3", "--topics", "20", "--settle", "5s"]
        with (folder.parent / f"{folder.name}.log").open("w") as said:
            process = subprocess.Popen(
                [sys.executable, "-m", "scripts.load_stage", stage, *words],
                cwd=self.work,
                env={**self.env, "LOAD_TEST_KEY": key},
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        try:
            load = LoadTest(process, Path(said.name))
            self._wait_for_quiet(stage, load)
            yield load
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(30)

    def _wait_for_quiet(self, stage: str, load: LoadTest) -> None:
        """Until users are served and no alarm is on, as before any release. Raises CommandError if that does not come.

        The first updates meet functions that have yet to start, which an alarm may take for slowness.
        """
        until = time.monotonic() + QUIET_WITHIN_S
        quiet_since: float | None = None
        while quiet_since is None or time.monotonic() - quiet_since < QUIET_S:
            if load.is_over() or time.monotonic() > until:
                raise CommandError(f"{stage} did not become quiet under load: {load.last_words()}")
            if not (load.is_served() and self.is_quiet(stage)):
                quiet_since = None
            elif quiet_since is None:
                quiet_since = time.monotonic()
            time.sleep(1.0)


class LoadTest:
    """A load test that goes on beside us; ``said`` is its progress."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self._process = process
        self._said = said

    def is_served(self) -> bool:
        return "updates/s" in self._said.read_text()

    def last_words(self) -> str:
        return self._said.read_text()[-500:]

    def is_over(self) -> bool:
        return self._process.poll() is not None

    def result(self) -> dict[str, Any]:
        """Wait for its end. Raises CommandError if it had nothing to load."""
        told, _ = self._process.communicate(timeout=LOAD_END_S)
        if not told.strip():
            raise CommandError(f"the load test ended with {self._process.returncode} and told nothing")
        result: dict[str, Any] = json.loads(told)
        return result
