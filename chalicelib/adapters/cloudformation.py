"""ports.CustomResources: the answer that CloudFormation waits for, put to the URL that it gave."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import urlsplit

import urllib3

from chalicelib.errors import StoreDownError
from chalicelib.telemetry.outside import CLOUDFORMATION, outside

TIMEOUT_S = 5.0
PAUSES_S = (1.0, 2.0, 4.0)  # with the time-outs 27 s at worst
LOOPBACK = ("127.0.0.1", "localhost")


class CloudFormation:
    """Tries four times, then raises StoreDownError. The URL is a credential and is in no error."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._sleep = sleep
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(total=TIMEOUT_S), retries=False)

    def answer(self, url: str, body: Mapping[str, Any]) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and parts.hostname not in LOOPBACK:
            raise StoreDownError("CloudFormation's URL is not https")
        payload = json.dumps(body).encode()
        for pause in (*PAUSES_S, None):
            with outside(CLOUDFORMATION, "answer"):
                said = self._put(url, payload)
            if said == "200":
                return
            if pause is None or said.startswith("4"):
                raise StoreDownError(f"CloudFormation did not take the answer: {said}") from None
            self._sleep(pause)

    def _put(self, url: str, payload: bytes) -> str:
        try:
            # The signature in the URL covers an empty content type, which urllib3 would otherwise leave out.
            response = self._http.request("PUT", url, body=payload, headers={"Content-Type": ""})
        except urllib3.exceptions.HTTPError as error:
            return type(error).__name__
        return str(response.status)
