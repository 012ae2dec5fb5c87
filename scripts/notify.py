"""Tell a chat what became of a deployment, by a Slack-compatible webhook.

    python3 scripts/notify.py --stage staging --version 20261123T090000Z-1a2b3c4 --outcome success --link URL

The address comes from the variable NOTIFY_WEBHOOK, since everybody on a machine can read command lines. Without one
nobody is told, and that is said. Needs nothing but the standard library.

exit codes: 0 told, or no address is set; 1 the webhook did not take it; 2 wrong arguments
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import time
from collections.abc import Callable, Sequence
from urllib.parse import SplitResult, urlsplit

VARIABLE = "NOTIFY_WEBHOOK"
TRIES = 3
PAUSE_S = 2.0
TIMEOUT_S = 10.0
WORDS = {
    "success": ":white_check_mark: {stage} runs {version}",
    "failure": ":rotating_light: {version} did not make it to {stage}",
    "cancelled": ":grey_question: the deployment of {version} to {stage} was cancelled",
    "skipped": ":fast_forward: {version} was not deployed to {stage}",
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


class NotTakenError(Exception):
    """The webhook did not take the message; the text says why and never holds its address, which is a secret."""


def message(stage: str, version: str, outcome: str, link: str | None, note: str | None) -> dict[str, str]:
    """What Slack's incoming webhooks take, and Mattermost's, Rocket.Chat's and Discord's with /slack."""
    lines = [WORDS[outcome].format(stage=stage, version=version), note, link and f"<{link}|the run>"]
    return {"text": "\n".join(line for line in lines if line)}


def tell(webhook: str, body: dict[str, str], *, pause: Callable[[float], None] = time.sleep) -> None:
    """Post it, up to three times if the other side is busy or out of reach. Raises NotTakenError."""
    address = urlsplit(webhook)
    if not (address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)):
        raise NotTakenError(f"{VARIABLE} is no https address")
    for attempt in range(1, TRIES + 1):
        try:
            status = _post(address, json.dumps(body).encode())
        except (OSError, http.client.HTTPException) as error:
            reason = f"{type(error).__name__}"
        else:
            if 200 <= status < 300:
                return
            reason = f"status {status}"
            if status < 500 and status != 429:
                break  # it would say the same again
        if attempt < TRIES:
            pause(PAUSE_S * attempt)
    raise NotTakenError(f"the webhook did not take the message: {reason}")


def _post(address: SplitResult, body: bytes) -> int:
    kind = http.client.HTTPSConnection if address.scheme == "https" else http.client.HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=TIMEOUT_S)
    try:
        path = f"{address.path or '/'}{'?' + address.query if address.query else ''}"
        connection.request("POST", path, body, {"content-type": "application/json"})
        return connection.getresponse().status
    finally:
        connection.close()


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="scripts/notify.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("--stage", required=True)
    options.add_argument("--version", required=True)
    options.add_argument("--outcome", required=True, choices=sorted(WORDS), help="as GitHub calls a job's result")
    options.add_argument("--note", help="one line more")
    options.add_argument("--link", help="where to read on")
    return options


def main(argv: Sequence[str] | None = None) -> int:
    given = parser().parse_args(argv)
    body = message(given.stage, given.version, given.outcome, given.link, given.note)
    webhook = os.environ.get(VARIABLE, "").strip()
    if not webhook:
        print(f"notify: {VARIABLE} is not set, nobody was told: {body['text']}")
        return 0
    try:
        tell(webhook, body)
    except NotTakenError as error:
        print(f"notify: {error}", file=sys.stderr)
        return 1
    print(f"notify: told: {body['text']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
