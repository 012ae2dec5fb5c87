"""The smoke test itself: it must fail where it should."""

from __future__ import annotations

import json
import time
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.server import Server, ServerConnection, serve

from localcloud.processes import free_port
from scripts.smoke import parser
from scripts.smoke_checks import Smoke, SmokeError, Target, observed


class Publisher:
    """SNS and SQS: takes everything."""

    def publish(self, **_: Any) -> None: ...

    def send_message(self, **_: Any) -> None: ...


def smoke_of(server: Server | None, **options: Any) -> Smoke:
    port = server.sockets[0].getsockname()[1] if server else free_port()
    urls = {"ws_url": f"ws://127.0.0.1:{port}/ws", "rest_url": f"http://127.0.0.1:{port}"}
    target = Target(**urls, topic_arn="arn", queue_url="url", **options)
    return Smoke(target, sns=Publisher(), sqs=Publisher())


async def test_a_stage_that_does_not_answer_fails_the_first_check_and_names_what_was_not_tried() -> None:
    report = await smoke_of(None).run()
    assert not report.ok
    assert [(check.name, check.ok) for check in report.checks] == [("health", False)]
    assert report.not_run[-1] == "ping"


async def test_a_gateway_that_lets_everyone_in_fails() -> None:
    async def welcome(connection: ServerConnection) -> None:
        await connection.wait_closed()

    async with serve(welcome, "127.0.0.1", 0) as server:
        with pytest.raises(SmokeError, match="was let in"):
            await smoke_of(server)._refusal()


@pytest.mark.parametrize(("frame", "arrives"), [({"value": "1"}, False), ({}, True)])
async def test_only_the_published_value_counts_as_its_update(frame: dict[str, str], arrives: bool) -> None:
    """A snapshot, or another run's update of the same topic, proves nothing."""
    observation = observed("feed:smoke:topic")
    update = {"topic": observation.topic, "value": str(observation.value), "offset": 7, **frame}

    async def push(connection: ServerConnection) -> None:
        await connection.send(json.dumps({"type": "updates", "updates": [update]}))
        await connection.wait_closed()

    async with serve(push, "127.0.0.1", 0) as server:
        smoke = smoke_of(server, within_s=0.5)
        smoke._socket = await smoke._dial(smoke._target.ws_url)
        if arrives:
            assert "offset 7" in await smoke._arrived(observation, time.monotonic())
        else:
            with pytest.raises(SmokeError, match="no update"):
                await smoke._arrived(observation, time.monotonic())
        await smoke._socket.close()


def test_an_observation_is_always_a_change() -> None:
    assert observed("feed:smoke:topic").value > Decimal(10**12)


PLACE = ["--ws-url", "ws://x", "--rest-url", "http://x", "--topic-arn", "arn", "--queue-url", "url"]


def test_secrets_need_not_be_on_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEFISTREAM_KEY", "the key")
    monkeypatch.setenv("ORIGIN_A", "the=secret")
    said = parser().parse_args([*PLACE, "--header", "x-b=1=2", "--header-from", "x-origin-verify-a=ORIGIN_A"])
    assert said.api_key == "the key"
    assert said.header == [("x-b", "1=2"), ("x-origin-verify-a", "the=secret")]


@pytest.mark.parametrize("wrong", [["--header", "x"], ["--header-from", "x=NOT_SET_ANYWHERE"], ["--header-from", "x"]])
def test_a_header_without_a_value_is_a_wrong_argument(wrong: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        parser().parse_args([*PLACE, *wrong])
