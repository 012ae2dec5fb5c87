"""What is said of one route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from chalicelib.protocol import rest


@dataclass(frozen=True)
class Part:
    """A part of the path. ``pattern`` is what it looks like, as a regular expression of JSON Schema."""

    description: str
    pattern: str
    example: str
    longest: int = 64


@dataclass(frozen=True)
class Operation:
    """``answers`` by status; ``problems`` are the statuses that its own errors have, beside everybody's.

    ``is_tagged``: its answer has an ETag of its text; ``is_versioned``: one of the version of what it tells, which
    ``If-Match`` of a change may name. ``is_counted``: it is one of the caller's requests a minute. ``takes_key``: an
    ``Idempotency-Key``; ``is_done_once``: by which it is known again. ``needs_key``: of the API, not without one.
    ``is_page``: it answers people, in HTML.
    """

    method: str
    path: str
    name: str
    summary: str
    description: str
    answers: Mapping[int, tuple[type[Struct], ...]]
    parameters: type[Struct] = rest.NoQuery
    in_path: Mapping[str, Part] = field(default_factory=dict)
    body: type[Struct] | None = None
    example: object = None
    problems: tuple[int, ...] = ()
    is_tagged: bool = False
    is_versioned: bool = False
    is_counted: bool = True
    takes_key: bool = False
    is_done_once: bool = False
    needs_key: bool = False
    is_page: bool = False
