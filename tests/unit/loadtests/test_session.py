"""A client of the load test against a server whose frames can be held back, on a real socket."""

import asyncio
import io
import json
from collections import Counter
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest
from defistream.wants import Want

from loadtests import session as session_module
from loadtests.ledger import Delays, Ledger
from loadtests.session import Session
from loadtests.wire import EndedError, RefusedError, Wire
from tests.unit.clients.loopback import Loopback
from tests.unit.clients.model_server import ModelServer

TOPICS = ["price:a", "price:b"]


class Client:
    """A session with its ledger; every method runs in a thread, as the session blocks."""

    def __init__(self, url, **want):
        self.rows = []
        self.ledger = Ledger(lambda **row: self.rows.append(row), Delays(io.StringIO(), {}))
        headers = {"x-api-key": "ds_key"}
        self.session = Session(self.ledger, f"{url}/ws", headers, patterns=TOPICS, want=Want(**want), gap_wait_s=0.2)

    async def do(self, name, *arguments):
        return await asyncio.to_thread(getattr(self.session, name), *arguments)

    async def until(self, holds, server):
        """Let it listen until something holds of its counters."""
        async with asyncio.timeout(10):
            while not holds(self.ledger.counts):
                await server.flush()
                await self.do("stay", 0.05)

    def named(self, kind):
        return Counter(row["name"] for row in self.rows if row["request_type"] == kind and row["exception"] is None)

    def failed(self):
        return [(row["name"], str(row["exception"])) for row in self.rows if row["exception"] is not None]


@asynccontextmanager
async def serving():
    model = ModelServer(TOPICS)
    async with Loopback(model) as server:
        yield model, server


@asynccontextmanager
async def listening(server, **want):
    client = Client(server.url, **want)
    assert await client.do("open")
    await client.until(lambda counts: counts["snapshots"] == len(TOPICS), server)
    yield client
    await client.do("close")


def publish_now(model, name):
    """A change of this moment: it is live for whoever is connected."""
    model.publish(name, due=True)
    frame = json.loads(model.flying.pop())
    frame["updates"][0]["published_at"] = datetime.now(UTC).isoformat()
    model.topics[name].log[-1]["published_at"] = frame["updates"][0]["published_at"]
    return json.dumps(frame)


async def test_updates_are_received_timed_and_counted():
    async with serving() as (model, server), listening(server) as client:
        for _ in range(3):
            model.flying.append(publish_now(model, "price:a"))
        await client.until(lambda counts: counts["updates"] == 3, server)
        assert client.named("PUSH") == {"price realtime": 3}
        assert client.named("WS") == {"connect": 1, "subscribe": 1}
        assert client.ledger.counts["lost"] == client.ledger.counts["missed"] == 0


async def test_what_was_published_during_a_break_comes_by_resuming():
    async with serving() as (model, server), listening(server) as client:
        await client.do("cut")
        model.disconnect()
        model.publish("price:a", due=True)
        assert await client.do("open")
        await client.until(lambda counts: counts["replayed"] == 1, server)
        assert client.named("WS")["resume"] == 1
        assert client.ledger.counts["lost"] == client.ledger.counts["missed"] == 0


async def test_a_lost_update_is_missed_as_soon_as_its_successor_comes():
    async with serving() as (model, server), listening(server) as client:
        publish_now(model, "price:a")  # never sent
        model.flying.append(publish_now(model, "price:a"))
        await client.until(lambda counts: counts["missed"] == 1, server)
        await client.until(lambda _: client.named("WS")["fill gap"] == 1, server)
        assert client.ledger.counts["lost"] == 0


async def test_the_last_update_of_all_is_found_missing_by_the_audit(monkeypatch):
    """No successor tells of it: only the server can."""
    monkeypatch.setattr(session_module, "QUIET_S", 0.0)
    monkeypatch.setattr(session_module, "LOOK_S", 0.05)
    async with serving() as (model, server), listening(server) as client:
        publish_now(model, "price:a")  # never sent
        await client.do("audit")
        assert (client.ledger.counts["missed"], client.ledger.counts["audited"]) == (1, 1)


async def test_what_came_is_not_found_missing(monkeypatch):
    monkeypatch.setattr(session_module, "QUIET_S", 0.0)
    monkeypatch.setattr(session_module, "LOOK_S", 0.05)
    async with serving() as (model, server), listening(server) as client:
        model.flying.append(publish_now(model, "price:a"))
        await client.until(lambda counts: counts["updates"] == 1, server)
        await client.do("audit")
        assert (client.ledger.counts["missed"], client.ledger.counts["audited"]) == (0, 1)


