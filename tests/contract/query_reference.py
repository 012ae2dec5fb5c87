"""What a query means, in plain Python over a list of rows: slow, and short enough to be seen to be right.

It reads the query as a client sends it and shares no code with what it judges. A row is a dict; its ``row`` is its
topic's number.
"""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from functools import cmp_to_key
from typing import Any

Row = Mapping[str, Any]
Query = Mapping[str, Any]

MONDAY = datetime(2001, 1, 1, tzinfo=UTC)
WIDTHS = {
    "1m": timedelta(minutes=1),
    "5m": timedelta(minutes=5),
    "15m": timedelta(minutes=15),
    "1h": timedelta(hours=1),
    "4h": timedelta(hours=4),
    "1d": timedelta(days=1),
    "1w": timedelta(weeks=1),
}


def answer(query: Query, rows: Sequence[Row], *, key: Sequence[str], time: str) -> list[dict[str, Any]]:
    """The rows of the answer, all pages in one, in order."""
    passed = [row for row in rows if holds(query["where"], row)] if query.get("where") else list(rows)
    groups = query.get("group_by", [])
    if not groups and not any(isinstance(item, dict) and "fn" in item for item in query["select"]):
        found = [({named(item): row[source(item)] for item in query["select"]}, row) for row in passed]
        return ordered(found, query, key)
    members: dict[tuple[Any, ...], list[Row]] = {} if groups else {(): []}
    for row in passed:
        members.setdefault(tuple(group_value(group, row) for group in groups), []).append(row)
    names = [group if isinstance(group, str) else group.get("as", group["field"]) for group in groups]
    made = []
    for values, inside in members.items():
        grouped = dict(zip(names, values, strict=True))
        shown = {
            named(item): aggregate(item, inside, time)
            if isinstance(item, dict) and "fn" in item
            else grouped[source(item)]
            for item in query["select"]
        }
        made.append((shown, grouped))
    return ordered(made, query, names)


# --- filters ----------------------------------------------------------------------------------------


def holds(condition: Query, row: Row) -> bool:
    if "and" in condition:
        return all(holds(part, row) for part in condition["and"])
    if "or" in condition:
        return any(holds(part, row) for part in condition["or"])
    if "not" in condition:
        return not holds(condition["not"], row)
    return COMPARISONS[condition["op"]](row[condition["field"]], condition["value"])


def same(mine: Any, raw: Any) -> bool:
    if raw is None or mine is None:
        return raw is None and mine is None
    return raw in mine if isinstance(mine, list) else compare(mine, raw) == 0


def among(mine: Any, raws: Sequence[Any]) -> bool:
    return mine is not None and any(same(mine, raw) for raw in raws)


def compare(mine: Any, raw: Any) -> int:
    """A row's value with one of the query's: below, the same, above."""
    other = raw
    if isinstance(mine, datetime) and isinstance(raw, str):
        other = datetime.fromisoformat(raw)
    elif isinstance(mine, Decimal | int):
        other = Decimal(str(raw))
    return (mine > other) - (mine < other)


def beyond(test: Callable[[int], bool]) -> Callable[[Any, Any], bool]:
    return lambda mine, raw: mine is not None and test(compare(mine, raw))


def matches(mine: Any, pattern: str) -> bool:
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    regex = "".join({"%": ".*", "_": "."}.get(part, re.escape(part[-1])) for part in parts)
    return mine is not None and re.fullmatch(regex, mine, re.DOTALL) is not None


COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "eq": same,
    "ne": lambda mine, raw: not same(mine, raw),
    "in": among,
    "nin": lambda mine, raws: not among(mine, raws),
    "gt": beyond(lambda found: found > 0),
    "gte": beyond(lambda found: found >= 0),
    "lt": beyond(lambda found: found < 0),
    "lte": beyond(lambda found: found <= 0),
    "between": lambda mine, ends: mine is not None and compare(mine, ends[0]) >= 0 >= compare(mine, ends[1]),
    "like": matches,
}


# --- groups -----------------------------------------------------------------------------------------


def group_value(group: Any, row: Row) -> Any:
    if isinstance(group, str):
        return row[group]
    at = row[group["field"]]
    if at is None:
        return None
    if group["bucket"] == "1mo":
        return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    width = WIDTHS[group["bucket"]]
    return MONDAY + (at - MONDAY) // width * width


def aggregate(item: Query, rows: Sequence[Row], time: str) -> Any:
    if "field" not in item:
        return len(rows)
    known = [row for row in rows if row[item["field"]] is not None]
    values = [row[item["field"]] for row in known]
    if item["fn"] == "count":
        return len(values)
    if not values:
        return None
    with localcontext(prec=60):
        match item["fn"]:
            case "sum":
                return sum(values)
            case "avg":
                return Decimal(sum(values)) / len(values)
            case "min" | "max" as fn:
                return (min if fn == "min" else max)(values)
            case "stddev":
                return statistics.stdev(map(Decimal, values)) if len(values) > 1 else None
            case "percentile":
                return percentile(sorted(map(float, values)), float(item["p"]))
            case "first" | "last" as fn:
                pairs = [(row[time], row[item["field"]]) for row in known]
                return (min if fn == "first" else max)(pairs)[1]
    raise AssertionError(item)


def percentile(values: Sequence[float], p: float) -> Decimal:
    """Between the two neighbours of the place p (n - 1), in proportion; in double precision, as percentile_cont is.

    Exact decimals would differ where the neighbours are far apart: the proportion itself is rounded.
    """
    place = p * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return Decimal(values[low] + (values[high] - values[low]) * (place - low))


# --- order ------------------------------------------------------------------------------------------


def named(item: Any) -> str:
    if isinstance(item, str):
        return item
    return item.get("as") or "_".join(item[part] for part in ("fn", "field") if part in item)


def source(item: Any) -> str:
    return item if isinstance(item, str) else item["field"]


def ordered(found: Sequence[tuple[dict[str, Any], Row]], query: Query, rest: Sequence[str]) -> list[dict[str, Any]]:
    """By what was asked for, then by ``rest`` the way of the last; null last whichever way."""
    wanted = [(item["field"], item.get("dir", "asc") == "desc") for item in query.get("order_by", [])]
    last = wanted[-1][1] if wanted else False
    orders = [*wanted, *((name, last) for name in rest)]

    def first(a: tuple[dict[str, Any], Row], b: tuple[dict[str, Any], Row]) -> int:
        for name, descending in orders:
            mine, other = ({**side[1], **side[0]}[name] for side in (a, b))
            if mine is None or other is None:
                if mine is not other:
                    return 1 if mine is None else -1
            elif mine != other:
                return (-1 if mine < other else 1) * (-1 if descending else 1)
        return 0

    return [shown for shown, _ in sorted(found, key=cmp_to_key(first))]
