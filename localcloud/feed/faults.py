"""Trouble on demand, for tests of what must survive it: refusals, error pages, shrunken payloads."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from aiohttp import web

ERROR_PAGE = "<!DOCTYPE html>\n<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"
REASONS = {429: "429 Too Many Requests", 500: "500 Internal Server Error", 502: "502 Bad Gateway", 403: "403 Forbidden"}


@dataclass(frozen=True, slots=True)
class Fault:
    """One answer that is not the expected one; with ``html`` as a proxy in front of the source would send it."""

    status: int
    retry_after: int | str | None = None
    html: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> web.Response:
        headers = dict(self.headers)
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        reason = REASONS.get(self.status, str(self.status))
        if self.html:
            return web.Response(
                status=self.status, headers=headers, text=ERROR_PAGE.format(reason), content_type="text/html"
            )
        return web.json_response({"message": reason}, status=self.status, headers=headers)


class Faults:
    """What was asked for and not yet done, by kind of feed."""

    def __init__(self) -> None:
        self._next: dict[str, deque[Fault]] = defaultdict(deque)
        self._keep: dict[str, float] = {}

    def add(self, kind: str, fault: Fault, times: int) -> None:
        self._next[kind].extend([fault] * times)

    def take(self, kind: str) -> Fault | None:
        return self._next[kind].popleft() if self._next[kind] else None

    def shrink(self, kind: str, keep: float) -> None:
        self._keep[kind] = keep

    def shrunk(self, kind: str, answer: object) -> object:
        """The answer with only the kept share of its records; they may sit one level down."""
        keep = self._keep.get(kind, 1.0)
        if keep >= 1:
            return answer
        if isinstance(answer, list):
            return answer[: int(len(answer) * keep)]
        if isinstance(answer, dict):
            return {name: _part(value, keep) for name, value in answer.items()}
        return answer


def _part(value: object, keep: float) -> object:
    if isinstance(value, dict):
        return dict(list(value.items())[: int(len(value) * keep)])
    return value[: int(len(value) * keep)] if isinstance(value, list) else value
