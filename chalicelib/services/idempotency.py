"""A request that is sent again, since its answer was lost, is answered again and not done again."""

from __future__ import annotations

import re
from collections.abc import Callable
from hashlib import sha256

from chalicelib.errors import InProgressError, KeyReusedError, WrongTypeError
from chalicelib.ports import Requests

LEASE_S = 30  # longer than the function may run: who holds it is gone then
_KEY = re.compile(r"[\x21-\x7e]{1,255}\Z")


def check_key(key: str) -> None:
    """Raises WrongTypeError for what cannot be an ``Idempotency-Key``."""
    if not _KEY.match(key):
        raise WrongTypeError("an Idempotency-Key has 1 to 255 visible characters of ASCII")


class DoOnce:
    """Guarantees: of requests of one party with one key only one is done, and its answer given to all, for ``keep_s``;
    one that failed may be tried again; a key that comes with another request is refused.
    """

    def __init__(self, *, requests: Requests) -> None:
        self._requests = requests

    def run(
        self, key: str, *, party: str, what: str, body: bytes, keep_s: int, make: Callable[[], str]
    ) -> tuple[str, bool]:
        """The answer, and whether it was given before. ``what`` names method and path.

        Raises WrongTypeError, InProgressError, KeyReusedError, StoreDownError and what ``make`` raises.
        """
        check_key(key)
        name = "rest#" + _digest(party.encode(), key.encode())
        fingerprint = _digest(what.encode(), body)
        begun = self._requests.begin(name, fingerprint, lease_s=LEASE_S)
        match begun.state:
            case "done":
                return begun.answer, True
            case "running":
                raise InProgressError("a request with this Idempotency-Key is under way", retry_after=1)
            case "other":
                raise KeyReusedError("this Idempotency-Key belongs to another request: use a new one")
        try:
            answer = make()
        except BaseException:
            self._requests.give_up(name, fingerprint)
            raise
        self._requests.done(name, fingerprint, answer, keep_s=keep_s)
        return answer, False


def _digest(*parts: bytes) -> str:
    """Of the parts' lengths too: no two lists of parts are one text."""
    return sha256(b"".join(b"%d:%s" % (len(part), part) for part in parts)).hexdigest()
