"""``Idempotency-Key``: a POST that is sent again is answered again, and not done again."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from chalicelib.handlers.rest.answering import Asked, text_of

DAY_S = 86_400  # so long a request that changes something is known by its key


def once(asked: Asked, make: Callable[[], msgspec.Struct], *, keep_s: int = DAY_S) -> tuple[str, dict[str, str]]:
    """The answer as JSON, and the headers that go with it. Raises what DoOnce and ``make`` raise."""
    key, places = asked.header("idempotency-key"), asked.request.uri_params or {}
    if key is None:
        return text_of(make()), {}
    text, replayed = asked.container.do_once.run(
        key,
        party=asked.caller.party,
        what=f"{asked.request.method} {asked.request.path.format(**places)}",
        body=asked.body,
        keep_s=keep_s,
        make=lambda: text_of(make()),
    )
    return text, {"Idempotency-Replayed": "true"} if replayed else {}
