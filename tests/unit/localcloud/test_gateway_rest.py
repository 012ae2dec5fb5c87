"""The REST API and the page, seen by an HTTP client."""

import asyncio
import json

import aiohttp
import pytest
from yarl import URL

from localcloud.gateway.server import PortTakenError
from localcloud.gateway.throttle import GatewayLimits
from tests.unit.localcloud.gateway_rig import Functions, failing, running

ROUTES = ["GET /v1/topics", "GET /v1/topics/{name}", "GET /v1/topics/first", "POST /v1/query", "GET /v1/files/{path+}"]


def echo(event):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": json.dumps(event)}


async def fetched(gateway, path, method="GET", **options):
    """Status, headers and body of one request."""
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, URL(gateway.url + path, encoded=True), **options) as response,
    ):
        return response.status, response.headers, await response.read()


async def test_a_request_becomes_a_rest_proxy_event():
    async with running(Functions(api_handler=echo), routes=ROUTES) as gateway:
        path = "/v1/topics/price%3Aethereum?match=a&match=b%20c&empty="
        status, headers, body = await fetched(gateway, path, headers={"x-api-key": "k"})
    event = json.loads(body)
    assert status == 200
    assert headers["Content-Type"] == "application/json"
    assert "x-amzn-RequestId" in headers
    assert event["resource"] == event["requestContext"]["resourcePath"] == "/v1/topics/{name}"
    assert event["path"] == "/v1/topics/price%3Aethereum"
    assert event["pathParameters"] == {"name": "price%3Aethereum"}
    assert event["httpMethod"] == event["requestContext"]["httpMethod"] == "GET"
    assert event["queryStringParameters"] == {"match": "b c", "empty": ""}
    assert event["multiValueQueryStringParameters"] == {"match": ["a", "b c"], "empty": [""]}
    assert event["headers"]["x-api-key"] == "k"
    assert event["multiValueHeaders"]["X-Forwarded-For"] == ["127.0.0.1"]
    assert event["requestContext"]["path"] == "/api/v1/topics/price%3Aethereum"
    assert event["requestContext"]["identity"]["sourceIp"] == "127.0.0.1"
    assert event["requestContext"]["stage"] == "api"
    assert (event["body"], event["isBase64Encoded"]) == (None, False)


async def test_a_line_feed_in_a_path_is_a_character_as_any_other():
    async with running(Functions(api_handler=echo), routes=ROUTES) as gateway:
        status, _, body = await fetched(gateway, "/v1/topics/a%0Ab")
    assert (status, json.loads(body)["pathParameters"]) == (200, {"name": "a%0Ab"})


async def test_text_bodies_arrive_as_text_and_binary_ones_in_base64():
    async with running(Functions(api_handler=echo), routes=ROUTES) as gateway:
        _, _, text = await fetched(gateway, "/v1/query", "POST", json={"price": "€"})
        binary = {"Content-Type": "application/octet-stream"}
        _, _, coded = await fetched(gateway, "/v1/query", "POST", data=b"\x00\xff", headers=binary)
    assert json.loads(json.loads(text)["body"]) == {"price": "€"}
    assert (json.loads(coded)["body"], json.loads(coded)["isBase64Encoded"]) == ("AP8=", True)


async def test_routes_match_as_api_gateway_matches_them():
    async with running(Functions(api_handler=echo), routes=ROUTES) as gateway:
        for path, resource in [
            ("/v1/topics", "/v1/topics"),
            ("/v1/topics/", "/v1/topics"),
            ("/v1/topics/first", "/v1/topics/first"),
            ("/v1/topics/other", "/v1/topics/{name}"),
            ("/v1/files/a/b", "/v1/files/{path+}"),
        ]:
            assert json.loads((await fetched(gateway, path))[2])["resource"] == resource
        for path, method in [("/v1/nothing", "GET"), ("/v1/topics/a/b", "GET"), ("/v1/query", "GET"), ("/v1", "GET")]:
            status, _, body = await fetched(gateway, path, method)
            assert (status, json.loads(body)) == (403, {"message": "Missing Authentication Token"})


async def test_an_answers_status_headers_and_body_come_through():
    answer = {
        "statusCode": 404,
        "headers": {"Content-Type": "application/problem+json", "ETag": '"1"', "Date": "today", "x-count": 3},
        "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]},
        "body": "{}",
    }
    async with running(Functions(api_handler=answer), routes=ROUTES) as gateway:
        status, headers, body = await fetched(gateway, "/v1/topics")
    assert (status, body) == (404, b"{}")
    assert headers["Content-Type"] == "application/problem+json"
    assert headers.getall("Set-Cookie") == ["a=1", "b=2"]
    assert headers["x-amzn-Remapped-Date"] == "today"
    assert headers["x-count"] == "3"


async def test_a_binary_answer_is_decoded():
    answer = {"statusCode": 200, "isBase64Encoded": True, "body": "AP8="}
    async with running(Functions(api_handler=answer), routes=ROUTES) as gateway:
        assert (await fetched(gateway, "/v1/topics"))[2] == b"\x00\xff"


