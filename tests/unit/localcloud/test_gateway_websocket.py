"""The WebSocket API seen by a plain client."""

import asyncio
import contextlib
import json
import re

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from localcloud.gateway.throttle import GatewayLimits
from tests.unit.localcloud.gateway_rig import ALLOW, Functions, failing, running, until


async def refused(gateway, **options):
    with pytest.raises(InvalidStatus) as raised:
        await connect(gateway.ws_url, **options)
    return raised.value.response


async def closed(socket):
    """How the server closed: code and reason."""
    async with asyncio.timeout(5):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await socket.recv()
    return socket.close_code, socket.close_reason


async def test_a_message_is_answered_by_the_route_response():
    async with running() as gateway, connect(gateway.ws_url) as socket:
        await socket.send("hello")
        assert await socket.recv() == "HELLO"


async def test_an_answer_without_body_sends_nothing():
    functions = Functions(message=lambda event: {"statusCode": 200, "body": event["body"] if event["body"] else ""})
    async with running(functions) as gateway, connect(gateway.ws_url) as socket:
        await socket.send("")
        await functions.called("message")
        await socket.send("seen")
        assert await socket.recv() == "seen"


async def test_the_authorizer_gets_api_gateways_request_event():
    functions = Functions()
    async with running(functions) as gateway:
        socket = await connect(f"{gateway.ws_url}?token=a%20b&token=c", additional_headers={"x-api-key": "k"})
        await socket.close()
    event = functions.events["authorize"][0]
    assert event["type"] == "REQUEST"
    assert event["methodArn"] == "arn:aws:execute-api:us-east-1:000000000000:local/ws/$connect"
    assert event["queryStringParameters"] == {"token": "c"}
    assert event["multiValueQueryStringParameters"] == {"token": ["a b", "c"]}
    assert event["headers"]["x-api-key"] == "k"
    assert event["multiValueHeaders"]["x-api-key"] == ["k"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["stageVariables"] == {}
    context = event["requestContext"]
    assert context["routeKey"] == "$connect"
    assert context["eventType"] == "CONNECT"
    assert context["messageDirection"] == "IN"
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert "websockets" in context["identity"]["userAgent"]
    assert re.fullmatch(r"[\w-]{15}=", context["connectionId"])
    assert re.fullmatch(r"\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert {"extendedRequestId", "requestId", "stage", "connectedAt", "requestTimeEpoch", "domainName", "apiId"} <= set(
        context
    )


async def test_every_later_event_carries_the_authorizers_context_as_strings():
    functions = Functions()
    async with running(functions) as gateway:
        async with connect(gateway.ws_url) as socket:
            await socket.send("x")
            await socket.recv()
        await functions.called("disconnect")
    authorizer = {"principalId": "user-1", "tier": "pro", "limit": "5", "admin": "false"}
    for function in ("connect", "message", "disconnect"):
        assert functions.events[function][0]["requestContext"]["authorizer"] == authorizer
    message = functions.events["message"][0]
    assert message["body"] == "x"
    assert message["isBase64Encoded"] is False
    assert message["requestContext"]["eventType"] == "MESSAGE"
    assert message["requestContext"]["routeKey"] == "$default"
    assert message["requestContext"]["messageId"].endswith("=")
    ids = {events[0]["requestContext"]["connectionId"] for events in functions.events.values()}
    assert len(ids) == 1


@pytest.mark.parametrize(
    ("authorize", "status"),
    [
        (failing("Unauthorized"), 401),
        (failing("something broke"), 500),
        ({**ALLOW, "policyDocument": {"Statement": [{"Action": "*", "Effect": "Deny", "Resource": "*"}]}}, 403),
        ({"nonsense": True}, 500),
    ],
)
async def test_the_authorizer_decides_the_handshake(authorize, status):
    functions = Functions(authorize=authorize)
    async with running(functions) as gateway:
        response = await refused(gateway)
    assert response.status_code == status
    assert set(json.loads(response.body)) == {"message", "connectionId", "requestId"}
    assert not functions.events["connect"]


async def test_a_connect_answer_of_4xx_refuses_with_its_status_and_body():
    functions = Functions(connect={"statusCode": 429, "body": '{"code":3002}'})
    async with running(functions) as gateway:
        response = await refused(gateway)
        assert (response.status_code, response.body) == (429, b'{"code":3002}')
        assert gateway.connections == 0
    assert not functions.events["disconnect"]


@pytest.mark.parametrize("answer", [failing("boom"), None, {"status": 200}, {"statusCode": "two hundred"}])
async def test_a_failing_connect_is_a_502(answer):
    async with running(Functions(connect=answer)) as gateway:
        assert (await refused(gateway)).status_code == 502


async def test_connect_may_choose_the_subprotocol():
    chosen = {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "v2"}}
    async with running(Functions(connect=chosen)) as gateway:
        socket = await connect(gateway.ws_url, subprotocols=["v1", "v2"])
        assert socket.subprotocol == "v2"
        await socket.close()


