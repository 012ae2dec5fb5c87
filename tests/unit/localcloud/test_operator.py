"""What the operator's scripts ask of this machine: addresses, and Lambda's Invoke."""

from __future__ import annotations

from typing import Any

import pytest
from aiohttp.test_utils import make_mocked_request

from localcloud.operator import Operator
from localcloud.runtime import Invocation

PREFIX = "defi-stream-local-"


class Request:
    """As much of an aiohttp request as is looked at."""

    def __init__(self, method: str, path: str, body: bytes = b"", **headers: str) -> None:
        told = make_mocked_request(method, path, headers=headers)
        self.method, self.path, self.headers = told.method, told.path, told.headers
        self._body = body

    async def read(self) -> bytes:
        return self._body


@pytest.fixture
def asked() -> list[tuple[str, Any]]:
    return []


@pytest.fixture
def operator(asked) -> Operator:
    async def invoke(name: str, event: dict[str, Any]) -> Invocation:
        asked.append((name, event))
        error = {"errorType": "StoreDownError", "errorMessage": "Redis is down"} if event.get("fail") else None
        return Invocation(None if error else {"answer": 42}, error, 1.0, False, "id")

    return Operator({"aws_url": "http://127.0.0.1:1"}, functions={"sweep": None}, invoke=invoke, prefix=PREFIX)


async def test_the_addresses_are_told(operator):
    answer = await operator.handle(Request("GET", "/_operator/platform"))
    assert (answer.status, answer.text) == (200, '{"aws_url": "http://127.0.0.1:1"}')


@pytest.mark.parametrize("name", ["sweep", "defi-stream-local-sweep", "defi-stream-local-sweep%3Alive"])
async def test_a_function_is_invoked_by_its_name_with_or_without_prefix_and_alias(operator, asked, name):
    request = Request("POST", f"/_operator/2015-03-31/functions/{name}/invocations", b'{"a": 1}')
    request.path = request.path.replace("%3A", ":")  # as aiohttp decodes it
    answer = await operator.handle(request)
    assert (answer.status, answer.text) == (200, '{"answer": 42}')
    assert "X-Amz-Function-Error" not in answer.headers
    assert asked == [("sweep", {"a": 1})]


async def test_a_function_that_fails_is_told_as_lambda_does(operator):
    answer = await operator.handle(Request("POST", "/_operator/2015-03-31/functions/sweep/invocations", b'{"fail": 1}'))
    assert (answer.status, answer.headers["X-Amz-Function-Error"]) == (200, "Unhandled")
    assert "Redis is down" in answer.text


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/_operator/2015-03-31/functions/nothing/invocations", b"{}", 404),
        ("POST", "/_operator/2015-03-31/functions/sweep/invocations", b"{", 400),
        ("POST", "/_operator/platform", b"", 404),
        ("GET", "/_operator/2015-03-31/functions/sweep/invocations", b"", 404),
    ],
)
async def test_what_cannot_be_answered_is_refused(operator, asked, method, path, body, status):
    assert (await operator.handle(Request(method, path, body))).status == status
    assert asked == []


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
async def test_another_page_in_a_browser_may_invoke_nothing(operator, asked, site):
    path = "/_operator/2015-03-31/functions/sweep/invocations"
    answer = await operator.handle(Request("POST", path, b"{}", **{"Sec-Fetch-Site": site}))
    assert (answer.status, asked) == (403, [])
