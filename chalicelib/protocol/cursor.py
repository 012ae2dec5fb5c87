"""Where a page of a query's rows ended: the values of its order in the last row, and which query it was.

A cursor is not signed: whatever it says is only ever compared with, and a client could ask for that by itself.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.domain.plans import Plan, Scalar
from chalicelib.domain.tables import FieldKind
from chalicelib.errors import BadQueryError
from chalicelib.protocol.values import told, value_of


def cursor_after(plan: Plan, values: Sequence[Any]) -> str:
    """The cursor of the page after a row; ``values`` are those of the plan's order in it."""
    shown = [_shown(value, kind) for value, (kind, _) in zip(values, _order(plan), strict=True)]
    return urlsafe_b64encode(msgspec.json.encode([plan.fingerprint(), *shown])).decode().rstrip("=")


def after(cursor: str, plan: Plan) -> tuple[Scalar, ...]:
    """The values that a cursor holds. Raises BadQueryError if it is not one of this query's."""
    wrong = BadQueryError("a cursor is 'next' of the page before, of the same query", pointer="/cursor")
    if plan.is_aggregated:
        raise BadQueryError("groups come in one page, which has no cursor", pointer="/cursor")
    order = _order(plan)
    try:
        text = urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4))
        whose, *values = msgspec.json.decode(text, type=list[str | int | None])
    except (ValueError, msgspec.MsgspecError):
        raise wrong from None
    if whose != plan.fingerprint() or len(values) != len(order):
        raise wrong
    try:
        return tuple(_read(value, *kind) for value, kind in zip(values, order, strict=True))
    except BadQueryError:
        raise wrong from None


def _order(plan: Plan) -> list[tuple[FieldKind | None, bool]]:
    """Of each value, the kind (None: a number of the store's own) and whether it may be missing."""
    found: list[tuple[FieldKind | None, bool]] = []
    for order in plan.order:
        field = plan.table.fields.get(order.by.field or "")
        found.append((None, False) if field is None else (field.kind, field.nullable))
    return found


def _shown(value: Any, kind: FieldKind | None) -> Any:
    return value if kind is None else told(value, kind)


def _read(value: str | int | None, kind: FieldKind | None, nullable: bool) -> Scalar:
    if kind is None:
        if not isinstance(value, int) or not 0 <= value < 2**31:
            raise BadQueryError("no row")
        return value
    if value is None and nullable:
        return None
    return value_of(value, kind, "/cursor")
