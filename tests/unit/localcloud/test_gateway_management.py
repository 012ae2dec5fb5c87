"""The @connections API seen by boto3's own client, and by requests that no SDK would send."""

import asyncio
import datetime
import hashlib
import socket as sockets
from urllib.parse import quote

import aiohttp
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from yarl import URL

from localcloud.gateway.throttle import GatewayLimits
from tests.unit.localcloud.gateway_rig import CREDENTIALS, Functions, boto3_client, running, until

REGION = "us-east-1"


async def opened(gateway, functions):
    """A client's socket and its connection id."""
    number = len(functions.events["connect"])
    socket = await connect(gateway.ws_url, max_size=None)
    return socket, functions.events["connect"][number]["requestContext"]["connectionId"]


async def called(operation, **arguments):
    return await asyncio.to_thread(operation, **arguments)


async def error_of(client, operation=None, **arguments):
    """The ClientError of a call that must fail."""
    with pytest.raises(ClientError) as raised:
        await called(operation or client.post_to_connection, **arguments)
    return raised.value


def signed_headers(method, url, body=b"", *, region=REGION, service="execute-api", at=None):
    """Headers signed by botocore, by default for now."""
    request = AWSRequest(method, url, data=body)
    signer = SigV4Auth(Credentials(*CREDENTIALS), service, region)
    if at is None:
        signer.add_auth(request)
    else:  # the signer has no clock argument
        request.context["timestamp"] = at.strftime("%Y%m%dT%H%M%SZ")
        request.headers["X-Amz-Date"] = request.context["timestamp"]
        text = signer.string_to_sign(request, signer.canonical_request(request))
        signature = signer.signature(text, request)
        names = signer.signed_headers(signer.headers_to_sign(request))
        scope = signer.scope(request)
        described = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders={names}"
        request.headers["Authorization"] = f"{described}, Signature={signature}"
    return dict(request.headers)


async def raw(gateway, method, url, headers, body=b""):
    """Status, error type and message of a request sent as it is."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, URL(url, encoded=True), headers=headers, data=body or None) as response,
    ):
        answer = await response.json() if response.content_type == "application/json" else {}
        return response.status, response.headers.get("x-amzn-ErrorType"), answer.get("message")


async def test_a_post_reaches_the_client_as_one_text_message():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        answer = await called(boto3_client(gateway).post_to_connection, ConnectionId=connection_id, Data="prix: 3 €")
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200
        assert await socket.recv() == "prix: 3 €"
        assert gateway.posts == 1
        await socket.close()


async def test_a_long_post_arrives_whole_in_frames_of_32_kb():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        data = "x" * (128 * 1024)
        await called(boto3_client(gateway).post_to_connection, ConnectionId=connection_id, Data=data)
        assert [len(part) async for part in socket.recv_streaming()] == [32 * 1024] * 4
        await socket.close()


async def test_a_post_to_nobody_is_gone():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        await socket.close()
        await functions.called("disconnect")
        client = boto3_client(gateway)
        for unknown in (connection_id, "L0SM9cOFvHcCIhw="):
            error = await error_of(client, ConnectionId=unknown, Data=b"x")
            assert isinstance(error, client.exceptions.GoneException)
            assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 410
        for operation in (client.get_connection, client.delete_connection):
            error = await error_of(client, operation, ConnectionId=connection_id)
            assert isinstance(error, client.exceptions.GoneException)


async def test_a_connection_is_not_there_until_connect_has_succeeded():
    statuses = []

    async def connecting(event):
        client = boto3_client(gateway)
        error = await error_of(client, ConnectionId=event["requestContext"]["connectionId"], Data=b"early")
        statuses.append(error.response["ResponseMetadata"]["HTTPStatusCode"])
        return {"statusCode": 200}

    functions = Functions(connect=connecting)
    async with running(functions) as gateway:
        socket, _ = await opened(gateway, functions)
        await socket.close()
    assert statuses == [410]


async def test_get_describes_the_connection():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        answer = await called(boto3_client(gateway).get_connection, ConnectionId=connection_id)
        await socket.close()
    now = datetime.datetime.now(datetime.UTC)
    assert answer["Identity"]["SourceIp"] == "127.0.0.1"
    assert "websockets" in answer["Identity"]["UserAgent"]
    assert now - datetime.timedelta(seconds=10) < answer["ConnectedAt"] < now
    assert answer["LastActiveAt"] >= answer["ConnectedAt"] - datetime.timedelta(milliseconds=2)


async def test_delete_ends_the_connection():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        answer = await called(boto3_client(gateway).delete_connection, ConnectionId=connection_id)
        assert answer["ResponseMetadata"]["HTTPStatusCode"] == 204
        with pytest.raises(ConnectionClosed):
            await socket.recv()
        assert socket.close_code == 1000
        event = await functions.called("disconnect")
        assert event["requestContext"]["disconnectStatusCode"] == 1000


async def test_a_post_over_128_kb_is_too_large():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        client = boto3_client(gateway)
        error = await error_of(client, ConnectionId=connection_id, Data=b"x" * (128 * 1024 + 1))
        assert isinstance(error, client.exceptions.PayloadTooLargeException)
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 413
        await called(client.post_to_connection, ConnectionId=connection_id, Data=b"the next one is whole")
        assert await socket.recv() == "the next one is whole"
        await socket.close()


async def test_the_account_throttle_answers_429():
    async with running(limits=GatewayLimits(requests_per_s=0.001, burst=1)) as gateway:
        client = boto3_client(gateway)
        first = await error_of(client, ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")
        assert isinstance(first, client.exceptions.GoneException)
        second = await error_of(client, ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")
        assert isinstance(second, client.exceptions.LimitExceededException)
        assert second.response["ResponseMetadata"]["HTTPStatusCode"] == 429


async def test_one_slow_client_is_throttled_alone():
    """429 has a second cause: the client's own buffer is full."""
    functions = Functions()
    async with running(functions, limits=GatewayLimits(send_buffer_bytes=256 * 1024)) as gateway:
        loop = asyncio.get_running_loop()
        slow = sockets.create_connection(("127.0.0.1", gateway.port))
        slow.setblocking(False)
        handshake = "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        handshake += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        await loop.sock_sendall(slow, handshake.encode())
        await until(lambda: gateway.connections == 1)
        slow_id = functions.events["connect"][0]["requestContext"]["connectionId"]
        quick, quick_id = await opened(gateway, functions)
        client = boto3_client(gateway)

        def fill():
            for _ in range(400):
                client.post_to_connection(ConnectionId=slow_id, Data=b"x" * 100_000)

        error = await error_of(client, fill)
        assert isinstance(error, client.exceptions.LimitExceededException)
        await called(client.post_to_connection, ConnectionId=quick_id, Data=b"still served")
        assert await quick.recv() == "still served"
        await quick.close()
        slow.close()


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        ({"secret_key": "wrong"}, "InvalidSignatureException"),
        ({"access_key": "AKIDUNKNOWN"}, "UnrecognizedClientException"),
    ],
)
async def test_wrong_keys_are_forbidden(keys, code):
    async with running() as gateway:
        error = await error_of(boto3_client(gateway, **keys), ConnectionId="L0SM9cOFvHcCIhw=", Data=b"x")
    assert error.response["Error"]["Code"] == code
    assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 403


