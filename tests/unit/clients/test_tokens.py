"""Tokens over real HTTP on loopback."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import defistream
import pytest


class Tokens(BaseHTTPRequestHandler):
    answers: list[tuple[int, dict[str, str], bytes]]
    keys: list[str | None]

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        type(self).keys.append(self.headers["x-api-key"])
        status, headers, body = type(self).answers.pop(0) if self.path == "/v1/tokens" else (404, {}, b"")
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    Tokens.answers, Tokens.keys = [], []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Tokens)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_token_is_had_with_a_key_or_without(url: str) -> None:
    body = json.dumps({"token": "t1", "expires_at": "", "tier": "pro", "fastest_rate": "realtime"}).encode()
    Tokens.answers += [(200, {}, body), (200, {}, body)]

    tokens = defistream.http_tokens(url, "k1")
    assert (tokens.fastest_rate, await tokens(), tokens.fastest_rate) == (None, "t1", "realtime")
    assert await defistream.http_tokens(url + "/")() == "t1"
    assert Tokens.keys == ["k1", None]


async def test_a_refusal_keeps_its_name_and_its_time(url: str) -> None:
    problem = {"title": "limit", "status": 429, "code": 3001, "name": "too_many_tokens", "detail": "slower"}
    Tokens.answers.append((429, {"retry-after": "6"}, json.dumps(problem).encode()))
    with pytest.raises(defistream.LimitError, match="slower") as refused:
        await defistream.http_tokens(url)()

    assert (refused.value.retry_after, refused.value.name) == (6.0, "too_many_tokens")


@pytest.mark.parametrize("body", [b"<html>", b"{}", b"[]"])
async def test_an_answer_without_a_token_may_be_better_later(url: str, body: bytes) -> None:
    Tokens.answers.append((200, {}, body))
    with pytest.raises(defistream.ConnectionLostError):
        await defistream.http_tokens(url)()


def test_only_http_is_asked() -> None:
    with pytest.raises(ValueError, match="not an http"):
        defistream.http_tokens("file:///etc")
