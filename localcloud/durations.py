"""Lengths of time as people type them."""

from __future__ import annotations

import argparse
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "": 1.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)?\Z")


def duration(text: str) -> float:
    """Seconds of ``300ms``, ``5s``, ``1.5m``, ``2h`` or a bare number of seconds; for argparse's ``type``.

    Raises ArgumentTypeError for anything else.
    """
    match = _PART.match(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no length of time: write 300ms, 5s, 2m or 1h")
    return float(match[1]) * _SECONDS[match[2] or ""]


def spoken(seconds: float) -> str:
    """The shortest of these that says it: ``300 ms``, ``5 s``, ``2 min``, ``1 h``."""
    if seconds < 1:
        return f"{seconds * 1000:g} ms"
    if seconds >= 3600 and seconds % 3600 == 0:
        return f"{seconds / 3600:g} h"
    return f"{seconds / 60:g} min" if seconds >= 60 and seconds % 60 == 0 else f"{seconds:g} s"
