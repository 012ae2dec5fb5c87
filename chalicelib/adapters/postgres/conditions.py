"""From a plan's filter to an expression, in which what is compared with null is false and ``not`` of that is true."""

from __future__ import annotations

from sqlalchemy import Boolean, Integer, Text, and_, any_, bindparam, cast, false, func, not_, or_, select, true
from sqlalchemy.dialects.postgresql import ARRAY, array

from chalicelib.adapters.postgres import tables as stored
from chalicelib.adapters.postgres.columns import TYPES, Columns, Expression
from chalicelib.domain.plans import Both, Compare, Either, Filter, OneOf, Scalar


class Conditions:
    """Over the columns of one table."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._fields = columns.table.fields

    def expression(self, node: Filter) -> Expression:
        """What rows must fulfil to pass."""
        match node:
            case Both(parts):
                return and_(true(), *(self.expression(part) for part in parts))
            case Either(parts):
                return or_(false(), *(self.expression(part) for part in parts))
            case Compare() | OneOf() if self._columns.is_row(node):
                return self._row(node)
            case OneOf(field, values, negated):
                return self._one_of(field, values, negated)
            case Compare(field, "eq", value, negated):
                return self._equal(field, value, negated)
            case Compare(field, op, value, negated):
                return self._negated(field, self._compared(field, op, value), negated)

    def _row(self, node: Compare | OneOf) -> Expression:
        """A topic by its row's number, found beforehand: so the index of the large table is used."""
        row = self._columns.source.c.entity_id
        if isinstance(node, OneOf):
            topics = bindparam(None, list(node.values), ARRAY(Text()))
            found = select(func.array_agg(stored.entities.c.id)).where(stored.entities.c.topic == any_(topics))
            among = row == any_(func.coalesce(found.scalar_subquery(), cast(array([]), ARRAY(Integer()))))
            return not_(among) if node.negated else among
        number = select(stored.entities.c.id)
        one = number.where(stored.entities.c.topic == self._columns.bind(node.value, "topic")).scalar_subquery()
        return row.is_distinct_from(one) if node.negated else row == one

    def _one_of(self, field: str, values: tuple[Scalar, ...], negated: bool) -> Expression:
        column, kind = self._columns.column(field), self._fields[field].kind
        listed = bindparam(None, list(values), ARRAY(TYPES[kind]))
        among = column.op("&&", return_type=Boolean())(listed) if kind == "list" else column == any_(listed)
        return self._negated(field, among, negated)

    def _equal(self, field: str, value: Scalar, negated: bool) -> Expression:
        column, kind = self._columns.column(field), self._fields[field].kind
        if value is None:
            return column.is_not(None) if negated else column.is_(None)
        if kind == "list":
            held = column.op("@>", return_type=Boolean())(bindparam(None, [value], ARRAY(Text())))
            return self._negated(field, held, negated)
        return self._negated(field, column == self._columns.bind(value, field), negated)

    def _compared(self, field: str, op: str, value: Scalar) -> Expression:
        bind = self._columns.bind(value, field)
        if op == "like":
            return self._columns.column(field).like(bind, escape="\\")
        column = self._columns.comparable(field)
        match op:
            case "gt":
                return column > bind
            case "gte":
                return column >= bind
            case "lt":
                return column < bind
            case "lte":
                return column <= bind
            case _:
                raise AssertionError(op)

    def _negated(self, field: str, holds: Expression, negated: bool) -> Expression:
        """Where a value is missing nothing holds, and so ``not`` of it does."""
        if not negated:
            return holds
        if not self._fields[field].nullable:
            return not_(holds)
        return or_(self._columns.column(field).is_(None), not_(holds))
