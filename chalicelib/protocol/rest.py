"""What the REST API is asked for and what it answers, as JSON; its documentation is generated from these types.

Values are decimal strings, times RFC 3339 in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, TypeVar, get_args, get_origin

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.errors import DefiStreamError, WrongTypeError
from chalicelib.protocol.pushes import Update

MAX_SNAPSHOTS = 100
MAX_POINTS = 1000
_DECIMAL = r"^-?[0-9]+(\.[0-9]+)?$"

DecimalText = Annotated[str, Meta(pattern=_DECIMAL, examples=["3021.22"])]
Time = Annotated[str, Meta(extra_json_schema={"format": "date-time"}, examples=["2026-11-23T01:02:03.456Z"])]
AskedTime = Annotated[
    str,
    Meta(
        max_length=40,
        examples=["2026-11-23T01:02:03Z"],
        description="RFC 3339, from 1970 to 2200.",
        extra_json_schema={"format": "date-time"},
    ),
]
PageCursor = Annotated[str, Meta(min_length=1, max_length=256, description="`next` of the page before.")]
IntervalName = Literal["1m", "5m", "1h", "1d"]
Health = Literal["ok", "degraded", "down"]


# --- what is asked for in the address ---------------------------------------------------------------


class TopicsQuery(Struct, forbid_unknown_fields=True):
    match: Annotated[str, Meta(max_length=128, description="A topic or a wildcard.", examples=["tvl:protocol:*"])] = (
        "price:*"
    )
    cursor: Annotated[str, Meta(pattern="^[0-9]{1,20}$", description="`next` of the page before.")] = "0"


class SnapshotQuery(Struct, forbid_unknown_fields=True):
    topics: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=2048,  # percent-encoded, what an address may have
            pattern=r"^[A-Za-z0-9 ._&()+'/!@$#~:,*-]*$",
            description=f"Up to {MAX_SNAPSHOTS} topics, separated by commas.",
            examples=["price:ethereum,tvl:protocol:aave"],
        ),
    ]


class HistoryQuery(Struct, forbid_unknown_fields=True, rename={"from_": "from"}):
    """``from`` is within, ``to`` is not."""

    from_: AskedTime | UnsetType = UNSET
    to: AskedTime | UnsetType = UNSET
    interval: (
        Annotated[
            Literal["1m", "5m", "1h", "1d", "raw"],
            Meta(description=f"Without it, the width that makes at most {MAX_POINTS} candles of the range."),
        ]
        | UnsetType
    ) = UNSET
    cursor: PageCursor | UnsetType = UNSET


class NoQuery(Struct, forbid_unknown_fields=True):
    """Nothing."""


# --- answers ----------------------------------------------------------------------------------------


class IssuedTokenBody(Struct):
    token: str
    expires_at: Time
    tier: str
    fastest_rate: Annotated[str, Meta(description="The fastest rate that a subscription may ask for.")]


class ListedTopic(Struct):
    topic: str
    value: DecimalText
    observed_at: Time


class TopicsPage(Struct):
    """Every topic that matches is on one page at least; one that came meanwhile may be on none."""

    topics: list[ListedTopic]
    next: Annotated[str, Meta(description="Cursor of the next page.")] | None


class SnapshotBody(Struct):
    """Each update is as the socket would send it: go on from it with `since` its `epoch` and `offset`."""

    updates: list[Update]
    missing: Annotated[list[str], Meta(description="Topics that have no value, or not yet.")]


class CandleBody(Struct):
    """What was observed from `start` on, for as long as the interval."""

    start: Time
    open: DecimalText
    high: DecimalText
    low: DecimalText
    close: DecimalText
    average: DecimalText
    samples: Annotated[int, Meta(ge=1)]


class ObservationBody(Struct):
    observed_at: Time
    id: str
    value: DecimalText
    confidence: DecimalText | None
    source: str


class Gap(Struct, rename={"from_": "from"}):
    """Nothing was observed from `from` until `to`: a whole number of intervals."""

    from_: Time
    to: Time


class Live(Struct):
    """Where the live stream joins: a subscription with `since` these is sent every change that is not in the history.

    Changes that are in it may come again: their `observed_at` tells.
    """

    epoch: str
    offset: Annotated[int, Meta(ge=0)]


class CandleHistory(Struct, rename={"from_": "from"}):
    """Candles, oldest first; an interval without observations has none and is within one of `gaps`."""

    topic: str
    interval: IntervalName
    from_: Time
    to: Time
    candles: Annotated[list[CandleBody], Meta(max_length=MAX_POINTS)]
    gaps: list[Gap]
    next: Annotated[str, Meta(description="Cursor of the next page, with the same parameters.")] | None
    live: Annotated[Live | None, Meta(description="Only where the history reaches to now.")]


class RawHistory(Struct, rename={"from_": "from"}):
    """Single observations, oldest first."""

    topic: str
    interval: Literal["raw"]
    from_: Time
    to: Time
    observations: Annotated[list[ObservationBody], Meta(max_length=MAX_POINTS)]
    next: Annotated[str, Meta(description="Cursor of the next page, with the same parameters.")] | None
    live: Annotated[Live | None, Meta(description="Only where the history reaches to now.")]


class Column(Struct):
    name: str
    kind: Literal["text", "number", "count", "time", "list", "interval"]


class QueryAnswer(Struct):
    """Rows as they were when `made_at`; `stale`: newer data may be there, but the database does not answer."""

    made_at: Time
    stale: bool
    columns: list[Column]
    rows: Annotated[
        list[dict[str, str | int | list[str] | None]],
        Meta(description="Values by column. Numbers are decimal strings, counts integers."),
    ]
    next: Annotated[str, Meta(description="Cursor of the next page.")] | None
    truncated: Annotated[bool, Meta(description="There are more groups than `limit`, and no cursor leads to them.")]


class DependencyHealth(Struct):
    status: Literal["ok", "down"]
    latency_ms: float | None


class SourceBody(Struct):
    """`age_s`: since its last good poll; `records`: what that one had; `next_poll`: when to ask again."""

    status: Literal["ok", "stale", "never"]
    age_s: float | None
    records: int
    next_poll: Time | None


class HealthBody(Struct):
    """`down`: the socket does not work. `degraded`: it does, but a source is not polled or a store does not answer."""

    status: Health
    stage: str
    version: str
    dependencies: dict[str, DependencyHealth]
    sources: dict[str, SourceBody]


class Problem(Struct):
    """RFC 9457, with the members of the protocol's errors."""

    type: str
    title: str
    status: int
    detail: str
    code: int
    name: str
    temporary: Annotated[bool, Meta(description="The same request may be answered later.")]
    retry_after: Annotated[float | None, Meta(description="Seconds.")]
    pointer: Annotated[str, Meta(description="Where a query is wrong: a JSON Pointer.")] | UnsetType = UNSET