async def test_an_unsigned_request_is_told_that_its_token_is_missing():
    async with running() as gateway:
        url = f"{gateway.management_url}/@connections/L0SM9cOFvHcCIhw%3D"
        assert await raw(gateway, "POST", url, {}, b"x") == (
            403,
            "MissingAuthenticationTokenException",
            "Missing Authentication Token",
        )


async def test_the_signature_covers_body_path_time_and_scope():
    async with running() as gateway:
        url = f"{gateway.management_url}/@connections/{quote('L0SM9cOFvHcCIhw=')}"
        other = f"{gateway.management_url}/@connections/{quote('aaaaaaaaaaaaaaa=')}"
        now = datetime.datetime.now(datetime.UTC)
        skew = datetime.timedelta(minutes=6)

        async def status(headers, body=b"x", to=url):
            return (await raw(gateway, "POST", to, headers, body))[0]

        good = signed_headers("POST", url, b"x")
        assert await status(good) == 410
        assert await status(signed_headers("POST", url, b"x", at=now)) == 410
        assert await status(good, b"y") == 403
        assert await status(good, to=other) == 403
        assert await status({**good, "X-Amz-Content-SHA256": hashlib.sha256(b"y").hexdigest()}) == 403
        assert await status(signed_headers("POST", url, b"x", region="eu-west-1")) == 403
        assert await status(signed_headers("POST", url, b"x", service="lambda")) == 403
        assert await status(signed_headers("POST", url, b"x", at=now - skew)) == 403
        assert await status(signed_headers("POST", url, b"x", at=now + skew)) == 403
        assert await status({**good, "Authorization": "Bearer something"}) == 403


async def test_a_query_string_is_signed_too():
    async with running() as gateway:
        url = f"{gateway.management_url}/@connections/L0SM9cOFvHcCIhw%3D?b=2&a=1%2F"
        assert (await raw(gateway, "GET", url, signed_headers("GET", url)))[0] == 410


async def test_other_paths_are_no_part_of_the_api():
    async with running() as gateway:
        for path in ("/other/@connections/L0SM9cOFvHcCIhw%3D", "/ws/elsewhere", "/ws/@connections/"):
            url = f"http://127.0.0.1:{gateway.management_port}{path}"
            assert (await raw(gateway, "GET", url, signed_headers("GET", url)))[0] == 403


async def test_pipelined_requests_are_answered_in_order():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        url = f"{gateway.management_url}/@connections/{quote(connection_id)}"
        for latency_s in (0.0, 0.01):
            gateway.latency_s = latency_s
            await pipelined(gateway, socket, url)
        await socket.close()


async def pipelined(gateway, socket, url):
    reader, writer = await asyncio.open_connection("127.0.0.1", gateway.management_port)
    path = url.partition(str(gateway.management_port))[2]
    sent = [f"number {number}" for number in range(5)]
    for text in sent:
        headers = {"Host": f"127.0.0.1:{gateway.management_port}", **signed_headers("POST", url, text.encode())}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"POST {path} HTTP/1.1\r\n{lines}Content-Length: {len(text)}\r\n\r\n{text}".encode())
    async with asyncio.timeout(5):
        assert [await socket.recv() for _ in sent] == sent
        for _ in sent:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


async def test_latency_delays_a_post():
    functions = Functions()
    async with running(functions) as gateway:
        socket, connection_id = await opened(gateway, functions)
        gateway.latency_s = 0.2
        loop = asyncio.get_running_loop()
        before = loop.time()
        await called(boto3_client(gateway).post_to_connection, ConnectionId=connection_id, Data=b"late")
        await socket.recv()
        assert loop.time() - before >= 0.2
        await socket.close()


async def test_rubbish_is_a_bad_request():
    async with running() as gateway:
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.management_port)
        writer.write(b"\x16\x03\x01 not http\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 400")
        writer.close()
