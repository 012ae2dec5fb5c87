"""Lengths of time as rules have them: ``90s``, ``5m``, ``4h``, ``2d``."""

from __future__ import annotations

import re

_UNITS_S = {"d": 86_400, "h": 3600, "m": 60, "s": 1}
_DURATION = re.compile(r"([0-9]{1,9})([smhd])\Z")


def seconds_of(text: str) -> int | None:
    """None for what is no length of time."""
    match = _DURATION.match(text)
    return int(match[1]) * _UNITS_S[match[2]] if match else None


def duration(seconds: int) -> str:
    """In the largest unit that has no remainder: ``5m``, ``90s``, ``1d``."""
    for unit, length in _UNITS_S.items():
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return "0s"
