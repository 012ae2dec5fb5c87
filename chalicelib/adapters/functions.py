"""ports.Functions on Lambda."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import StoreDownError
from chalicelib.ports import Invoked
from chalicelib.telemetry.outside import LAMBDA, outside


class LambdaFunctions:
    """ports.Functions."""

    def __init__(self, client: Any, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._client = client
        self._monotonic = monotonic

    def invoke(self, function: str, qualifier: str, event: Mapping[str, Any]) -> Invoked:
        started = self._monotonic()
        try:
            with outside(LAMBDA, "Invoke", function_name=function):
                answer = self._client.invoke(FunctionName=function, Qualifier=qualifier, Payload=json.dumps(event))
                text = answer["Payload"].read()
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"{function}:{qualifier} could not be called: {error}") from error
        took_s = self._monotonic() - started
        return Invoked(json.loads(text or "null"), failed="FunctionError" in answer, took_s=took_s)
