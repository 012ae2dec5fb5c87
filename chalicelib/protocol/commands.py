"""What a client may say. Decoding is bounded and explains what is wrong; nothing here knows a connection."""

from __future__ import annotations

from typing import Annotated

import msgspec

from chalicelib.domain.filters import Group
from chalicelib.domain.topics import is_topic, is_wildcard
from chalicelib.errors import (
    BadFilterError,
    DefiStreamError,
    MalformedError,
    NotJsonError,
    TooLargeError,
    UnknownActionError,
    WrongTypeError,
)
from chalicelib.protocol.nesting import depth
from chalicelib.settings import FILTER_RUNGS, RATES

MAX_COMMAND_BYTES = 32 * 1024  # one frame of API Gateway
MAX_DEPTH = 8
MAX_TOPICS = 1000
MAX_FILTER_ITEMS = 20

CommandId = int | str | None


class FilterSpec(msgspec.Struct, forbid_unknown_fields=True):
    min_change_pct: str | int | float | None = None
    chains: list[str] = []
    categories: list[str] = []


class Position(msgspec.Struct):
    epoch: str
    offset: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]


class Subscribe(msgspec.Struct, tag_field="action", tag="subscribe"):
    topics: list[str]
    id: CommandId = None
    rate: str = "realtime"
    filter: FilterSpec | None = None
    snapshot: bool = True
    since: dict[str, Position] = {}


class Unsubscribe(msgspec.Struct, tag_field="action", tag="unsubscribe"):
    topics: list[str]
    id: CommandId = None


class List(msgspec.Struct, tag_field="action", tag="list"):
    id: CommandId = None
    after: str | None = None


class Ping(msgspec.Struct, tag_field="action", tag="ping"):
    id: CommandId = None


class Refresh(msgspec.Struct, tag_field="action", tag="refresh"):
    token: str
    id: CommandId = None


class Ack(msgspec.Struct, tag_field="action", tag="ack"):
    rule: str
    alert: str
    id: CommandId = None


Command = Subscribe | Unsubscribe | List | Ping | Refresh | Ack
ACTIONS = ("subscribe", "unsubscribe", "list", "ping", "refresh", "ack")

_any = msgspec.json.Decoder()
_decoder: msgspec.json.Decoder[Command] = msgspec.json.Decoder(Subscribe | Unsubscribe | List | Ping | Refresh | Ack)


class BadCommandError(Exception):
    """A command that cannot be carried out, with the id that its error reply must echo."""

    def __init__(self, command_id: CommandId, error: DefiStreamError) -> None:
        super().__init__(str(error))
        self.command_id = command_id
        self.error = error


def decode_command(body: str) -> Command:
    """A text frame as a command. Raises BadCommandError for anything else, whatever it is."""
    if len(body) > MAX_COMMAND_BYTES or len(body.encode(errors="replace")) > MAX_COMMAND_BYTES:
        raise BadCommandError(None, TooLargeError(f"a command has at most {MAX_COMMAND_BYTES} bytes"))
    if depth(body) > MAX_DEPTH:
        raise BadCommandError(None, MalformedError(f"nested more than {MAX_DEPTH} deep"))
    try:
        raw = _any.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadCommandError(None, NotJsonError(f"not JSON: {error}")) from error
    if not isinstance(raw, dict):
        raise BadCommandError(None, WrongTypeError("a command is a JSON object"))
    command_id = _command_id(raw.get("id"))
    action = raw.get("action")
    if action not in ACTIONS:
        shown = f"{action!r:.40}" if isinstance(action, str) else "none"
        raise BadCommandError(command_id, UnknownActionError(f"action {shown} is not one of {', '.join(ACTIONS)}"))
    try:
        return _decoder.decode(body)
    except msgspec.MsgspecError as error:
        raise BadCommandError(command_id, WrongTypeError(str(error))) from error


def _command_id(raw: object) -> CommandId:
    if raw is None or (isinstance(raw, int) and not isinstance(raw, bool) and abs(raw) < 2**53):
        return raw
    if isinstance(raw, str) and len(raw) <= 36:
        return raw
    raise BadCommandError(None, WrongTypeError("an id is an integer or at most 36 characters"))


def group_of(rate: str, spec: FilterSpec | None) -> Group:
    """The group that a subscribe command asks for. Raises BadFilterError or WrongTypeError."""
    if rate not in RATES:
        raise WrongTypeError(f"rate {rate!r:.20} is not one of {', '.join(RATES)}")
    if spec is None:
        return Group(rate_s=RATES[rate])
    return Group(rate_s=RATES[rate], rung=_rung(spec), chains=_names(spec.chains), categories=_names(spec.categories))


def _rung(spec: FilterSpec) -> str:
    if spec.min_change_pct is None:
        return ""
    for rung in FILTER_RUNGS:
        # Compared as they are: to format a number would round it, and an integer may be too large for that.
        if spec.min_change_pct in (rung, float(rung)):
            return rung
    raise BadFilterError(f"min_change_pct is one of {', '.join(FILTER_RUNGS)}")


def _names(names: list[str]) -> tuple[str, ...]:
    if len(names) > MAX_FILTER_ITEMS or any(not 1 <= len(name) <= 64 or set(name) & set("|,") for name in names):
        raise BadFilterError(f"at most {MAX_FILTER_ITEMS} names of 1 to 64 characters without ',' or '|'")
    return tuple(sorted(set(names)))


def is_subscribable(text: str) -> bool:
    return is_topic(text) or is_wildcard(text)