async def test_at_a_slower_rate_an_update_may_have_been_waiting_for_its_slot(monkeypatch):
    monkeypatch.setattr(session_module, "QUIET_S", 0.0)
    monkeypatch.setattr(session_module, "LOOK_S", 0.05)
    async with serving() as (model, server), listening(server, rate="5s") as client:
        publish_now(model, "price:a")
        await client.do("audit")
        assert client.ledger.counts["missed"] == 0


async def test_what_the_server_no_longer_has_is_lost(monkeypatch):
    monkeypatch.setattr(session_module, "QUIET_S", 0.0)
    monkeypatch.setattr(session_module, "LOOK_S", 0.05)
    async with serving() as (model, server), listening(server) as client:
        publish_now(model, "price:a")
        model.trim()
        await client.do("audit")
        assert client.ledger.counts["lost"] == 1
        assert client.ledger.losses == {"updates after N are no longer in the server's log": 1}


async def test_a_client_without_an_answer_is_unaudited(monkeypatch):
    monkeypatch.setattr(session_module, "AUDIT_S", 0.1)
    monkeypatch.setattr(session_module, "LOOK_S", 0.05)
    async with serving() as (_, server), listening(server) as client:
        server.silent = True
        await client.do("audit")
        assert client.ledger.counts["unaudited"] == 1


async def test_a_refused_handshake_is_a_failure():
    async with serving() as (_, server):
        server.refusals.append((429, {}))
        client = Client(server.url)
        assert not await client.do("open")
        assert client.failed() == [("connect", "handshake refused: 429")]


async def test_a_refused_command_is_a_failure_by_its_name():
    async with serving() as (_, server):
        server.replies["subscribe"] = {"code": 2001, "name": "too_many_topics", "message": "…", "temporary": False}
        client = Client(server.url)
        await client.do("open")
        await client.do("stay", 0.2)
        assert client.failed() == [("subscribe", "too_many_topics")]
        await client.do("close")


async def test_a_connection_that_ends_by_itself_is_a_failure():
    async with serving() as (_, server), listening(server) as client:
        server.cut()
        assert not await client.do("stay", 5)
        assert client.failed() == [("connection", "closed with 1006")]


async def test_a_client_without_a_connection_lets_the_others_run(monkeypatch):
    """All share one thread: who waits for the end of the run without a pause would be its end."""
    slept = []
    monkeypatch.setattr(session_module.time, "sleep", slept.append)
    assert not Client("ws://127.0.0.1:1").session.stay(0.5)
    assert slept == [0.5]


async def test_a_ping_is_answered():
    async with serving() as (_, server), listening(server) as client:
        await client.do("ping")
        async with asyncio.timeout(5):
            while not client.named("WS")["ping"]:
                await client.do("stay", 0.05)


# --- the wire itself ---------------------------------------------------------------------------------


async def test_a_wire_ends_with_the_code_it_was_closed_with():
    async with serving() as (_, server):
        wire = await asyncio.to_thread(Wire.open, f"{server.url}/ws", {})
        await server.until(lambda: server._socket is not None)
        await server._socket.close(4001)
        with pytest.raises(EndedError) as ended:
            await asyncio.to_thread(wire.receive, 5.0)
        assert ended.value.code == 4001


async def test_a_message_in_fragments_is_one():
    async with serving() as (_, server):
        wire = await asyncio.to_thread(Wire.open, f"{server.url}/ws", {})
        await server.until(lambda: server._socket is not None)
        await server._socket.send(["one ", "message"])
        messages = []
        while not messages:
            messages = await asyncio.to_thread(wire.receive, 5.0)
        assert messages == [b"one message"]
        await asyncio.to_thread(wire.close)


async def test_a_refusal_tells_its_status():
    async with serving() as (_, server):
        server.refusals.append((403, {}))
        with pytest.raises(RefusedError) as refused:
            await asyncio.to_thread(Wire.open, f"{server.url}/ws", {})
        assert refused.value.status == 403


async def test_nobody_there_is_an_error_of_the_system():
    async with serving() as (_, server):
        url = server.url
    with pytest.raises(OSError, match="refused"):
        await asyncio.to_thread(Wire.open, f"{url}/ws", {})


async def test_a_wire_that_hears_nothing_returns_in_time():
    async with serving() as (_, server):
        wire = await asyncio.to_thread(Wire.open, f"{server.url}/ws", {})
        assert await asyncio.to_thread(wire.receive, 0.01) == []
        wire.cut()
        with pytest.raises(EndedError):
            await asyncio.to_thread(wire.receive, 0.01)
