"""ports.EmailSender on SES."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.ports.endpoints import Answer, Mail
from chalicelib.telemetry.outside import SES, outside

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

# What its owner can make of it; every other error is ours and told by its name.
_REASONS = {
    "MessageRejected": "the address was refused: it bounced before, or is none that may be written to",
    "TooManyRequestsException": "too many e-mails at once",
    "LimitExceededException": "too many e-mails today",
}


class SesEmails:
    """ports.EmailSender. ``settings`` names the configuration set, "" for none."""

    def __init__(
        self, client: SESV2Client, *, sender: str, settings: str = "", monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._sender = sender
        self._more: dict[str, Any] = {"ConfigurationSetName": settings} if settings else {}
        self._monotonic = monotonic

    def send(self, mail: Mail) -> Answer:
        if not self._sender:
            return Answer(False, error="this deployment sends no e-mail")
        started = self._monotonic()
        status, error = 200, ""
        try:
            with outside(SES, "SendEmail"):
                self._client.send_email(
                    FromEmailAddress=self._sender,
                    Destination={"ToAddresses": [mail.to]},
                    Content={"Simple": _content(mail)},
                    **self._more,
                )
        except ClientError as refused:
            code = refused.response["Error"]["Code"]
            status = refused.response["ResponseMetadata"]["HTTPStatusCode"]
            error = _REASONS.get(code, f"the e-mail could not be sent: {code}")
        except BotoCoreError as failed:
            status, error = 0, f"the e-mail could not be sent: {type(failed).__name__}"
        took_ms = round((self._monotonic() - started) * 1000)
        return Answer(not error, status or None, error, duration_ms=took_ms)


def _content(mail: Mail) -> Any:
    content: dict[str, Any] = {
        "Subject": _utf8(mail.subject),
        "Body": {"Text": _utf8(mail.text), "Html": _utf8(mail.html)},
    }
    if mail.unsubscribe:
        content["Headers"] = [
            {"Name": "List-Unsubscribe", "Value": f"<{mail.unsubscribe}>"},
            {"Name": "List-Unsubscribe-Post", "Value": "List-Unsubscribe=One-Click"},
        ]
    return content


def _utf8(text: str) -> dict[str, str]:
    return {"Data": text, "Charset": "UTF-8"}
