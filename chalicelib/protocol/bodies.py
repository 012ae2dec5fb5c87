"""Bodies of JSON that are bounded, and explained by a JSON Pointer where they are wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TypeVar

import msgspec

from chalicelib.errors import NotJsonError, RefusedError, TooLargeError
from chalicelib.protocol.nesting import depth

T = TypeVar("T")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")


def decode_body(
    body: bytes,
    decoder: msgspec.json.Decoder[T],
    *,
    what: str,
    refused: type[RefusedError],
    max_bytes: int,
    max_nesting: int,
    choices: Mapping[str, Sequence[str]],
) -> T:
    """``what`` names it in messages; ``choices`` are those of the fields that have some, by the field's name.

    Raises TooLargeError, NotJsonError, or ``refused`` with a pointer for anything else, whatever it is.
    """
    if len(body) > max_bytes:
        raise TooLargeError(f"{what} has at most {max_bytes} bytes")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise NotJsonError("not JSON: not UTF-8") from error
    if depth(text) > max_nesting:
        raise refused(f"nested more than {max_nesting} deep", pointer="")
    try:
        return decoder.decode(text)
    except msgspec.ValidationError as error:
        reason, _, path = str(error).partition(" - at `$")
        pointer = _pointer(path.removesuffix("`"))
        raise refused(_told(reason, choices.get(pointer.rpartition("/")[2])), pointer=pointer) from error
    except (msgspec.DecodeError, UnicodeError, ArithmeticError) as error:
        raise NotJsonError(f"not JSON: {error}") from error


def _told(reason: str, choices: Sequence[str] | None) -> str:
    if choices is not None and reason.startswith("Invalid enum value"):
        reason += f": one of {', '.join(choices)}"
    return reason.replace("`", "'")


def _pointer(path: str) -> str:
    """msgspec's path as a JSON Pointer: ``.where.and[0]`` is /where/and/0."""
    return "".join(f"/{name or index}" for name, index in _STEP.findall(path) if name or index)
