"""How to wait for AWS: patient with what passes, bounded in all."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ConnectionError, HTTPClientError

from scripts.deployment.errors import DetachedError, StackError, StillGoingError

Result = TypeVar("Result")

_PASSING = frozenset(
    {
        "InternalFailure",
        "InternalError",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)
_EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired"})
_RENEW = "the credentials have expired: renew them"


def problem(subject: str, error: BotoCoreError | ClientError) -> StackError:
    """The error as one of ours: of credentials that ran out on the way, that the same command goes on with new ones."""
    if isinstance(error, ClientError) and error.response["Error"]["Code"] in _EXPIRED:
        return StillGoingError(f"{subject}: {_RENEW}, and give the same command again")
    return StackError(f"{subject}: {error}")


class Waiting:
    """One wait for one change. ``every_s`` is how often to look.

    ``limit_s`` bounds the whole, ``patience_s`` how long AWS may be unreachable or busy in a row; ``interrupt`` ends it
    from another thread.
    """

    def __init__(
        self,
        *,
        every_s: float = 3.0,
        limit_s: float = 3 * 3600,
        patience_s: float = 300,
        interrupt: threading.Event | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.every_s = every_s
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._interrupt = interrupt or threading.Event()
        self._clock = clock
        self._began = clock()

    def again(self) -> Waiting:
        """For the next change: the limit counts anew."""
        return Waiting(
            every_s=self.every_s,
            limit_s=self._limit_s,
            patience_s=self._patience_s,
            interrupt=self._interrupt,
            clock=self._clock,
        )

    def pause(self) -> None:
        """Until the next look. Raises StillGoingError when the limit is reached, DetachedError when told to end."""
        if self._interrupt.wait(self.every_s):
            raise DetachedError("interrupted")
        if self._clock() - self._began > self._limit_s:
            raise StillGoingError(f"not done after {self._limit_s / 60:.0f} minutes, and going on")

    def ask(self, call: Callable[..., Result], **arguments: Any) -> Result:
        """The answer, asked for again while AWS is busy or out of reach.

        Raises StillGoingError when the credentials have run out or patience has, and what AWS says otherwise.
        """
        since: float | None = None
        while True:
            try:
                return call(**arguments)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if code in _EXPIRED:
                    raise StillGoingError(_RENEW) from error
                if code not in _PASSING:
                    raise
                problem: Exception = error
            except (ConnectionError, HTTPClientError) as error:
                problem = error
            since = self._clock() if since is None else since
            if self._clock() - since >= self._patience_s:
                raise StillGoingError(f"AWS has not answered for {self._patience_s:.0f} s: {problem}") from problem
            self.pause()
