"""From a plan to a statement, with SQLAlchemy Core.

Guarantees: nothing that a client sent is part of the text. Names of tables and columns come from tables.py, every
value is bound, and lists are bound as one array, so that their length does not change the text either.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    DateTime,
    Double,
    FromClause,
    Integer,
    Interval,
    Numeric,
    Text,
    and_,
    bindparam,
    cast,
    collate,
    extract,
    false,
    func,
    or_,
    select,
    tuple_,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY, array
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import Grouping
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.util import LRUCache

from chalicelib.adapters.postgres import tables as stored
from chalicelib.adapters.postgres.columns import OF_TOPIC, Columns, Expression, comparisons
from chalicelib.adapters.postgres.conditions import Conditions
from chalicelib.adapters.postgres.shapes import Shape, Slot, filled
from chalicelib.domain.plans import (
    Aggregate,
    Bucket,
    Order,
    Output,
    Plan,
    Scalar,
    Value,
)
from chalicelib.domain.tables import BUCKETS

KEPT = 200  # statements, a few kilobytes each
_dialect: Dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
_built: MutableMapping[Hashable, Statement] = LRUCache(KEPT)
_MONDAY = datetime(2001, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Statement:
    """Text and parameters for psycopg.

    A row of ``width`` values has the plan's outputs, then, of rows that are not aggregated, what else they are ordered
    by; ``ends`` are the places of what they are ordered by. One row more than the plan's limit is asked for: it tells
    that there are more.
    """

    text: str
    parameters: Mapping[str, Any]
    width: int
    ends: Sequence[int]


def statement_of(plan: Plan) -> Statement:
    """Built once for all plans that differ in their values only."""
    shape = Shape(plan)
    known = _built.get(shape.key)
    if known is None:
        known = _built[shape.key] = _Statement(shape.plan, shape.limit).compiled()
    return replace(known, parameters=filled(known.parameters, shape.values))


class _Statement:
    """One shape's; equal outputs are the same expression, or PostgreSQL would not know that they are grouped by."""

    def __init__(self, plan: Plan, limit: Slot) -> None:
        self._plan, self._limit = plan, limit
        self._table = plan.table
        self._columns = Columns(plan.table)
        self._made: dict[Output, Expression] = {}
        self._read = [*plan.outputs]
        self._ends: Sequence[int] = ()
        if not plan.is_aggregated:
            keys = [order.by for order in plan.order]
            self._read += [key for key in keys if key not in self._read]
            self._ends = [self._read.index(key) for key in keys]

    def compiled(self) -> Statement:
        """With slots for parameters."""
        compiled = self._built().compile(dialect=_dialect)
        return Statement(compiled.string, compiled.params, len(self._read), self._ends)

    def _built(self) -> Any:
        plan = self._plan
        columns = [self._output(output).label(f"c{index}") for index, output in enumerate(self._read)]
        statement = select(*columns).select_from(self._from()).where(Conditions(self._columns).expression(plan.where))
        if plan.after is not None:
            statement = statement.where(self._after(plan.after))
        if plan.groups:
            statement = statement.group_by(*(self._output(group) for group in plan.groups))
        statement = statement.order_by(*(self._ordered(order) for order in plan.order))
        return statement.limit(bindparam(None, self._limit, Integer()))

    # --- where rows come from ---

    def _from(self) -> FromClause:
        if self._columns.is_view or not self._used().intersection(OF_TOPIC):
            return self._columns.source
        return self._columns.source.join(stored.entities, stored.entities.c.id == self._columns.source.c.entity_id)

    def _used(self) -> set[str]:
        """Fields that are read; not a topic that is only compared with, which is its row's number."""
        plan = self._plan
        outputs = (*plan.outputs, *plan.groups, *(order.by for order in plan.order))
        compared = {node.field for node in comparisons(plan.where) if not self._columns.is_row(node)}
        return {output.field for output in outputs if output.field} | compared

    # --- what is read of them ---

    def _output(self, output: Output) -> Expression:
        if output not in self._made:
            self._made[output] = self._expression(output)
        return self._made[output]

    def _expression(self, output: Output) -> Expression:
        match output:
            case Value(_, field):
                return self._columns.column(field)
            case Bucket(_, field, width):
                return _bucket(self._columns.column(field), width)
            case Aggregate(_, fn, field, p):
                return self._aggregate(fn, field, p)

    def _aggregate(self, fn: str, field: str | None, p: Decimal | None) -> Expression:
        if field is None:
            return func.count()
        column = self._columns.column(field)
        match fn:
            case "percentile":
                share: Expression = bindparam(None, p, Double())
                return func.percentile_cont(share).within_group(cast(column, Double()))
            case "first" | "last":
                return self._at_end("min" if fn == "first" else "max", field)
            case "stddev":
                return func.stddev_samp(column)
            case "min" | "max":
                return _call(fn, self._columns.comparable(field))
            case _:
                return _call(fn, column)

    def _at_end(self, end: str, field: str) -> Expression:
        """The least or greatest pair of time and value: unlike a sorted array of the group, it needs no memory."""
        column = self._columns.column(field)
        number = cast(column, Numeric()) if self._table.fields[field].kind == "count" else column
        pair = _call(end, array([extract("epoch", self._columns.column(self._table.time)), number]))
        known = pair.filter(column.is_not(None)) if self._table.fields[field].nullable else pair
        return type_coerce(Grouping(known), ARRAY(Numeric()))[2]

    # --- in which order ---

    def _sort(self, output: Output) -> Expression:
        made = self._output(output)
        return collate(made, "C") if self._is_text(output) else made

    def _is_text(self, output: Output) -> bool:
        kind = self._table.fields.get(output.field or "")
        is_itself = isinstance(output, Value) or (isinstance(output, Aggregate) and output.fn in ("min", "max"))
        return is_itself and kind is not None and kind.kind == "text"

    def _is_nullable(self, output: Output) -> bool:
        field = self._table.fields.get(output.field or "")
        return field is not None and field.nullable

    def _ordered(self, order: Order) -> Expression:
        sort = self._sort(order.by)
        ordered = sort.desc() if order.descending else sort.asc()
        may_be_null = isinstance(order.by, Aggregate) or self._is_nullable(order.by)
        return ordered.nulls_last() if may_be_null else ordered

    def _after(self, values: tuple[Scalar, ...]) -> Expression:
        """Rows that come after one with these values."""
        orders = self._plan.order
        sorts = [self._sort(order.by) for order in orders]
        binds = [self._columns.bind(value, order.by.field or "") for value, order in zip(values, orders, strict=True)]
        directions = {order.descending for order in orders}
        if len(directions) == 1 and not any(self._is_nullable(order.by) for order in orders):
            # What an index is read from, in one step.
            return tuple_(*sorts) < tuple_(*binds) if directions == {True} else tuple_(*sorts) > tuple_(*binds)
        later: Expression = false()
        for order, sort, bind, value in reversed(list(zip(orders, sorts, binds, values, strict=True))):
            later = or_(self._beyond(order, sort, bind, value), and_(_same(sort, bind, value), later))
        return later

    def _beyond(self, order: Order, sort: Expression, bind: Expression, value: Scalar) -> Expression:
        if value is None:
            return false()
        beyond = sort < bind if order.descending else sort > bind
        return or_(beyond, sort.is_(None)) if self._is_nullable(order.by) else beyond


def _call(function: str, argument: Expression) -> FunctionElement[Any]:
    called: FunctionElement[Any] = getattr(func, function)(argument)
    return called


def _same(sort: Expression, bind: Expression, value: Scalar) -> Expression:
    return sort.is_(None) if value is None else sort == bind


def _bucket(column: Expression, width: str) -> Expression:
    seconds = BUCKETS[width]
    if seconds is None:
        return func.date_trunc(bindparam(None, "month", Text()), column, bindparam(None, "UTC", Text()))
    span = bindparam(None, timedelta(seconds=seconds), Interval())
    return func.date_bin(span, column, bindparam(None, _MONDAY, DateTime(timezone=True)))
