"""Queries at random: any that a client may send of the rows of query_rows.py, as it would send it."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any

from hypothesis import strategies as st

from chalicelib.domain.tables import BUCKETS, TABLES, Field, Table
from tests.contract.query_rows import INTERVALS, START, TOPICS, VALUES

WORDS = [
    *(topic for topic, _, _ in TOPICS),
    *(topic.rsplit(":", 1)[1] for topic, _, _ in TOPICS),
    *("price", "tvl", "peg", "Lending", "USD", "Base", "Ethereum", "defillama", "a1", "z9", "", "'; --"),
]
PATTERNS = ["%", "price:%", "%a%", "_ending", "a\\%b%", "%\\\\%", "%\\_%", "Base", "", "%'%", "tvl:%:_ave"]
NUMBERS = [*VALUES, "0.9", "0.99", "2", "4", "-7", "1e3"]


def _time(minutes: int) -> str:
    return (START + timedelta(minutes=minutes)).isoformat()


times = st.one_of(st.integers(-5, 30), st.integers(0, 14 * 24 * 60)).map(_time)
numbers = st.sampled_from(NUMBERS).flatmap(
    lambda text: st.sampled_from([text, float(text)] if len(text) < 10 else [text])
)


@cache
def values(field: Field) -> st.SearchStrategy[Any]:
    match field.kind:
        case "number" | "count":
            return numbers
        case "time":
            return times
        case "interval":
            return st.sampled_from(list(INTERVALS))
        case _:
            return st.sampled_from(WORDS)


@st.composite
def comparisons(draw: st.DrawFn, table: Table) -> dict[str, Any]:
    field = draw(st.sampled_from(list(table.fields.values())))
    operations = ["eq", "ne", "in", "nin"]
    if field.kind not in ("list", "interval"):
        operations += ["gt", "gte", "lt", "lte", "between"]
    if field.kind == "text":
        operations += ["like", "like"]
    op = draw(st.sampled_from(operations))
    value: Any
    match op:
        case "in" | "nin":
            value = draw(st.lists(values(field), max_size=4))
        case "between":
            value = [draw(values(field)), draw(values(field))]
        case "like":
            value = draw(st.sampled_from(PATTERNS))
        case "eq" | "ne" if field.nullable:
            value = draw(st.one_of(st.none(), values(field)))
        case _:
            value = draw(values(field))
    return {"field": field.name, "op": op, "value": value}


@cache  # making strategies takes longer than drawing from them
def conditions(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.recursive(
        comparisons(TABLES[name]),
        lambda inner: st.one_of(
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"and": parts}),
            st.lists(inner, min_size=1, max_size=3).map(lambda parts: {"or": parts}),
            inner.map(lambda part: {"not": part}),
        ),
        max_leaves=6,
    )


@st.composite
def wheres(draw: st.DrawFn, table: Table) -> dict[str, Any] | None:
    """With the bounds that a table asks for."""
    asked = draw(st.one_of(st.none(), conditions(table.name)))
    needed: list[dict[str, Any]] = []
    if table.name == "candles":
        needed.append({"field": "interval", "op": "eq", "value": draw(st.sampled_from(list(INTERVALS)))})
    if table.name in ("observations", "candles"):
        ends = [_time(-1), _time(20 * 24 * 60)]
        needed.append({"field": table.time, "op": "between", "value": ends})
    parts = draw(st.permutations([*needed, *([asked] if asked else [])]))
    return {"and": parts} if len(parts) > 1 else (parts[0] if parts else None)


@st.composite
def aggregates(draw: st.DrawFn, table: Table) -> dict[str, Any]:
    fn = draw(st.sampled_from(["sum", "avg", "min", "max", "count", "percentile", "first", "last", "stddev"]))
    if fn == "count" and draw(st.booleans()):
        return {"fn": fn}
    kinds = {"count": None, "min": ("text", "number", "count", "time"), "max": ("text", "number", "count", "time")}
    allowed = kinds.get(fn, ("number", "count"))
    fields = [field.name for field in table.fields.values() if allowed is None or field.kind in allowed]
    item = {"fn": fn, "field": draw(st.sampled_from(fields))}
    return {**item, "p": draw(st.sampled_from([0, 0.25, 0.5, 0.95, 1]))} if fn == "percentile" else item


@st.composite
def spans(draw: st.DrawFn, table: Table) -> dict[str, Any]:
    field = draw(st.sampled_from([field.name for field in table.fields.values() if field.kind == "time"]))
    return {"bucket": draw(st.sampled_from(list(BUCKETS))), "field": field, "as": "span"}


@st.composite
def queries(draw: st.DrawFn) -> dict[str, Any]:
    table = TABLES[draw(st.sampled_from(list(TABLES)))]
    orderable = [field.name for field in table.fields.values() if field.kind != "list"]
    query: dict[str, Any] = {"from": table.name}
    if draw(st.booleans()):
        query["select"] = draw(st.lists(st.sampled_from(list(table.fields)), min_size=1, max_size=5, unique=True))
        sortable = orderable
    else:
        grouped = draw(st.lists(st.sampled_from(orderable), max_size=2, unique=True))
        span = draw(st.one_of(st.none(), spans(table)))
        query["group_by"] = [*grouped, *([span] if span else [])]
        sortable = [*grouped, *(["span"] if span else [])]
        counted = draw(st.lists(aggregates(table), min_size=1, max_size=3))
        named = [{**item, "as": f"a{index}"} for index, item in enumerate(counted)]
        query["select"] = [*draw(st.permutations(sortable)), *named]
        # An average's last digit depends on how it was divided: two that are equal may differ in it.
        sortable += [item["as"] for item in named if item["fn"] not in ("avg", "stddev", "percentile")]
        sortable = [name for name in sortable if name not in _lists(named, table)]
    if sortable:
        order = draw(st.lists(st.sampled_from(sortable), max_size=3, unique=True))
        query["order_by"] = [{"field": name, "dir": draw(st.sampled_from(["asc", "desc"]))} for name in order]
    where = draw(wheres(table))
    if where:
        query["where"] = where
    query["limit"] = draw(st.sampled_from([1, 3, 10, 1000]))
    return query


def _lists(named: list[dict[str, Any]], table: Table) -> set[str]:
    """Aggregates that have no order of their own."""
    return {item["as"] for item in named if item["fn"] != "count" and table.fields[item["field"]].kind == "list"}


def read(value: Any, kind: str) -> Any:
    """A value of an answer, as rows hold it."""
    if value is None:
        return None
    if kind == "number":
        assert re.fullmatch(r"-?\d+(\.\d+)?", value), value
        return Decimal(value)
    return datetime.fromisoformat(value) if kind == "time" else value
