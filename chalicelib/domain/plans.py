"""A query that was checked: what to read, in one form for all the ways of asking for the same.

Comparisons have two values, unlike SQL's: one with a missing value (null) is false, and ``not`` of it is true.
So ``ne`` and ``nin``, the opposites of ``eq`` and ``in``, hold for null.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Literal

from chalicelib.domain.observations import plain
from chalicelib.domain.tables import FieldKind, Table

Scalar = str | int | Decimal | datetime | None
Operator = Literal["eq", "gt", "gte", "lt", "lte", "like"]
Function = Literal["sum", "avg", "min", "max", "count", "percentile", "first", "last", "stddev"]


@dataclass(frozen=True, slots=True)
class Compare:
    """A field with a value (null only for eq); ``negated`` turns its truth round."""

    field: str
    op: Operator
    value: Scalar
    negated: bool = False


@dataclass(frozen=True, slots=True)
class OneOf:
    """A field with a list of values, none of them null."""

    field: str
    values: tuple[Scalar, ...]
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Both:
    """All of them hold; none: true."""

    parts: tuple[Filter, ...] = ()


@dataclass(frozen=True, slots=True)
class Either:
    """One of them holds; none: false."""

    parts: tuple[Filter, ...] = ()


Filter = Compare | OneOf | Both | Either


@dataclass(frozen=True, slots=True)
class Value:
    """A field as it is."""

    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Bucket:
    """The start of the span of ``width`` (of tables.BUCKETS) in which a time lies."""

    name: str
    field: str
    width: str


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A function of a group's rows; count without a field counts them. ``p`` (0 to 1) is a percentile's."""

    name: str
    fn: Function
    field: str | None = None
    p: Decimal | None = None


Output = Value | Bucket | Aggregate


@dataclass(frozen=True, slots=True)
class Order:
    """Null comes last, whichever way."""

    by: Output
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """One page of rows: of the table, or (``is_aggregated``) of its groups.

    ``order`` of rows ends with the table's key, so that it is total; ``after`` are its values in the last row before.
    """

    table: Table
    outputs: tuple[Output, ...]
    where: Filter
    groups: tuple[Value | Bucket, ...]
    order: tuple[Order, ...]
    limit: int
    is_aggregated: bool
    after: tuple[Scalar, ...] | None = None

    def fingerprint(self) -> str:
        """The same for the same question, whichever page of its answer."""
        return digest(replace(self, after=None))


def digest(plan: Plan) -> str:
    """128 bits of SHA-256 over the plan: equal for equal questions."""
    parts = (
        plan.table.name,
        [_told(output) for output in plan.outputs],
        _told(plan.where),
        [_told(group) for group in plan.groups],
        [[_told(order.by), order.descending] for order in plan.order],
        plan.limit,
        plan.is_aggregated,
        None if plan.after is None else [_scalar(value) for value in plan.after],
    )
    return sha256(_text(parts).encode()).hexdigest()[:32]


def _text(told: object) -> str:
    return json.dumps(told, separators=(",", ":"))


def _told(node: Filter | Output) -> list[object]:
    match node:
        case Compare(field, op, value, negated):
            return ["compare", field, op, _scalar(value), negated]
        case OneOf(field, values, negated):
            return ["in", field, [_scalar(value) for value in values], negated]
        case Both(parts):
            return ["and", *(_told(part) for part in parts)]
        case Either(parts):
            return ["or", *(_told(part) for part in parts)]
        case Value(name, field):
            return ["value", name, field]
        case Bucket(name, field, width):
            return ["bucket", name, field, width]
        case Aggregate(name, fn, field, p):
            return ["aggregate", name, fn, field, None if p is None else plain(p)]


def _scalar(value: Scalar) -> list[object]:
    """With its type: the text "1" is not the number 1."""
    match value:
        case Decimal():
            return ["number", plain(value)]
        case datetime():
            return ["time", value.astimezone(UTC).isoformat()]
        case _:
            return ["plain", value]


