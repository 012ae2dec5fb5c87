"""What the server says on the socket, as types. Services make it of dictionaries; a test decodes theirs with these."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Struct, UnsetType

from chalicelib.protocol.pushes import Update
from chalicelib.protocol.rest import Time

CommandId = int | Annotated[str, Meta(max_length=36)] | None


class Joined(Struct, forbid_unknown_fields=True):
    """Of a topic: where it stands (`epoch` is null before its first observation, `recovered` without `since`).

    Of a wildcard: how many topics it matches now.
    """

    epoch: str | UnsetType | None = UNSET
    offset: int | UnsetType = UNSET
    recovered: bool | UnsetType | None = UNSET
    matched: int | UnsetType = UNSET


class Rejected(Struct, forbid_unknown_fields=True):
    topic: str
    code: int
    name: str
    message: str


class SubscribeResult(Struct, forbid_unknown_fields=True):
    topics: dict[str, Joined]
    rejected: list[Rejected]
    session_expires: Time


class UnsubscribeResult(Struct, forbid_unknown_fields=True):
    topics: list[str]
    session_expires: Time


class FilterTold(Struct, forbid_unknown_fields=True):
    min_change_pct: str | UnsetType = UNSET
    chains: list[str] | UnsetType = UNSET
    categories: list[str] | UnsetType = UNSET


class Subscription(Struct, forbid_unknown_fields=True):
    rate: Literal["realtime", "1s", "5s", "15s", "60s"]
    filter: FilterTold | None


class ListResult(Struct, forbid_unknown_fields=True):
    topics: dict[str, Subscription]
    next: Annotated[str, Meta(description="The `after` of the command for the next page.")] | None
    session_expires: Time


class PingResult(Struct, forbid_unknown_fields=True):
    at: Time
    session_expires: Time


class RefreshResult(Struct, forbid_unknown_fields=True):
    session_expires: Time


class AckResult(Struct, forbid_unknown_fields=True):
    rule: str
    alert: str
    state: Literal["acknowledged"]
    session_expires: Time


class ErrorTold(Struct, forbid_unknown_fields=True):
    """The thousand of its `code` says what to do: 1, 2: fix it; 3: wait; 4: get a new token; 5: try again."""

    code: int
    name: str
    message: str
    temporary: bool
    retry_after: Annotated[float | None, Meta(description="Seconds.")]


Done = Annotated[bool, Meta(extra_json_schema={"const": True})]
Failed = Annotated[bool, Meta(extra_json_schema={"const": False})]


class SubscribeReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    """Topics that could not be joined are in `rejected`; if none could, the reply is an error."""

    id: CommandId
    ok: Done
    result: SubscribeResult


class UnsubscribeReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    """`topics`: those that were left."""

    id: CommandId
    ok: Done
    result: UnsubscribeResult


class ListReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    id: CommandId
    ok: Done
    result: ListResult


class PingReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    id: CommandId
    ok: Done
    result: PingResult


class RefreshReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    id: CommandId
    ok: Done
    result: RefreshResult


class AckReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    id: CommandId
    ok: Done
    result: AckResult


class ErrorReply(Struct, forbid_unknown_fields=True, tag_field="type", tag="reply"):
    """The command was not carried out. `id` is null if it could not be read."""

    id: CommandId
    ok: Failed
    error: ErrorTold


class Updates(Struct, forbid_unknown_fields=True, tag_field="type", tag="updates"):
    """As many updates as were ready, in up to 32 KB."""

    sent_at: Time
    updates: list[Update]


class Notice(Struct, forbid_unknown_fields=True, tag_field="type", tag="notice"):
    """`resubscribe`: the server lost the session. `going_away`: the connection reaches its two hours soon."""

    name: Literal["resubscribe", "going_away"]
    at: Time
    message: str