async def test_connects_over_the_rate_are_refused_with_429():
    limits = GatewayLimits(connects_per_s=0.001, connects_burst=1)
    async with running(limits=limits) as gateway, connect(gateway.ws_url):
        assert (await refused(gateway)).status_code == 429


@pytest.mark.parametrize("answer", [failing("boom"), "text", {"statusCode": 200, "body": {"not": "text"}}])
async def test_a_failing_message_is_answered_with_internal_server_error(answer):
    functions = Functions(message=answer)
    async with running(functions) as gateway, connect(gateway.ws_url) as socket:
        await socket.send("x")
        reply = json.loads(await socket.recv())
    context = functions.events["message"][0]["requestContext"]
    assert reply == {
        "message": "Internal server error",
        "connectionId": context["connectionId"],
        "requestId": context["requestId"],
    }


async def test_a_message_that_takes_too_long_is_answered_with_internal_server_error():
    functions = Functions(message=lambda event: asyncio.sleep(60))
    limits = GatewayLimits(integration_timeout_s=0.05)
    async with running(functions, limits=limits) as gateway, connect(gateway.ws_url) as socket:
        await socket.send("x")
        assert json.loads(await socket.recv())["message"] == "Internal server error"


async def test_messages_of_one_connection_run_concurrently_up_to_a_bound():
    """A slow command does not hold the next one up, and a flood waits in the client."""
    release = asyncio.Event()
    now = peak = 0

    async def message(event):
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        await release.wait()
        now -= 1
        return {"statusCode": 200, "body": event["body"]}

    functions = Functions(message=message)
    limits = GatewayLimits(in_flight_per_connection=4)
    async with running(functions, limits=limits) as gateway, connect(gateway.ws_url) as socket:
        for number in range(10):
            await socket.send(str(number))
        await functions.called("message", 4)
        async with connect(gateway.ws_url):  # another client's turn: the flood had every chance to be read
            assert now == 4
        release.set()
        assert {await socket.recv() for _ in range(10)} == {str(number) for number in range(10)}
    assert peak == 4


@pytest.mark.parametrize(
    ("message", "code"),
    [
        (b"\x00\x01", 1003),
        ("x" * (32 * 1024 + 1), 1009),
        (["x" * 30_000] * 5, 1009),
    ],
)
async def test_what_the_gateway_does_not_take_ends_the_connection(message, code):
    functions = Functions()
    async with running(functions) as gateway, connect(gateway.ws_url) as socket:
        await socket.send(message)
        assert (await closed(socket))[0] == code
        event = await functions.called("disconnect")
    assert event["requestContext"]["disconnectStatusCode"] == code
    assert not functions.events["message"]


async def test_fragments_make_one_message():
    async with running() as gateway, connect(gateway.ws_url) as socket:
        await socket.send(["a" * 30_000, "b" * 30_000])
        assert await socket.recv() == "A" * 30_000 + "B" * 30_000


async def test_messages_over_the_account_rate_end_the_connection_with_1008():
    limits = GatewayLimits(requests_per_s=0.001, burst=2)
    async with running(limits=limits) as gateway, connect(gateway.ws_url) as socket:
        await socket.send("first")
        await socket.send("second")
        assert (await closed(socket))[0] == 1008


async def test_a_ping_is_answered():
    async with running() as gateway, connect(gateway.ws_url) as socket:
        async with asyncio.timeout(5):
            await (await socket.ping(b"data"))


@pytest.mark.parametrize("limit", ["idle_s", "max_age_s"])
async def test_idle_and_old_connections_go_away(limit):
    functions = Functions()
    async with running(functions, **{limit: 0.1}) as gateway, connect(gateway.ws_url) as socket:
        assert await closed(socket) == (1001, "Going away")
        event = await functions.called("disconnect")
    assert event["requestContext"]["disconnectStatusCode"] == 1001


async def test_traffic_keeps_a_connection_from_being_idle():
    loop = asyncio.get_running_loop()
    async with running(idle_s=0.5) as gateway, connect(gateway.ws_url) as socket:
        end = loop.time() + 0.8
        while loop.time() < end:
            await socket.send("x")
            await socket.recv()
            await asyncio.sleep(0.02)
        assert gateway.connections == 1


