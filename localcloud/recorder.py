"""Writes down every AWS call that a function makes: what a role for it would have to allow.

Loaded by a worker from its file, after the app and before the first invocation. What is recorded is what is signed,
since IAM judges signed requests: calls through botocore, the login to Redis, and posts of our own @connections client.
Nothing else of a call is kept but what names the resource: parameters may be secrets.

One JSON object a line: ``function``, ``service`` (that it is signed for), ``operation`` and ``resources``. A worker
writes each once.
"""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

# Which parameters name the resource; the first that a call has.
NAMES = ("QueueUrl", "TopicArn", "TableName", "SecretId", "FunctionName", "Bucket", "ARN", "Name", "Id")

SENDER = "e-mail identity"  # the one that there is


class Recorder:
    """Appends to ``path``; a line is one write, so that workers share the file."""

    def __init__(self, path: str, function: str) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._function = function
        self._seen: set[str] = set()

    def write(self, service: str, operation: str, *resources: str) -> None:
        line = json.dumps(
            {"function": self._function, "service": service, "operation": operation, "resources": resources}
        )
        if line not in self._seen:
            self._seen.add(line)
            os.write(self._file, line.encode() + b"\n")


def install(path: str, function: str) -> None:
    """Record this process's calls from now on."""
    recorder = Recorder(path, function)
    _watch_botocore(recorder)
    _watch_presigning(recorder)
    signer = sys.modules.get("chalicelib.adapters.connections.signer")
    if signer is not None:
        _watch_connections(recorder, signer.Signer)


def _watch_botocore(recorder: Recorder) -> None:
    """Every session that is made from now on has the hook."""
    from botocore.handlers import BUILTIN_HANDLERS

    def called(params: dict[str, Any], model: Any, **_: Any) -> None:
        for operation, resource in _judged(model.name, params):
            recorder.write(model.service_model.signing_name, operation, resource)

    BUILTIN_HANDLERS.append(("before-parameter-build", called))


def _judged(operation: str, params: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What IAM judges of a call: of a transaction its parts, of a batch each table."""
    if "TransactItems" in params:
        for item in params["TransactItems"]:
            for part, about in item.items():
                yield ("ConditionCheckItem" if part == "ConditionCheck" else f"{part}Item"), about["TableName"]
    elif "RequestItems" in params:
        for table in params["RequestItems"]:
            yield operation, table
    elif "FromEmailAddress" in params:
        yield operation, SENDER
    else:
        yield operation, next((str(params[name]) for name in NAMES if name in params), "")


def _watch_presigning(recorder: Recorder) -> None:
    from botocore.auth import SigV4QueryAuth

    def presigned(auth: Any, request: Any, _signed: None) -> None:
        url = urlsplit(request.url)
        query = parse_qs(url.query)
        recorder.write(query["X-Amz-Credential"][0].split("/")[3], query["Action"][0], url.netloc, query["User"][0])

    _after(SigV4QueryAuth, "add_auth", presigned)


def _watch_connections(recorder: Recorder, signer: Any) -> None:
    def signed(_: Any, _connection: str, _payload: Any, head: bytes) -> None:
        method, path, _ = head.decode().split(" ", 2)
        recorder.write("execute-api", "ManageConnections", f"{method} {path.partition('/@connections/')[0]}")

    _after(signer, "head", signed)


def _after(owner: Any, name: str, tell: Callable[..., None]) -> None:
    """``tell`` gets the arguments and the result of a method, each time it is called."""
    method = getattr(owner, name)

    @functools.wraps(method)
    def watched(*arguments: Any) -> Any:
        result = method(*arguments)
        tell(*arguments, result)
        return result

    setattr(owner, name, watched)
