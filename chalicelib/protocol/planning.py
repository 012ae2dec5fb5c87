"""From a query as it was sent to a plan: what it means, whether it is allowed, and if not, where it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec import UNSET, UnsetType

from chalicelib.domain.plans import (
    Aggregate,
    Both,
    Bucket,
    Compare,
    Either,
    Filter,
    Function,
    OneOf,
    Order,
    Output,
    Plan,
    Value,
    negate,
    normal,
)
from chalicelib.domain.tables import TABLES, Field, FieldKind, Table
from chalicelib.errors import BadQueryError
from chalicelib.protocol.cursor import after
from chalicelib.protocol.query import Condition, Operation, Query, Selected, Span
from chalicelib.protocol.reach import check_reach
from chalicelib.protocol.values import pattern_of, value_of

MAX_FILTER_DEPTH = 8
MAX_COMPARISONS = 50
MAX_VALUES = 200  # of one list
DEFAULT_ROWS = 100

_OF_NUMBERS = ("sum", "avg", "stddev", "percentile", "first", "last")
_ORDERED: tuple[FieldKind, ...] = ("text", "number", "count", "time")
_OPERATIONS: dict[FieldKind, tuple[Operation, ...]] = {
    "text": ("eq", "ne", "in", "nin", "like", "gt", "gte", "lt", "lte", "between"),
    "number": ("eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "between"),
    "count": ("eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "between"),
    "time": ("eq", "ne", "in", "nin", "gt", "gte", "lt", "lte", "between"),
    "list": ("eq", "ne", "in", "nin"),
    "interval": ("eq", "ne", "in", "nin"),
}


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """What one query may ask for. ``days`` are of observations; ``days_of_topics`` where they are of few topics."""

    rows: int = 1000
    groups: int = 10_000
    days: int = 31
    days_of_topics: int = 366


def plan_of(query: Query, *, now: datetime, limits: QueryLimits) -> Plan:
    """What a query asks for, in one form for all equal ones. Raises BadQueryError with a pointer to what is wrong."""
    table = TABLES[query.from_]
    groups = _groups(query.group_by, table)
    is_aggregated = bool(groups) or any(isinstance(item, Selected) and item.fn for item in query.select)
    outputs = _outputs(query.select, table, groups if is_aggregated else None)
    order = _order(query, table, outputs, groups, is_aggregated)
    plan = Plan(
        table=table,
        outputs=outputs,
        where=normal(_Filters(table).read(query.where), table),
        groups=groups,
        order=order,
        limit=_limit(query.limit, limits.groups if is_aggregated else limits.rows, is_aggregated),
        is_aggregated=is_aggregated,
    )
    check_reach(plan, now=now, days=limits.days, days_of_topics=limits.days_of_topics, groups=limits.groups)
    return plan if query.cursor is None else replace(plan, after=after(query.cursor, plan))


def _limit(asked: int | None, most: int, is_aggregated: bool) -> int:
    if asked is None:
        return most if is_aggregated else DEFAULT_ROWS
    if asked > most:
        what = "groups, in one page" if is_aggregated else "rows a page: 'next' of the answer leads to more"
        raise BadQueryError(f"at most {most} {what}", pointer="/limit")
    return asked


def _field(name: str, table: Table, pointer: str) -> Field:
    found = table.fields.get(name)
    if found is None:
        raise BadQueryError(
            f"{table.name} has no field {name!r:.50}: it has {', '.join(table.fields)}", pointer=pointer
        )
    return found


# --- what is selected -------------------------------------------------------------------------------


def _groups(wanted: Sequence[str | Span], table: Table) -> tuple[Value | Bucket, ...]:
    groups: dict[str, Value | Bucket] = {}
    for index, item in enumerate(wanted):
        pointer = f"/group_by/{index}"
        group = _group(item, table, pointer)
        if group.name in groups:
            raise BadQueryError(f"a second group named {group.name!r}: name it with 'as'", pointer=pointer)
        groups[group.name] = group
    return tuple(groups.values())


def _group(item: str | Span, table: Table, pointer: str) -> Value | Bucket:
    if isinstance(item, str):
        if _field(item, table, pointer).kind == "list":
            raise BadQueryError(f"{item} is a list, by which nothing can be grouped", pointer=pointer)
        return Value(item, item)
    if _field(item.field, table, f"{pointer}/field").kind != "time":
        raise BadQueryError(f"{item.field} is no time", pointer=f"{pointer}/field")
    return Bucket(item.as_ or item.field, item.field, item.bucket)


def _outputs(
    wanted: Sequence[str | Selected], table: Table, groups: Sequence[Value | Bucket] | None
) -> tuple[Output, ...]:
    """``groups``: None where rows are asked for as they are."""
    outputs: dict[str, Output] = {}
    for index, item in enumerate(wanted):
        pointer = f"/select/{index}"
        output = _output(item, table, groups, pointer)
        if output.name in outputs:
            raise BadQueryError(f"a second {output.name!r}: name it with 'as'", pointer=pointer)
        outputs[output.name] = output
    return tuple(outputs.values())


def _output(item: str | Selected, table: Table, groups: Sequence[Value | Bucket] | None, pointer: str) -> Output:
    if isinstance(item, Selected) and item.fn:
        return _aggregate(item, item.fn, table, pointer)
    name, at = (item, pointer) if isinstance(item, str) else (item.field or "", f"{pointer}/field")
    if isinstance(item, Selected) and item.p is not None:
        raise BadQueryError("p is of percentile", pointer=f"{pointer}/p")
    shown = item.as_ if isinstance(item, Selected) and item.as_ else name
    if groups is None:
        return Value(shown, _field(name, table, at).name)
    for group in groups:
        if group.name == name:
            return replace(group, name=shown)
    known = ", ".join(group.name for group in groups) or "none"
    raise BadQueryError(f"{name!r:.50} is neither grouped by ({known}) nor in a function", pointer=at)


def _aggregate(item: Selected, fn: Function, table: Table, pointer: str) -> Aggregate:
    if (item.p is not None) != (fn == "percentile"):
        raise BadQueryError("percentile, and nothing else, needs p from 0 to 1", pointer=f"{pointer}/p")
    name = item.as_ or "_".join(filter(None, (fn, item.field)))
    if item.field is None:
        if fn != "count":
            raise BadQueryError(f"{fn} needs a field", pointer=f"{pointer}/field")
        return Aggregate(name, "count")
    kind = _field(item.field, table, f"{pointer}/field").kind
    if fn in _OF_NUMBERS and kind not in ("number", "count"):
        raise BadQueryError(f"{fn} is of numbers, and {item.field} is none", pointer=f"{pointer}/field")
    if fn in ("min", "max") and kind not in _ORDERED:
        raise BadQueryError(f"{item.field} has no {fn}", pointer=f"{pointer}/field")
    return Aggregate(name, fn, item.field, None if item.p is None else Decimal(repr(item.p)))


def _order(
    query: Query, table: Table, outputs: Sequence[Output], groups: Sequence[Value | Bucket], is_aggregated: bool
) -> tuple[Order, ...]:
    """Rows end with the table's key, groups with what makes them one: no two are equal."""
    named: dict[str, Output] = {output.name: output for output in (*groups, *outputs)}
    order: dict[Output, Order] = {}
    for index, item in enumerate(query.order_by):
        pointer = f"/order_by/{index}/field"
        by = named.get(item.field)
        if by is None:
            if is_aggregated:
                raise BadQueryError(f"{item.field!r:.50} is neither selected nor grouped by", pointer=pointer)
            by = Value(item.field, _field(item.field, table, pointer).name)
        if isinstance(by, Value) and table.fields[by.field].kind == "list":
            raise BadQueryError(f"{item.field} is a list, which has no order", pointer=pointer)
        by = replace(by, name="")
        order.setdefault(by, Order(by, item.dir == "desc"))
    rest: Sequence[Output] = groups if is_aggregated else [Value("", name) for name in table.key]
    descending = bool(query.order_by) and query.order_by[-1].dir == "desc"  # one way, so that an index can be read so
    for by in (replace(output, name="") for output in rest):
        order.setdefault(by, Order(by, descending))
    return tuple(order.values())


