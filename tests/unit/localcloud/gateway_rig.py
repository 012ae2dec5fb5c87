"""A running gateway in front of plain functions, and what the gateway's tests share."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from localcloud.gateway.server import Gateway

CREDENTIALS = ("AKIDEXAMPLE", "secret")
ALLOW = {
    "principalId": "user-1",
    "policyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "*"}],
    },
    "context": {"tier": "pro", "limit": 5, "admin": False},
}


@dataclass
class Answer:
    payload: Any = None
    error: dict[str, Any] | None = None


class Functions:
    """Stands for the runtime: every function a plain callable; ``events`` holds what each was called with."""

    def __init__(self, **functions: Any) -> None:
        self.events: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self._called = asyncio.Condition()
        self._functions: dict[str, Any] = {
            "authorize": ALLOW,
            "connect": {"statusCode": 200},
            "message": lambda event: {"statusCode": 200, "body": event["body"].upper()},
            "disconnect": {"statusCode": 200},
            **functions,
        }

    async def invoke(self, function: str, event: dict[str, Any]) -> Answer:
        async with self._called:
            self.events[function].append(event)
            self._called.notify_all()
        behaviour = self._functions[function]
        try:
            answer = behaviour(event) if isinstance(behaviour, Callable) else behaviour
            return Answer(await answer if asyncio.iscoroutine(answer) else answer)
        except ValueError as error:
            return Answer(error={"errorType": "ValueError", "errorMessage": str(error), "stackTrace": []})

    async def called(self, function: str, times: int = 1) -> dict[str, Any]:
        """The event of the given call of the function, waited for."""
        async with asyncio.timeout(5), self._called:
            await self._called.wait_for(lambda: len(self.events[function]) >= times)
        return self.events[function][times - 1]


def failing(message: str) -> Callable[[Any], Any]:
    def function(event: Any) -> Any:
        raise ValueError(message)

    return function


@asynccontextmanager
async def running(functions: Functions | None = None, **options: Any) -> AsyncIterator[Gateway]:
    functions = functions or Functions()
    options.setdefault("web_root", Path(__file__).parent)
    gateway = Gateway(functions.invoke, credentials=CREDENTIALS, **options)
    await gateway.start()
    try:
        yield gateway
    finally:
        await gateway.stop()


def boto3_client(gateway: Gateway, *, access_key: str = CREDENTIALS[0], secret_key: str = CREDENTIALS[1]) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=gateway.management_url,
        region_name="us-east-1",
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=Config(retries={"total_max_attempts": 1}),
    )


async def until(condition: Callable[[], bool]) -> None:
    """Wait for a condition that nothing announces."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - what is waited for tells nobody
            await asyncio.sleep(0.005)