@pytest.mark.parametrize(
    "answer",
    [
        failing("boom"),
        None,
        "text",
        {},
        {"statusCode": 200, "body": {"not": "text"}},
        {"statusCode": 200, "extra": 1},
        {"statusCode": 200, "headers": {"a": ["list"]}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
    ],
)
async def test_a_failing_or_malformed_answer_is_a_502(answer):
    async with running(Functions(api_handler=answer), routes=ROUTES) as gateway:
        status, _, body = await fetched(gateway, "/v1/topics")
    assert (status, json.loads(body)) == (502, {"message": "Internal server error"})


async def test_a_slow_function_is_a_504():
    functions = Functions(api_handler=lambda event: asyncio.sleep(60))
    limits = GatewayLimits(integration_timeout_s=0.05)
    async with running(functions, routes=ROUTES, limits=limits) as gateway:
        status, _, body = await fetched(gateway, "/v1/topics")
    assert (status, json.loads(body)) == (504, {"message": "Endpoint request timed out"})


async def test_a_body_over_the_limit_is_a_413():
    limits = GatewayLimits(rest_body_bytes=1000)
    async with running(Functions(api_handler=echo), routes=ROUTES, limits=limits) as gateway:
        status, _, body = await fetched(gateway, "/v1/query", "POST", data=b"x" * 1001)
    assert (status, json.loads(body)) == (413, {"message": "HTTP content length exceeded 1000 bytes."})


async def test_requests_over_the_account_rate_are_429():
    limits = GatewayLimits(requests_per_s=0.001, burst=1)
    async with running(Functions(api_handler=echo), routes=ROUTES, limits=limits) as gateway:
        assert (await fetched(gateway, "/v1/topics"))[0] == 200
        status, _, body = await fetched(gateway, "/v1/topics")
    assert (status, json.loads(body)) == (429, {"message": "Too Many Requests"})


@pytest.mark.parametrize(
    ("accepts", "size", "encoding"),
    [
        ("gzip, deflate, br", 1024, "gzip"),
        ("br;q=1.0, gzip;q=0.5", 5000, "gzip"),
        ("gzip", 1023, None),
        ("gzip;q=0", 5000, None),
        ("br", 5000, None),
        ("", 5000, None),
    ],
)
async def test_long_answers_are_compressed_for_who_accepts_it(accepts, size, encoding):
    answer = {"statusCode": 200, "body": "x" * size}
    async with running(Functions(api_handler=answer), routes=ROUTES) as gateway:
        status, headers, body = await fetched(gateway, "/v1/topics", headers={"Accept-Encoding": accepts})
    assert (status, headers.get("Content-Encoding"), body) == (200, encoding, b"x" * size)  # the client unpacks it


async def test_a_preflight_goes_to_the_function_that_has_the_route():
    routes = [*ROUTES, "OPTIONS /v1/query"]
    async with running(Functions(api_handler={"statusCode": 204}), routes=routes) as gateway:
        assert (await fetched(gateway, "/v1/query", "OPTIONS"))[0] == 204
        assert (await fetched(gateway, "/v1/topics", "OPTIONS"))[0] == 403


@pytest.fixture
def pages(tmp_path):
    """A page, a hidden file, a file outside, a link to it, and a third party's file."""
    root = tmp_path / "web"
    root.mkdir()
    (root / "index.html").write_text("<!doctype html>")
    (root / "app.js").write_text("export {}")
    (root / ".env").write_text("secret")
    (tmp_path / "outside.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "outside.txt")
    (tmp_path / "lib.js").write_text("lib")
    return {"web_root": root, "vendor": {"lib.js": tmp_path / "lib.js"}}


async def test_the_page_is_served_with_safe_headers(pages):
    async with running(**pages) as gateway:
        status, headers, body = await fetched(gateway, "/")
        assert (status, body) == (200, b"<!doctype html>")
        assert headers["Content-Type"] == "text/html; charset=utf-8"
        assert headers["Cache-Control"] == "no-cache"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'self'" in headers["Content-Security-Policy"]
        script = await fetched(gateway, "/app.js")
        assert script[1]["Content-Type"].startswith("text/javascript")
        again = await fetched(gateway, "/", headers={"If-None-Match": headers["ETag"]})
        assert (again[0], again[2]) == (304, b"")
        assert (await fetched(gateway, "/", "POST"))[0] == 405
        assert (await fetched(gateway, "/", "HEAD"))[0] == 200


async def test_vendor_files_come_from_installed_packages(pages):
    async with running(**pages) as gateway:
        assert (await fetched(gateway, "/vendor/lib.js"))[2] == b"lib"
        assert (await fetched(gateway, "/vendor/other.js"))[0] == 404


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.txt",
        "/%2e%2e/outside.txt",
        "/..%2foutside.txt",
        "/%2e%2e%2foutside.txt",
        "/vendor/../../outside.txt",
        "/.env",
        "/link.txt",
        "//etc/passwd",
        "/%00",
        "/missing",
    ],
)
async def test_nothing_else_on_the_machine_can_be_read(pages, path):
    async with running(**pages) as gateway:
        reader, writer = await asyncio.open_connection(gateway.host, gateway.port)
        writer.write(
            f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode()
        )  # as it is, unlike clients
        answer = await reader.read()
        writer.close()
    assert answer.split(b" ")[1] in (b"404", b"400")
    assert b"secret" not in answer


async def test_a_taken_port_is_named():
    async with running() as gateway:
        for option in ("port", "management_port"):
            with pytest.raises(PortTakenError) as raised:
                async with running(**{option: getattr(gateway, option)}):
                    raise AssertionError("started on a taken port")
            assert raised.value.port == getattr(gateway, option)
            assert str(raised.value.port) in str(raised.value)
