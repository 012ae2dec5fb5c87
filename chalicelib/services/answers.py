"""The answer to a query, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from chalicelib.domain.plans import Plan, kind_of
from chalicelib.domain.tables import FieldKind
from chalicelib.ports.queries import Rows
from chalicelib.protocol.cursor import cursor_after
from chalicelib.protocol.values import TOLD


def answer_body(plan: Plan, rows: Rows) -> str:
    """``{"columns":[{"name","kind"}],"rows":[{name: value}],"next":cursor or null,"truncated":bool}``.

    ``truncated``: there are more groups than were asked for, and no cursor leads to them.
    """
    kinds = [(output.name, kind_of(output, plan.table)) for output in plan.outputs]
    columns = _json([{"name": name, "kind": kind} for name, kind in kinds])
    following = _json(None if rows.ends is None else cursor_after(plan, rows.ends))
    truncated = _json(rows.more and plan.is_aggregated)
    body = ",".join(_rows(kinds, rows.values))
    return f'{{"columns":{columns},"rows":[{body}],"next":{following},"truncated":{truncated}}}'


def _rows(kinds: Sequence[tuple[str, FieldKind]], rows: Sequence[Sequence[Any]]) -> list[str]:
    """Each as text. A dictionary a row would have Python look through all its objects for garbage, time and again.

    Names are ours, or were checked: they need no escaping.
    """
    shape = "{" + ",".join(f'"{name}":%s' for name, _ in kinds) + "}"
    columns = [_texts(kind, column) for (_, kind), column in zip(kinds, zip(*rows, strict=True), strict=bool(rows))]
    return [shape % row for row in zip(*columns, strict=True)]


def _texts(kind: FieldKind, column: Sequence[Any]) -> list[str]:
    if kind in TOLD:  # digits, and names of intervals: they need no escaping
        tell = TOLD[kind]
        return ["null" if value is None else f'"{tell(value)}"' for value in column]
    if kind in ("time", "count"):  # in which there is no comma: all at once
        return _json(column)[1:-1].split(",")
    return [_json(value) for value in column]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
