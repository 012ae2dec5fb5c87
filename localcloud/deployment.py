"""A stage's packaged template deployed on this machine, with what runs here in place of what ministack only records."""

from __future__ import annotations

import asyncio
import platform
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Self

import psycopg
from psycopg import sql

from localcloud.feed.process import FeedProcess
from localcloud.ministack import Ministack
from localcloud.stack import Difference, Surroundings, database_of, localise, stood_in
from localcloud.stores import PostgresServer, RedisServer
from scripts.artifacts import Package, upload
from scripts.changeset import ChangeSet, OnEvent, StackResource
from scripts.smoke_checks import Target

BUCKET = "defi-stream-artifacts"
COLD_START_S = 60.0  # of two functions in a row, each with its zip to unpack, on a busy machine

# What differs without a change of the template.
BESIDE_THE_TEMPLATE = (
    Difference(
        "zip",
        f"for {platform.machine()}, Python {platform.python_version()}",
        "ministack runs functions on this machine and with its own Python",
    ),
    Difference("AWS_ENDPOINT_URL", "ministack", "set by it in every function, so that boto3 finds it instead of AWS"),
)

Progress = Callable[[str], None]


class LocalStage:
    """``async with LocalStage(make, ...) as stage``: deployed until the block ends, then nothing is left of it.

    ``make`` builds the package; it runs beside the start of the servers. Raises StackError for a template that
    ministack does not take or cannot create, RuntimeError for a server that does not start, and what ``make`` raises,
    and leaves nothing behind then either.
    """

    def __init__(
        self, make: Callable[[], Package], *, progress: Progress = lambda _: None, on_event: OnEvent = lambda _: None
    ) -> None:
        self._make = make
        self._progress = progress
        self._on_event = on_event
        self._stack = AsyncExitStack()
        self.outputs: dict[str, str] = {}
        self.resources: tuple[StackResource, ...] = ()
        self.differences: list[Difference] = []
        self.key = ""
        self.redis: RedisServer
        self.postgres: PostgresServer
        self.aws: Ministack

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

    async def __aexit__(self, *details: object) -> None:
        await self._stack.aclose()

    async def _start(self) -> None:
        directory = Path(tempfile.mkdtemp(prefix="defi-stream-stage-"))
        self._stack.callback(shutil.rmtree, directory, ignore_errors=True)
        self.redis = RedisServer(directory / "redis")
        self.postgres = PostgresServer()
        self.aws = Ministack(directory / "aws")
        feed = FeedProcess(directory / "feed.log")
        async with asyncio.TaskGroup() as starting:
            package = starting.create_task(self._package())
            starting.create_task(self._run("Redis", self.redis.start, self.redis.stop))
            starting.create_task(self._run("PostgreSQL", self.postgres.start, self.postgres.stop))
            starting.create_task(self._run("ministack", self.aws.start, self.aws.stop))
            starting.create_task(self._run("recorded DefiLlama", feed.start, feed.stop))
        here = Surroundings(
            aws_url=self.aws.url, redis_url=self.redis.url, postgres_url=self.postgres.url, feed_url=feed.url
        )
        await asyncio.to_thread(self._deploy, package.result(), here)

    async def _run(self, name: str, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]]) -> None:
        self._stack.push_async_callback(stop)
        await start()
        self._progress(name)

    async def _package(self) -> Package:
        package = await asyncio.to_thread(self._make)
        self._progress(f"package of stage {package.stage}: {package.archive.stat().st_size / 1e6:.1f} MB")
        return package

    def _deploy(self, package: Package, here: Surroundings) -> None:
        template, differences = localise(package.template, here)
        self.differences = [*differences, *BESIDE_THE_TEMPLATE]
        self._make_database(*database_of(template))
        s3 = self.aws.client("s3")
        s3.create_bucket(Bucket=BUCKET)
        url = upload(s3, BUCKET, package, template)
        self._progress("template and zip in S3")
        change = ChangeSet(self.aws.client("cloudformation"), f"defi-stream-{package.stage}", every_s=0.1)
        parameters = {**package.parameters, "ArtifactBucket": BUCKET}
        self.outputs = change.deploy({"TemplateURL": url}, parameters, on_event=self._on_event)
        self.resources = change.resources()
        self.key = self.aws.issue_key(self.outputs["KeysTable"], name="local deployment")

    def _make_database(self, name: str, owner: str) -> None:
        """What RDS makes of an instance's properties."""
        with psycopg.connect(self.postgres.url, autocommit=True) as connection:
            role, database = sql.Identifier(owner), sql.Identifier(name)
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEROLE CREATEDB").format(role))
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(database, role))

    @property
    def stand_ins(self) -> dict[str, list[str]]:
        """Logical ids by type of the resources that ministack does not make."""
        return stood_in({resource.logical_id: resource.type for resource in self.resources})

    @property
    def ws_url(self) -> str:
        return self._invoke_url("AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::Stage").replace("http", "ws", 1)

    @property
    def rest_url(self) -> str:
        return self._invoke_url("AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage")

    def _invoke_url(self, api: str, stage: str) -> str:
        return f"{self.aws.url}/_aws/execute-api/{self._only(api).physical_id}/{self._only(stage).physical_id}"

    def _only(self, kind: str) -> StackResource:
        (found,) = (resource for resource in self.resources if resource.type == kind)
        return found

    def smoke_target(self) -> Target:
        """What a client must know of the stage: as behind CloudFront, it sends what the origin guard asks for."""
        return Target(
            ws_url=self.ws_url,
            rest_url=self.rest_url,
            topic_arn=self.outputs["ObservationsTopicArn"],
            queue_url=self.outputs["EventsQueueUrl"],
            api_key=self.key,
            headers=self._origin_headers(),
            within_s=COLD_START_S,
        )

    def _origin_headers(self) -> Mapping[str, str]:
        secrets: Any = self.aws.client("secretsmanager")
        found = {resource.logical_id: resource.physical_id for resource in self.resources}
        return {
            f"x-origin-verify-{letter.lower()}": secrets.get_secret_value(SecretId=found[f"OriginSecret{letter}"])[
                "SecretString"
            ]
            for letter in "AB"
        }
