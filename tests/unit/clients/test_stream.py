"""The client's shell against a real server on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

import defistream
import pytest
from defistream.__main__ import as_row, as_summary, main, parser, watch
from websockets.exceptions import ConnectionClosed

from tests.unit.clients.loopback import Loopback
from tests.unit.clients.model_server import ModelServer

TOPICS = ["price:a", "price:b"]


@pytest.fixture
async def server() -> AsyncIterator[Loopback]:
    async with Loopback(ModelServer(TOPICS)) as loopback:
        yield loopback


def connect(server: Loopback, **options: Any) -> defistream.Stream:
    credentials = {} if {"token", "tokens"} & set(options) else {"api_key": "k1"}
    return defistream.connect(server.url, **credentials, jitter=lambda: 0.0, **options)


async def take(stream: defistream.Stream, count: int) -> list[tuple[str, int]]:
    async with asyncio.timeout(10):
        return [(update.topic, update.offset) for update in [await anext(stream) for _ in range(count)]]


async def publish(server: Loopback, topic: str = "price:a", *, lose: bool = False) -> None:
    server.model.publish(topic, due=True)
    if lose:
        server.model.flying.clear()
    await server.flush()


async def test_a_subscriber_gets_snapshots_then_updates(server: Loopback) -> None:
    async with connect(server) as stream:
        result = await stream.subscribe("price:*")
        await publish(server)

        assert sorted(result.topics) == TOPICS
        assert sorted(await take(stream, 3)) == [("price:a", 1), ("price:a", 2), ("price:b", 1)]
        assert server.handshakes == [("k1", None)]


async def test_an_update_is_immutable_exact_and_knows_its_delay(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        update = await anext(stream)

        assert str(update.value) == "1"
        assert update.snapshot
        assert update.published_at.tzinfo is not None
        assert update.delay_ms == (update.received_at - update.published_at).total_seconds() * 1000
        with pytest.raises(AttributeError):
            update.value = 2  # type: ignore[misc]


async def test_a_cut_connection_is_resumed_and_misses_nothing(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:*")
        await take(stream, 2)
        server.cut()
        for _ in range(3):
            server.model.publish("price:a", due=True)

        assert await take(stream, 3) == [("price:a", 2), ("price:a", 3), ("price:a", 4)]
        assert (stream.stats.reconnects, stream.stats.recovered, stream.stats.not_recovered) == (1, 2, 0)


async def test_what_is_no_longer_in_the_log_is_reported_and_a_snapshot_follows(server: Loopback) -> None:
    events: list[defistream.Event] = []
    async with connect(server, on_event=events.append) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        server.cut()
        server.model.publish("price:a", due=True)
        server.model.publish("price:a", due=True)
        server.model.trim()

        assert await take(stream, 1) == [("price:a", 3)]
        assert stream.stats.not_recovered == 1
        assert "not_recovered" in [event.name for event in events]


async def test_a_gap_is_given_time_and_then_asked_for(server: Loopback) -> None:
    async with connect(server, gap_wait_s=0.05) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        await publish(server, lose=True)
        await publish(server)

        assert await take(stream, 2) == [("price:a", 3), ("price:a", 2)]
        assert (stream.stats.gaps, stream.stats.recovered) == (1, 1)
        assert server.commands[-1]["since"] == {"price:a": {"epoch": "e1", "offset": 1}}


async def test_newest_leaves_out_what_is_older_than_shown(server: Loopback) -> None:
    async with connect(server, order="newest", gap_wait_s=0.05) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        await publish(server, lose=True)
        await publish(server)
        assert await take(stream, 1) == [("price:a", 3)]
        await server.until(lambda: len(server.commands) == 2)  # the gap is asked for all the same
        await publish(server)

        assert await take(stream, 1) == [("price:a", 4)]


async def test_a_slow_reader_stops_the_reading_and_loses_nothing(server: Loopback) -> None:
    async with connect(server, max_buffered=5) as stream:
        await stream.subscribe("price:a")
        for _ in range(40):
            await publish(server)

        assert await take(stream, 41) == [("price:a", offset) for offset in range(1, 42)]


@pytest.mark.parametrize(("status", "kind"), [(401, "AuthenticationError"), (403, "RefusedError")])
async def test_a_refused_key_is_final(server: Loopback, status: int, kind: str) -> None:
    server.refusals.append((status, {}))
    with pytest.raises(getattr(defistream, kind)) as refused:
        async with connect(server):
            pass

    assert refused.value.http_status == status
    assert len(server.handshakes) == 1


async def test_a_full_house_is_waited_for(server: Loopback) -> None:
    server.refusals.extend([(429, {"retry-after": "0"}), (503, {})])
    async with connect(server) as stream:
        await stream.ping()

    assert len(server.handshakes) == 3


async def test_a_used_token_is_followed_by_a_new_one(server: Loopback) -> None:
    given = iter(["t2", "t3"])

    async def tokens() -> str:
        return next(given)

    async with connect(server, token="t1", tokens=tokens) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        server.cut()
        await publish(server)
        assert await take(stream, 1) == [("price:a", 2)]

    assert [token for _, token in server.handshakes] == ["t1", "t2"]


async def test_a_token_alone_ends_the_stream_at_its_second_connection(server: Loopback) -> None:
    async with connect(server, token="t1") as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        server.cut()
        with pytest.raises(defistream.AuthenticationError):
            await take(stream, 1)


async def test_the_session_is_extended_before_it_ends() -> None:
    given = iter(["t1", "t2", "t3", "t4", "t5"])

    async def tokens() -> str:
        return next(given)

    async with Loopback(ModelServer(TOPICS), session_s=1.5) as server, connect(server, tokens=tokens) as stream:
        await stream.subscribe("price:a")
        await server.until(lambda: any(command["action"] == "refresh" for command in server.commands))

    assert server.commands[-1]["token"] == "t2"


async def test_errors_carry_what_the_server_said(server: Loopback) -> None:
    server.replies["subscribe"] = {
        "code": 3001, "name": "too_many_commands", "message": "slower", "temporary": True, "retry_after": 2,
    }  # fmt: skip
    async with connect(server) as stream:
        with pytest.raises(defistream.LimitError) as refused:
            await stream.subscribe("price:a")

    error = refused.value
    assert (error.code, error.name, error.temporary, error.retry_after) == (3001, "too_many_commands", True, 2.0)


async def test_a_temporary_refusal_of_a_resume_is_tried_again(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        server.replies["subscribe"] = {"code": 5001, "name": "store_down", "message": "", "temporary": True}
        server.cut()
        server.model.publish("price:a", due=True)

        assert await take(stream, 1) == [("price:a", 2)]


async def test_a_command_without_a_reply_times_out(server: Loopback) -> None:
    server.silent = True
    async with connect(server) as stream:
        with pytest.raises(defistream.CommandTimeoutError):
            await stream.list(timeout_s=0.05)


async def test_a_planned_disconnect_is_resumed(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        await server.send({"type": "notice", "name": "going_away", "at": "", "message": ""})
        await server.until(lambda: len(server.handshakes) == 2)
        await server.until(lambda: len(server.commands) == 2)
        await publish(server)

        assert await take(stream, 1) == [("price:a", 2)]


async def test_a_lost_session_is_subscribed_again_with_since(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        server.model.forget()
        server.model.publish("price:a", due=True)
        await stream.ping()

        assert await take(stream, 1) == [("price:a", 2)]


async def test_positions_carry_a_stream_over_to_the_next_run(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        await take(stream, 1)
        positions = stream.positions()
    server.model.disconnect()
    server.model.publish("price:a", due=True)
    async with connect(server) as stream:
        await stream.subscribe("price:a", since=positions)

        assert await take(stream, 1) == [("price:a", 2)]


async def test_nothing_listening_is_reported_in_time() -> None:
    with pytest.raises(defistream.ConnectionLostError):
        async with defistream.connect("ws://127.0.0.1:9", api_key="k", open_timeout_s=0.2):
            pass


async def test_the_command_line_prints_json_and_counts(server: Loopback) -> None:
    out, err = io.StringIO(), io.StringIO()
    options = parser().parse_args([server.url, "price:a", "--key", "k1", "--json", "--count", "1"])

    assert await watch(options, out, err) == 0
    assert json.loads(out.getvalue())["value"] == "1"
    assert json.loads(out.getvalue())["delay_ms"] is None
    assert err.getvalue() == "# connected\n# 1 update received, none missed\n"


async def test_a_row_of_the_table_shows_a_delay_only_where_one_was_measured(server: Loopback) -> None:
    async with connect(server) as stream:
        await stream.subscribe("price:a")
        await publish(server)
        snapshot, change = [await anext(stream) for _ in range(2)]

    assert as_row(snapshot).endswith(" \N{EN DASH}")
    assert as_row(change).endswith(" ms")


def test_the_last_line_says_what_came_and_what_is_missing() -> None:
    stats = defistream.Stats(updates=1234, not_recovered=1, reconnects=2, duplicates=1)
    said = "1,234 updates received, updates missed on 1 topic, 2 reconnects, 1 duplicate dropped"
    assert as_summary(stats) == said


async def test_without_a_rate_the_command_line_takes_the_fastest_that_is_allowed(server: Loopback) -> None:
    """A key or token of a slow tier is not a reason to be refused."""
    server.refused_rates = {"realtime", "1s"}
    out, err = io.StringIO(), io.StringIO()

    assert await watch(parser().parse_args([server.url, "price:a", "--api-key", "k1", "--count", "1"]), out, err) == 0
    assert [command["rate"] for command in server.commands] == ["realtime", "1s", "5s"]


async def test_a_rate_that_was_asked_for_and_is_too_fast_is_refused_with_advice(server: Loopback) -> None:
    server.refused_rates = {"realtime", "1s"}
    out, err = io.StringIO(), io.StringIO()
    options = parser().parse_args([server.url, "price:a", "--key", "k1", "--rate", "1s"])

    assert await watch(options, out, err) == 3
    assert "error: 2005 rate_too_fast: the fastest rate of tier free is 5s; choose that" in err.getvalue()


async def test_a_refused_port_is_one_line_that_says_so_and_that_it_is_tried_again() -> None:
    out, err = io.StringIO(), io.StringIO()

    assert await watch(parser().parse_args(["ws://127.0.0.1:9", "price:a", "--seconds", "0.2"]), out, err) == 1
    *tries, last = err.getvalue().splitlines()
    assert "no token from http://127.0.0.1:9/v1/tokens: connection refused, nothing listens on that port" in tries[0]
    assert "; trying again in " in tries[0]
    assert last == "error: no connection within 0.2 s"


async def test_a_reader_who_has_had_enough_ends_it_quietly(server: Loopback) -> None:
    """As in ``| head -1``: no traceback, no last line, exit code 0."""
    command = [sys.executable, "-m", "defistream", server.url, "price:a", "--key", "k1"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = await asyncio.create_subprocess_exec(*command, **pipes)
    assert process.stdout is not None
    assert process.stderr is not None
    assert await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined] # asyncio has no other way to stop reading
    async with asyncio.timeout(20):
        while process.returncode is None:
            with contextlib.suppress(ConnectionClosed):  # raised without yielding to the loop once the client has gone
                await publish(server)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 0.05)

    assert (process.returncode, await process.stderr.read()) == (0, b"# connected\n")


def test_the_command_line_teaches(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "tvl:protocol:*" in capsys.readouterr().out
    assert main(["http://127.0.0.1:1", "price:a"]) == 2