# --- what is asked of rows --------------------------------------------------------------------------


class _Filters:
    """Reads one query's filter, and counts how much it asks for."""

    def __init__(self, table: Table) -> None:
        self._table = table
        self._comparisons = 0

    def read(self, condition: Condition | None) -> Filter:
        return Both() if condition is None else self._condition(condition, "/where", 1)

    def _condition(self, condition: Condition, pointer: str, depth: int) -> Filter:
        if depth > MAX_FILTER_DEPTH:
            raise BadQueryError(f"filters nest at most {MAX_FILTER_DEPTH} deep", pointer=pointer)
        comparison = (condition.field, condition.op, condition.value)
        shapes = (condition.and_, condition.or_, condition.not_, *comparison)
        is_comparison = all(part is not UNSET for part in comparison)
        if sum(part is not UNSET for part in shapes) != (3 if is_comparison else 1):
            raise BadQueryError("expected one of: and, or, not, or field with op and value", pointer=pointer)
        if not isinstance(condition.and_, UnsetType):
            return Both(self._parts(condition.and_, f"{pointer}/and", depth))
        if not isinstance(condition.or_, UnsetType):
            return Either(self._parts(condition.or_, f"{pointer}/or", depth))
        if not isinstance(condition.not_, UnsetType):
            return negate(self._condition(condition.not_, f"{pointer}/not", depth + 1))
        if not is_comparison:
            raise BadQueryError("a comparison has field, op and value", pointer=pointer)
        return self._comparison(condition, pointer)

    def _parts(self, parts: Sequence[Condition], pointer: str, depth: int) -> tuple[Filter, ...]:
        if not parts:
            raise BadQueryError("expected at least one condition", pointer=pointer)
        return tuple(self._condition(part, f"{pointer}/{index}", depth + 1) for index, part in enumerate(parts))

    def _comparison(self, condition: Condition, pointer: str) -> Filter:
        self._comparisons += 1
        if self._comparisons > MAX_COMPARISONS:
            raise BadQueryError(f"at most {MAX_COMPARISONS} comparisons", pointer=pointer)
        field = _field(str(condition.field), self._table, f"{pointer}/field")
        op, raw, at = condition.op, condition.value, f"{pointer}/value"
        if op not in _OPERATIONS[field.kind]:
            allowed = ", ".join(_OPERATIONS[field.kind])
            raise BadQueryError(f"{field.name} is a {field.kind}, which has {allowed}", pointer=f"{pointer}/op")
        match op:
            case "eq" | "ne":
                value = None if raw is None and field.nullable else value_of(raw, field.kind, at)
                return Compare(field.name, "eq", value, negated=op == "ne")
            case "in" | "nin":
                return OneOf(field.name, self._list(raw, field, at), negated=op == "nin")
            case "between":
                low, high = self._list(raw, field, at, ends=True)
                return Both((Compare(field.name, "gte", low), Compare(field.name, "lte", high)))
            case "like":
                return Compare(field.name, "like", pattern_of(raw, at))
            case "gt" | "gte" | "lt" | "lte":
                return Compare(field.name, op, value_of(raw, field.kind, at))
            case _:
                raise AssertionError(op)

    def _list(self, raw: Any, field: Field, pointer: str, *, ends: bool = False) -> tuple[Any, ...]:
        if not isinstance(raw, list) or len(raw) > MAX_VALUES or (ends and len(raw) != 2):
            told = "the two ends, both included" if ends else f"a list of at most {MAX_VALUES} values"
            raise BadQueryError(f"expected {told}", pointer=pointer)
        return tuple(value_of(item, field.kind, f"{pointer}/{index}") for index, item in enumerate(raw))