PROBLEMS = "https://defi-stream.dev/errors/"


def problem_of(error: DefiStreamError) -> Problem:
    pointer = getattr(error, "pointer", None)
    return Problem(
        type=PROBLEMS + error.name,
        title=error.name.replace("_", " "),
        status=error.http_status,
        detail=str(error),
        code=error.code,
        name=error.name,
        temporary=error.temporary,
        retry_after=error.retry_after,
        pointer=UNSET if pointer is None else pointer,
    )


T = TypeVar("T", bound=Struct)


def asked(kind: type[T], parameters: Mapping[str, Sequence[str]]) -> T:
    """The parameters of an address. Raises WrongTypeError, which names the one that is wrong."""
    for name, values in parameters.items():
        if len(values) != 1:
            raise WrongTypeError(f"the parameter {name!r:.40} is there {len(values)} times")
    known = [field.encode_name for field in msgspec.structs.fields(kind)]
    if unknown := [name for name in parameters if name not in known]:
        there = f"there are {', '.join(known)}" if known else "there are none here"
        raise WrongTypeError(f"there is no parameter {unknown[0]!r:.40}: {there}")
    try:
        return msgspec.convert({name: values[0] for name, values in parameters.items()}, kind)
    except msgspec.ValidationError as error:
        raise WrongTypeError(_told(str(error).replace("`", "'"), kind)) from error


def _told(complaint: str, kind: type[Struct]) -> str:
    """msgspec's words; of a value that is not one of a few, the few."""
    reason, _, name = complaint.removesuffix("'").partition(" - at '$.")
    if reason.startswith("Invalid enum value"):
        (asked_for,) = (field.type for field in msgspec.structs.fields(kind) if field.encode_name == name)
        return (
            f"{name} is one of {', '.join(_choices(asked_for))}, not {reason.removeprefix('Invalid enum value '):.60}"
        )
    return complaint.replace("Object missing required field", "missing is the parameter")


def _choices(annotation: object) -> tuple[str, ...]:
    """Of the Literal that is somewhere in a type."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return next(filter(None, map(_choices, get_args(annotation))), ())
