"""An SQS client for the event loop: signed requests of the JSON protocol over kept-alive connections."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
from typing import Any

import aiohttp
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

RECEIVE_MOST = 10  # of ReceiveMessage, and of DeleteMessageBatch
_BACKOFF_S = (0.05, 5.0)
_DELETE_ATTEMPTS = 5
_log = logging.getLogger(__name__)


class SqsError(Exception):
    """SQS refused a request; ``code`` is its error type without the namespace."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class SqsClient:
    """Between ``open`` and ``close`` every call raises SqsError, aiohttp.ClientError or TimeoutError."""

    def __init__(self, url: str, *, region: str, access_key: str = "test", secret_key: str = "test") -> None:  # noqa: S107 - what emulators take
        self._url = url.rstrip("/") + "/"
        self._auth = SigV4Auth(Credentials(access_key, secret_key), "sqs", region)
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        # No limit of connections: each poller keeps one busy, and a deletion must not wait behind long polls.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def call(self, action: str, timeout_s: float = 10.0, **parameters: Any) -> dict[str, Any]:
        """One request, by SQS's own names: ``call("DeleteMessage", QueueUrl=…, ReceiptHandle=…)``."""
        if self._session is None:
            raise SqsError("ClientClosed", "the client is not open")
        body = json.dumps(parameters).encode()
        request = AWSRequest("POST", self._url, data=body)
        request.headers["Content-Type"] = "application/x-amz-json-1.0"
        request.headers["X-Amz-Target"] = f"AmazonSQS.{action}"
        self._auth.add_auth(request)
        limit = aiohttp.ClientTimeout(total=timeout_s)
        async with self._session.post(self._url, data=body, headers=dict(request.headers), timeout=limit) as answer:
            content = await answer.read()
        if answer.status != 200:
            raise _error(answer.status, content)
        result: dict[str, Any] = json.loads(content) if content else {}
        return result

    async def queue(self, name_or_arn: str) -> tuple[str, dict[str, str]]:
        """A queue's URL and attributes."""
        name = name_or_arn.rpartition(":")[2]
        url: str = (await self.call("GetQueueUrl", QueueName=name))["QueueUrl"]
        return url, (await self.call("GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]))["Attributes"]

    async def receive(self, queue_url: str, *, most: int, wait_s: int) -> list[dict[str, Any]]:
        """Up to ``most`` (10) messages with all their attributes; an empty list after ``wait_s`` without one."""
        answer = await self.call(
            "ReceiveMessage",
            timeout_s=wait_s + 10.0,
            QueueUrl=queue_url,
            MaxNumberOfMessages=most,
            WaitTimeSeconds=wait_s,
            AttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = answer.get("Messages") or []
        return messages

    async def delete(self, queue_url: str, receipts: list[str]) -> list[str]:
        """Delete up to 10 messages; returns the receipts that SQS did not delete."""
        entries = [{"Id": str(index), "ReceiptHandle": receipt} for index, receipt in enumerate(receipts)]
        answer = await self.call("DeleteMessageBatch", QueueUrl=queue_url, Entries=entries)
        return [receipts[int(failed["Id"])] for failed in answer.get("Failed") or []]


def _error(status: int, content: bytes) -> SqsError:
    try:
        fault = json.loads(content)
        code = str(fault["__type"]).rpartition("#")[2]
        return SqsError(code, str(fault.get("message") or fault.get("Message") or ""))
    except (ValueError, KeyError, TypeError):
        return SqsError(f"Http{status}", content[:200].decode(errors="replace"))


_UNREACHABLE = (SqsError, aiohttp.ClientError, TimeoutError, OSError, ValueError)  # the last: no JSON


class SteadyQueue:
    """One queue, met with patience: an outage is logged once, waited out with backoff, and loses nothing."""

    def __init__(self, sqs: SqsClient, url: str, *, stopping: asyncio.Event) -> None:
        self._sqs = sqs
        self._url = url
        self._stopping = stopping
        self._failures = 0

    async def receive(self, *, most: int, wait_s: int) -> list[dict[str, Any]]:
        """Up to ``most`` messages; an empty list if there is none within ``wait_s`` or SQS does not answer."""
        try:
            messages = await self._sqs.receive(self._url, most=min(most, RECEIVE_MOST), wait_s=wait_s)
        except _UNREACHABLE as error:
            self._failed(error)
            return []
        if self._failures:
            _log.warning("%s answers again", self._url)
            self._failures = 0
        return messages

    async def recover(self) -> None:
        """Wait before the next try, if the last failed."""
        if self._failures:
            await nap(self._stopping, _backoff(self._failures))

    async def delete(self, receipts: list[str]) -> int:
        """Delete, trying again what fails; how many are deleted.

        A message that stays is delivered again, as SQS may always do.
        """
        deleted = 0
        for start in range(0, len(receipts), RECEIVE_MOST):
            part = receipts[start : start + RECEIVE_MOST]
            deleted += len(part) - len(await self._delete(part))
        return deleted

    async def _delete(self, left: list[str]) -> list[str]:
        for attempt in range(1, _DELETE_ATTEMPTS + 1):
            try:
                left = await self._sqs.delete(self._url, left)
            except _UNREACHABLE as error:
                self._failed(error)
            if not left:
                break
            await nap(self._stopping, _backoff(attempt))
        return left

    def _failed(self, error: Exception) -> None:
        if not self._failures:
            _log.warning("%s does not answer, trying again: %r", self._url, error)
        self._failures += 1


def _backoff(failures: int) -> float:
    low, high = _BACKOFF_S
    return random.uniform(low / 2, min(high, low * 2 ** min(failures, 10)))


async def nap(stopping: asyncio.Event, seconds: float) -> None:
    """Sleep, but not on when it is time to stop."""
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopping.wait(), seconds)
