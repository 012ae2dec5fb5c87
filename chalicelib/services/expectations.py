"""What a new version must answer to a recorded event before any traffic goes to it.

Each event reaches what its function needs (settings, stores, secrets, queues, the gateway) and changes nothing that a
client sees: the connection in them is never given by API Gateway, keys and tokens are nobody's, the topics are
``feed:smoke:…``, schedules are rehearsed, and the rotation is of a version that no secret has.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from chalicelib.ports import Invoked

Expectation = Callable[[Invoked], bool]


@dataclass(frozen=True, slots=True)
class Trial:
    """``event`` is a file of chalicelib/recorded_events; ``wanted`` says in words what ``holds`` looks for."""

    event: str
    wanted: str
    holds: Expectation


def _refuses(answer: Invoked) -> bool:
    """The text by which API Gateway answers 401, or a policy for its 403."""
    if answer.failed:
        return bool(answer.payload["errorMessage"] == "Unauthorized")
    return bool(answer.payload["policyDocument"]["Statement"][0]["Effect"] == "Deny")


def _accepts(answer: Invoked) -> bool:
    return not answer.failed and bool(answer.payload["statusCode"] == 200)


def _replies(answer: Invoked) -> bool:
    """Done, or refused since the connection has ended; an error of our own is neither."""
    if not _accepts(answer):
        return False
    reply = json.loads(answer.payload["body"])
    return bool(reply["type"] == "reply" and reply["id"] == 4 and (reply["ok"] or reply["error"]["name"] == "refused"))


def _settles(answer: Invoked) -> bool:
    return not answer.failed and bool(answer.payload == {"batchItemFailures": []})


def _rehearses(answer: Invoked) -> bool:
    return not answer.failed and bool(answer.payload["rehearsal"])


def _serves(status: int, *members: str) -> Expectation:
    def holds(answer: Invoked) -> bool:
        if answer.failed or answer.payload["statusCode"] != status:
            return False
        return set(members) <= set(json.loads(answer.payload["body"]))

    return holds


def _declines(answer: Invoked) -> bool:
    return answer.failed and bool(answer.payload["errorType"] == "RotationError")


_settled = "no message of its batch to come again"

# By the name that cfn/functions.yaml gives a function after the stage's prefix.
TRIALS: Mapping[str, Sequence[Trial]] = {
    "authorize": (
        Trial("authorize_with_a_key", "a key that nobody has to be refused", _refuses),
        Trial("authorize_with_a_token", "a token that is none to be refused", _refuses),
    ),
    "connect": (Trial("connect", "status 200", _accepts),),
    "message": (Trial("message", "a reply to its ping", _replies),),
    "disconnect": (Trial("disconnect", "status 200", _accepts),),
    "poll": (Trial("poll", "a rehearsal", _rehearses),),
    "sweep": (Trial("sweep", "a rehearsal", _rehearses),),
    "maintain": (Trial("maintain", "a rehearsal", _rehearses),),
    "process": (Trial("process", _settled, _settles),),
    "record": (Trial("record", _settled, _settles),),
    "evaluate": (Trial("evaluate", _settled, _settles),),
    "notify": (Trial("notify", _settled, _settles),),
    "tick": (Trial("tick", _settled, _settles),),
    "deliver": (Trial("deliver", _settled, _settles),),
    "prune": (Trial("prune", _settled, _settles),),
    "api": (
        Trial("api_health", "status 200 with status and sources", _serves(200, "status", "stage", "sources")),
        Trial("api_token", "status 201 with a token", _serves(201, "token", "expires_at", "tier")),
    ),
    "rotate": (Trial("rotate", "an unknown version to be declined", _declines),),
}

# Before these: the connection has ended, so that neither makes a session of it.
AFTER_DISCONNECT = frozenset({"connect", "message"})
