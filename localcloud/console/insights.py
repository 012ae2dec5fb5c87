"""The few steps of CloudWatch Logs Insights that count lines by a name; any other query says that it needs CloudWatch.

Source: CloudWatch Logs User Guide, "CloudWatch Logs Insights language query syntax".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from localcloud.console.logbook import Entry

Row = Mapping[str, Any]
Step = Callable[[Iterable[Row]], Iterable[Row]]

_SOURCE = re.compile(r"SOURCE\s+'/aws/lambda/([^']+)'")
_FILTER = re.compile(r'filter\s+([\w.]+)\s*=\s*"([^"]*)"')
_PARSED = re.compile(r"fields\s+jsonParse\(@message\)\s+as\s+(\w+)")
_UNNEST = re.compile(r"unnest\s+([\w.]+)\s+into\s+(\w+)")
_PARSE = re.compile(r'parse\s+(\w+)\s+"([^"]*)"\s+as\s+([\w,\s]+)')
_COUNT = re.compile(r"stats\s+count\(\*\)\s+as\s+(\w+)\s+by\s+(\w+)")
_SORT = re.compile(r"sort\s+(\w+)\s+(asc|desc)")
_LIMIT = re.compile(r"limit\s+(\d+)")


class NotHereError(Exception):
    """A step that only CloudWatch knows; the message is the step."""


def answer(query: str, entries: Iterable[Entry], *, since: float) -> list[Row]:
    """The rows of a query over the lines that came at ``since`` (seconds since 1970) or later. Raises NotHereError."""
    parts = [part.strip() for part in query.split("|")]
    sources = [found[1] for part in parts if (found := _SOURCE.fullmatch(part))]
    steps = [_step(part) for part in parts if not _SOURCE.fullmatch(part)]
    recent = (entry for entry in entries if entry.at >= since and (not sources or entry.function in sources))
    rows: Iterable[Row] = ({**entry.fields, "@message": entry.fields} for entry in recent)
    for step in steps:
        rows = step(rows)
    return list(rows)


def _step(text: str) -> Step:
    for pattern, build in _STEPS:
        if found := pattern.fullmatch(text):
            return build(*found.groups())
    raise NotHereError(text)


def _filter(path: str, value: str) -> Step:
    return lambda rows: (row for row in rows if _at(row, path) == value)


def _name_message(name: str) -> Step:
    return lambda rows: ({**row, name: row["@message"]} for row in rows)


def _unnest(path: str, name: str) -> Step:
    def run(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            listed = _at(row, path)
            yield from ({name: each} for each in (listed if isinstance(listed, list) else ()))

    return run


def _parse(field: str, glob: str, names: str) -> Step:
    """``*`` takes as little as it can, the last one the rest."""
    wanted = [name.strip() for name in names.split(",")]
    if glob.count("*") != len(wanted):
        raise NotHereError(f'parse {field} "{glob}" as {names}')
    pattern = re.compile("(.*?)".join(re.escape(text) for text in glob.split("*")), re.DOTALL)

    def run(rows: Iterable[Row]) -> Iterator[Row]:
        for row in rows:
            found = pattern.fullmatch(str(row.get(field, "")))
            yield {**row, **(dict(zip(wanted, found.groups(), strict=True)) if found else {})}

    return run


def _count(name: str, by: str) -> Step:
    def run(rows: Iterable[Row]) -> Iterable[Row]:
        counts = Counter(str(row[by]) for row in rows if by in row)
        return [{by: key, name: count} for key, count in counts.items()]

    return run


def _sort(by: str, way: str) -> Step:
    return lambda rows: sorted(rows, key=lambda row: row[by], reverse=way == "desc")


def _limit(count: str) -> Step:
    return lambda rows: list(rows)[: int(count)]


def _at(row: Any, path: str) -> Any:
    for name in path.split("."):
        row = row.get(name) if isinstance(row, Mapping) else None
    return row


_STEPS: tuple[tuple[re.Pattern[str], Callable[..., Step]], ...] = (
    (_FILTER, _filter),
    (_PARSED, _name_message),
    (_UNNEST, _unnest),
    (_PARSE, _parse),
    (_COUNT, _count),
    (_SORT, _sort),
    (_LIMIT, _limit),
)
