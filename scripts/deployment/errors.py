"""How a deployment can end otherwise than well.

StackError             the stack is not what was asked for
├── RefusedError       nothing was changed; the message says what would make it go
├── RolledBackError    the change was begun and taken back: what served before serves again
├── StillGoingError    CloudFormation goes on, we do not see how: the same command again follows it
│   └── DetachedError  because somebody pressed Ctrl-C
└── SmokeFailedError   the release is deployed and serves, and a client's view of it is bad
"""

from __future__ import annotations

from typing import Any


class StackError(RuntimeError):
    """The stack is not what was asked for; the message says which resources failed and why."""

    exit_code = 1
    outcome = "failed"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.more: dict[str, Any] = {}  # for a program: what was found out before


class RefusedError(StackError):
    exit_code = 3
    outcome = "refused"


class RolledBackError(StackError):
    exit_code = 4
    outcome = "rolled-back"


class StillGoingError(StackError):
    exit_code = 5
    outcome = "started"


class DetachedError(StillGoingError):
    exit_code = 130


class SmokeFailedError(StackError):
    exit_code = 6


EXIT_CODES = """\
exit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused and nothing was changed, 4 the change was taken back and the
release before it serves, 5 still going on (credentials ran out, or it takes too long): the same command again follows
it, 6 deployed but the smoke test failed, 130 interrupted: CloudFormation goes on, the same command again follows it
"""
