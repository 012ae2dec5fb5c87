"""A table of queries as it is stored: where each of its fields is, and of which type the values are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, DateTime, Integer, Numeric, SmallInteger, Text, bindparam, collate
from sqlalchemy import Table as Stored
from sqlalchemy.types import TypeEngine

from chalicelib.adapters.postgres import tables as stored
from chalicelib.domain.plans import Compare, Filter, OneOf, Scalar
from chalicelib.domain.tables import ROW, FieldKind, Table

Expression = ColumnElement[Any]

OF_TOPIC = ("topic", "kind", "name", "category", "chains")  # fields that tables share by joining entities
TYPES: Mapping[FieldKind, TypeEngine[Any]] = {
    "text": Text(),
    "list": Text(),
    "number": Numeric(),
    "count": Numeric(),
    "time": DateTime(timezone=True),
    "interval": SmallInteger(),
}


class Columns:
    """Of one table."""

    def __init__(self, table: Table) -> None:
        self.table = table
        self.source: Stored = getattr(stored, table.name)

    @property
    def is_view(self) -> bool:
        """Whether it has its topics in itself."""
        return "topic" in self.source.c

    def is_row(self, node: Compare | OneOf) -> bool:
        """Whether a comparison is of topics by name, each of which is one row's number."""
        return not self.is_view and node.field == "topic" and (isinstance(node, OneOf) or node.op == "eq")

    def column(self, field: str) -> Expression:
        if field == ROW:
            return self.source.c.entity_id
        if self.table.name == "candles" and field == "average":
            return self.source.c.sum / self.source.c.samples
        if not self.is_view and field in OF_TOPIC:
            return stored.entities.c[field]
        return self.source.c[field]

    def comparable(self, field: str) -> Expression:
        """Texts are ordered by their code points, whatever the database's own language is."""
        column = self.column(field)
        return collate(column, "C") if self.table.fields[field].kind == "text" else column

    def bind(self, value: Scalar, field: str) -> Expression:
        """A parameter of a field's type; of no field, a row's number."""
        known = self.table.fields.get(field)
        return bindparam(None, value, Integer() if known is None else TYPES[known.kind])


def comparisons(node: Filter) -> Iterator[Compare | OneOf]:
    """All that a filter is made of."""
    if isinstance(node, Compare | OneOf):
        yield node
        return
    for part in node.parts:
        yield from comparisons(part)
