"""The language of ``POST /v1/query``, as JSON: what a body may hold, whatever it then means (see planning.py).

Decoding is bounded, and what is wrong is told with a JSON Pointer to it.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from chalicelib.domain.plans import Function
from chalicelib.errors import BadQueryError
from chalicelib.protocol.bodies import decode_body

MAX_QUERY_BYTES = 16 * 1024
MAX_NESTING = 32  # brackets; the depth of filters is bounded by itself
MAX_OUTPUTS = 20
MAX_GROUPS = 4
MAX_ORDERS = 4
MAX_CURSOR = 1024

Operation = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin", "like", "between"]
TableName = Literal["observations", "candles", "latest", "protocols", "chains"]
Width = Literal["1m", "5m", "15m", "1h", "4h", "1d", "1w", "1mo"]
FieldName = Annotated[str, Meta(max_length=40)]
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_]{0,39}$")]


class Condition(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """Exactly one of ``and``, ``or``, ``not`` and a comparison: ``field``, ``op`` and ``value``.

    ``value`` is a text, a number (or its decimal text), an RFC 3339 time, null (eq and ne only), a list of these
    (in, nin) or the two ends, both included (between). ``like`` matches a whole text: % any characters, _ one,
    backslash takes the next as it is.
    """

    and_: list[Condition] | UnsetType = field(name="and", default=UNSET)
    or_: list[Condition] | UnsetType = field(name="or", default=UNSET)
    not_: Condition | UnsetType = field(name="not", default=UNSET)
    field: FieldName | UnsetType = UNSET
    op: Operation | UnsetType = UNSET
    value: Any = UNSET


class Selected(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A field under another name, or a function of the rows of a group; ``p`` (0 to 1) is for percentile."""

    fn: Function | None = None
    field: FieldName | None = None
    p: Annotated[float, Meta(ge=0, le=1)] | None = None
    as_: Name | None = msgspec.field(name="as", default=None)


class Span(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A time, rounded down to a multiple of ``bucket`` (UTC; weeks from Monday); named as its field unless ``as``."""

    bucket: Width
    field: FieldName
    as_: Name | None = msgspec.field(name="as", default=None)


class Ordered(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """By a field, or by a name of ``select`` or ``group_by``; null comes last."""

    field: FieldName
    dir: Literal["asc", "desc"] = "asc"


class Query(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The body of ``POST /v1/query``."""

    from_: TableName = field(name="from")
    select: Annotated[list[FieldName | Selected], Meta(min_length=1, max_length=MAX_OUTPUTS)]
    where: Condition | None = None
    group_by: Annotated[list[FieldName | Span], Meta(max_length=MAX_GROUPS)] = []
    order_by: Annotated[list[Ordered], Meta(max_length=MAX_ORDERS)] = []
    limit: Annotated[int, Meta(ge=1)] | None = None
    cursor: Annotated[str, Meta(max_length=MAX_CURSOR)] | None = None


# Numbers stay what was written: 0.1 is no binary fraction.
_decoder = msgspec.json.Decoder(Query, float_hook=Decimal)
_CHOICES = {
    "from": get_args(TableName),
    "op": get_args(Operation),
    "fn": get_args(Function),
    "dir": ("asc", "desc"),
    "bucket": get_args(Width),
}


def decode_query(body: bytes) -> Query:
    """A body as a query. Raises TooLargeError, NotJsonError or BadQueryError for anything else, whatever it is."""
    return decode_body(
        body,
        _decoder,
        what="a query",
        refused=BadQueryError,
        max_bytes=MAX_QUERY_BYTES,
        max_nesting=MAX_NESTING,
        choices=_CHOICES,
    )