# --- one form for filters ---------------------------------------------------------------------------

_OPPOSITE: dict[Operator, Operator] = {"gt": "lte", "lte": "gt", "lt": "gte", "gte": "lt"}


def negate(node: Filter) -> Filter:
    """``not``, moved inwards until it is at the comparisons."""
    match node:
        case Compare() | OneOf():
            return replace(node, negated=not node.negated)
        case Both(parts):
            return Either(tuple(negate(part) for part in parts))
        case Either(parts):
            return Both(tuple(negate(part) for part in parts))


def normal(node: Filter, table: Table) -> Filter:
    """The same filter in one form: no nesting that says nothing, nothing twice, all in one order."""
    if isinstance(node, OneOf):
        return _normal_list(node)
    if isinstance(node, Compare):
        is_certain = not table.fields[node.field].nullable
        turned = _OPPOSITE.get(node.op) if node.negated and is_certain else None
        return replace(node, op=turned, negated=False) if turned else node
    kind, absorbing = (Both, Either()) if isinstance(node, Both) else (Either, Both())
    parts: dict[str, Filter] = {}
    for part in (normal(part, table) for part in node.parts):
        if part == absorbing:
            return absorbing
        for item in part.parts if isinstance(part, kind) else (part,):
            parts[_text(_told(item))] = item
    if len(parts) == 1:
        return next(iter(parts.values()))
    return kind(tuple(parts[text] for text in sorted(parts)))


def _normal_list(node: OneOf) -> Filter:
    values = sorted(set(node.values), key=lambda value: _text(_scalar(value)))
    if not values:
        return Both() if node.negated else Either()
    if len(values) == 1:
        return Compare(node.field, "eq", values[0], node.negated)
    return replace(node, values=tuple(values))


# --- what a filter says of a field ------------------------------------------------------------------


def pinned(node: Filter, field: str) -> tuple[Scalar, ...] | None:
    """The only values that a field has in rows that pass; None if it may have any."""
    conjuncts: Sequence[Filter] = node.parts if isinstance(node, Both) else (node,)
    for part in conjuncts:
        match part:
            case Compare(field=name, op="eq", value=value, negated=False) if name == field:
                return (value,)
            case OneOf(field=name, values=values, negated=False) if name == field:
                return values
    return None


def span(node: Filter, field: str) -> tuple[datetime | None, datetime | None]:
    """The first and the last time that a field has in rows that pass; None where it has no bound."""
    conjuncts: Sequence[Filter] = node.parts if isinstance(node, Both) else (node,)
    low: list[datetime] = []
    high: list[datetime] = []
    for part in conjuncts:
        if isinstance(part, Compare) and part.field == field and not part.negated and isinstance(part.value, datetime):
            if part.op in ("eq", "gt", "gte"):
                low.append(part.value)
            if part.op in ("eq", "lt", "lte"):
                high.append(part.value)
    return max(low, default=None), min(high, default=None)


MAX_SCOPES = 20


def scopes(plan: Plan) -> tuple[str, ...]:
    """Topics and wildcards such that the answer is another only after news of one of them."""
    topics = pinned(plan.where, "topic")
    if topics is not None and len(topics) <= MAX_SCOPES:
        return tuple(sorted(str(topic) for topic in topics))
    kinds = pinned(plan.where, "kind") if "kind" in plan.table.fields else None
    if kinds is not None and len(kinds) <= MAX_SCOPES:
        return tuple(sorted(f"{kind}:*" for kind in kinds))
    return (plan.table.scope,)


def kind_of(output: Output, table: Table) -> FieldKind:
    """What a column of the answer holds."""
    match output:
        case Bucket():
            return "time"
        case Aggregate(fn="count"):
            return "count"
        case Aggregate(fn="avg" | "stddev" | "percentile" | "first" | "last"):
            return "number"
        case Value(field=str(field)) | Aggregate(field=str(field)):
            return table.fields[field].kind
        case _:
            raise AssertionError(output)
