"""An AWS account on this machine, to which a stage is deployed by the very commands that deploy it to AWS."""

from __future__ import annotations

import asyncio
import platform
import shutil
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

from localcloud.account.clock import MINUTE_S
from localcloud.account.environment import Difference, Surroundings, differences
from localcloud.account.measured import is_measured
from localcloud.account.ministack.settings import AccountSettings
from localcloud.account.servers import Servers
from localcloud.feed.process import FeedProcess
from localcloud.ministack import ACCESS_KEY, REGION, SECRET_KEY, Ministack
from localcloud.standins import stood_in

BUCKET = "defi-stream-artifacts"
LEAST_MINUTE_S = 0.1  # evaluating the alarms of a stage takes a part of it

# What is otherwise without any variable of a function.
_BESIDES = (
    Difference(
        "zip",
        f"for {platform.machine()}, Python {platform.python_version()}",
        "functions run on this machine and with ministack's own Python",
    ),
    Difference("AWS_ENDPOINT_URL", "ministack", "set by it in every function, so that boto3 finds it instead of AWS"),
)

Progress = Callable[[str], None]


class LocalAccount:
    """``async with LocalAccount() as account``: there until the block ends, then nothing is left of it.

    ``account.env`` are the variables that make boto3, or any of our commands, talk to it. ``minute_s`` real seconds
    are a minute of its alarms, canaries and watches; ``patience`` multiplies the thresholds of alarms on lengths of
    time, which here say as much of a small machine that starts processes as of a release. Raises RuntimeError for a
    server that does not start, and leaves nothing behind then either.
    """

    def __init__(
        self,
        *,
        minute_s: float = MINUTE_S,
        patience: float = 1.0,
        port: int = 0,
        progress: Progress = lambda _: None,
    ) -> None:
        if minute_s < LEAST_MINUTE_S:
            raise ValueError(f"a minute lasts at least {LEAST_MINUTE_S:g} s, not {minute_s:g} s")
        if not patience >= 1.0:
            raise ValueError(f"patience is at least 1, not {patience:g}")
        self.minute_s, self.patience = minute_s, patience
        self.bucket = BUCKET
        self.aws: Ministack
        self._port, self._progress = port, progress
        self._stack = AsyncExitStack()
        self._here: Surroundings

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseExceptionGroup as failed:  # they start side by side: the first to fail ends the others
            await self._stack.aclose()
            raise failed.exceptions[0] from None
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="defi-stream-account-"))
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        feed, servers = FeedProcess(directory / "feed.log"), Servers(directory)
        self.aws = Ministack(directory / "aws", port=self._port)
        self._here = Surroundings(aws_url=self.aws.url, feed_url=feed.url)
        settings = AccountSettings(
            surroundings=self._here, servers=str(servers.path), minute_s=self.minute_s, patience=self.patience
        )
        self.aws.extra = settings.environment()
        await self._run("databases", servers.start, servers.stop)
        async with asyncio.TaskGroup() as starting:
            starting.create_task(self._run("recorded DefiLlama", feed.start, feed.stop))
            starting.create_task(self._run("ministack", self.aws.start, self.aws.stop))
        self.client("s3").create_bucket(Bucket=self.bucket)

    async def _run(self, name: str, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stack.push_async_callback(stop)
        await start()
        self._progress(name)

    @property
    def url(self) -> str:
        """Of every API of the account."""
        return self.aws.url

    @property
    def env(self) -> dict[str, str]:
        """What to set to talk to it."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "ARTIFACT_BUCKET": self.bucket,  # that our own commands look for releases in
        }

    @property
    def differences(self) -> list[Difference]:
        """All that is otherwise here than in AWS, but for the stand-ins."""
        told = [*differences(self._here), *_BESIDES]
        if self.minute_s != MINUTE_S:
            why = "of canaries, alarms and the watch after an update, so that a deployment can be tried in a moment"
            told.append(Difference("a minute", f"{self.minute_s:g} s", why))
        if self.patience != 1.0:
            why = "a canary's first calls start processes on this machine, and a short minute has few others"
            told.append(Difference("alarms on time", f"fire at {self.patience:g} times their threshold", why))
        return told

    @property
    def stand_ins(self) -> dict[str, list[str]]:
        """Logical ids by type of what its stacks hold and nothing works behind."""
        cloudformation = self.client("cloudformation")
        held: dict[str, str] = {}
        for stack in cloudformation.describe_stacks()["Stacks"]:
            pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=stack["StackName"])
            for page in pages:
                held |= {each["LogicalResourceId"]: each["ResourceType"] for each in page["StackResourceSummaries"]}
        return stood_in(held)

    @property
    def unmeasured(self) -> list[str]:
        """Names of the alarms whose metrics nothing here measures: they see missing data, whatever happens."""
        alarms = self.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm"])
        return sorted(each["AlarmName"] for page in alarms for each in page["MetricAlarms"] if not is_measured(each))

    def client(self, service: str) -> Any:
        """A boto3 client of it."""
        return self.aws.client(service)

    def tail(self) -> str:
        """The end of what ministack said, for an error message."""
        return self.aws.tail()
