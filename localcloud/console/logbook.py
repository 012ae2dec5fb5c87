"""What the functions wrote, the newest lines, in memory."""

from __future__ import annotations

import json
import re
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import islice
from typing import Any

LINES_MAX = 20_000
SHOWN_MAX = 500  # of one answer
LEVELS = ("debug", "info", "warning", "error", "critical")

_OF_LAMBDA = re.compile(r"\[(ERROR|WARNING|INFO|DEBUG)\] |Task timed out after")


@dataclass(frozen=True, slots=True)
class Entry:
    """``at`` is when it came, in seconds since 1970. ``fields`` is empty for a line that is no JSON object."""

    number: int
    at: float
    function: str
    line: str
    fields: Mapping[str, Any]

    @property
    def level(self) -> str:
        if self.fields:
            return str(self.fields.get("level", "info")).lower()
        said = _OF_LAMBDA.match(self.line) or _OF_LAMBDA.search(self.line[:120])
        return "info" if said is None else (said[1] or "error").lower()

    def json(self) -> dict[str, Any]:
        """For the page; what is no JSON is its text."""
        told = {"fields": self.fields} if self.fields else {"text": self.line}
        return {"number": self.number, "at": self.at, "function": self.function, "level": self.level, **told}


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """What is looked for; what is empty narrows nothing.

    ``level`` is the least one, ``topic`` may have wildcards (``price:*``), ``before`` is a line's number.
    """

    level: str = ""
    function: str = ""
    connection: str = ""
    topic: str = ""
    text: str = ""
    before: int | None = None

    def __post_init__(self) -> None:
        if self.level and self.level not in LEVELS:
            raise ValueError(f"level is one of {', '.join(LEVELS)}, not {self.level!r}")

    def matches(self, entry: Entry) -> bool:
        return (
            (self.before is None or entry.number < self.before)
            and (not self.function or entry.function == self.function)
            and (not self.level or _rank(entry.level) >= LEVELS.index(self.level))
            and (not self.connection or entry.fields.get("connection_id") == self.connection)
            and (not self.topic or any(fnmatchcase(topic, self.topic) for topic in _topics(entry.fields)))
            and self.text.casefold() in entry.line.casefold()
        )


class LogBook:
    """The newest ``most`` lines. Lines of metrics (EMF) are not kept: they are in the graphs."""

    def __init__(self, *, most: int = LINES_MAX, now: Callable[[], float] = time.time) -> None:
        self._entries: deque[Entry] = deque(maxlen=most)
        self._now = now
        self._number = 0

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, function: str, line: str) -> None:
        if '"_aws"' in line or not line.strip():
            return
        self._number += 1
        self._entries.append(Entry(self._number, self._now(), function, line, _fields(line)))

    def newest(self) -> Iterator[Entry]:
        return reversed(self._entries)

    def functions(self) -> list[str]:
        return sorted({entry.function for entry in self._entries})

    def find(self, search: Search, *, limit: int = 200) -> list[Entry]:
        """At most ``limit`` lines (never more than 500), the newest first."""
        return list(islice(filter(search.matches, self.newest()), max(0, min(limit, SHOWN_MAX))))


def _fields(line: str) -> Mapping[str, Any]:
    if not line.startswith("{"):
        return {}
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _rank(level: str) -> int:
    return LEVELS.index(level) if level in LEVELS else LEVELS.index("info")


def _topics(fields: Mapping[str, Any]) -> Iterator[str]:
    """Every topic that a line names: as ``topic``, in ``topics``, or before the offset in ``changes``."""
    if isinstance(topic := fields.get("topic"), str):
        yield topic
    for name in ("topics", "changes"):
        listed = fields.get(name)
        if isinstance(listed, list):
            yield from (str(each).partition("@")[0] for each in listed)