async def test_disconnect_says_how_the_client_left():
    functions = Functions()
    async with running(functions) as gateway:
        socket = await connect(gateway.ws_url)
        await socket.close(4001, "bye")
        event = await functions.called("disconnect")
    context = event["requestContext"]
    assert (context["eventType"], context["routeKey"]) == ("DISCONNECT", "$disconnect")
    assert (context["disconnectStatusCode"], context["disconnectReason"]) == (4001, "bye")
    assert event["headers"]["x-restapi"] == ""


async def test_a_cut_connection_is_disconnected_with_1006():
    functions = Functions()
    async with running(functions) as gateway:
        async with connect(gateway.ws_url) as socket:
            assert gateway.drop_connections() == 1
            await socket.wait_closed()
            event = await functions.called("disconnect")
        assert event["requestContext"]["disconnectStatusCode"] == 1006
        assert gateway.connections == 0


async def test_a_client_that_leaves_during_connect_is_disconnected(caplog):
    """The session that $connect made would stay for two hours. It is no error: nobody is shown a traceback."""
    release = asyncio.Event()

    async def slow(event):
        await release.wait()
        return {"statusCode": 200}

    functions = Functions(connect=slow)
    async with running(functions) as gateway:
        attempt = asyncio.create_task(connect(gateway.ws_url).__aenter__())
        await functions.called("connect")
        attempt.cancel()
        await asyncio.gather(attempt, return_exceptions=True)
        release.set()
        event = await functions.called("disconnect")
        assert event["requestContext"]["disconnectStatusCode"] == 1006
    assert not [record for record in caplog.records if record.exc_info]


HANDSHAKE = (
    b"GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


async def test_a_frame_that_comes_with_the_handshake_is_not_lost():
    async with running() as gateway:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(HANDSHAKE + b"\x81\x82\0\0\0\0hi")
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n" in head  # RFC 6455's own example
            assert await reader.readexactly(4) == b"\x81\x02HI"
        writer.close()


async def test_a_client_that_does_not_read_is_not_read_either():
    """Its answers would fill the gateway's memory."""
    functions = Functions(message=lambda event: {"statusCode": 200, "body": "x" * 100_000})
    async with running(functions) as gateway:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(HANDSHAKE)
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()
        for _ in range(1000):  # 100 MB of answers
            writer.write(b"\x81\x82\0\0\0\0hi")
        await until(lambda: next(iter(gateway.registry)).buffered_bytes > 0)
        async with connect(gateway.ws_url) as other:  # served meanwhile
            await other.send("x")
            assert len(await other.recv()) == 100_000
        assert next(iter(gateway.registry)).buffered_bytes < 70 * 100_000
        assert len(functions.events["message"]) < 300
        writer.transport.abort()


async def test_a_flood_over_the_account_rate_ends_only_the_flooder():
    limits = GatewayLimits(requests_per_s=0.001, burst=3)
    functions = Functions()
    async with running(functions, limits=limits) as gateway, connect(gateway.ws_url) as other:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(HANDSHAKE + b"\x81\x82\0\0\0\0hi" * 5000)
        async with asyncio.timeout(5):
            answer = await reader.readuntil(b"Too many requests")
        assert (1008).to_bytes(2, "big") in answer
        await functions.called("message")  # the burst paid for two connects and this one
        await (await other.ping())
        assert len(functions.events["message"]) == 1
        writer.close()


async def test_stop_sends_everyone_away_and_disconnects_them():
    functions = Functions()
    async with running(functions) as gateway:
        sockets = [await connect(gateway.ws_url) for _ in range(5)]
        await gateway.stop()
        assert [await closed(socket) for socket in sockets] == [(1001, "Going away")] * 5
    assert len(functions.events["disconnect"]) == 5
    await until(lambda: len(asyncio.all_tasks()) == 1)


async def test_a_plain_request_is_told_to_upgrade():
    async with running() as gateway, aiohttp.ClientSession() as http, http.get(f"{gateway.url}/ws") as response:
        assert response.status == 426


async def test_stop_does_not_wait_for_a_handshake_that_hangs():
    functions = Functions(connect=lambda event: asyncio.sleep(60))
    async with running(functions) as gateway:
        attempt = asyncio.create_task(connect(gateway.ws_url).__aenter__())
        await functions.called("connect")
        async with asyncio.timeout(5):
            await gateway.stop()
            with pytest.raises(Exception, match=r"."):
                await attempt
