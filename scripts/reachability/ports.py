"""Sets of ports, one bit for each of 65,536: every question about rules is then exact, never a sample."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

ALL = (1 << 65536) - 1
NONE = 0
# From these a client sends and to these its answers come: Lambda and NAT gateways choose from the whole range
# (Amazon VPC user guide, "Ephemeral ports").
_FIRST_EPHEMERAL = 1024


def ports(first: int, last: int) -> int:
    """The set of all ports from ``first`` to ``last``; -1 for either means every port."""
    if first == -1 or last == -1:
        return ALL
    return ((1 << (last - first + 1)) - 1) << first


EPHEMERAL = ports(_FIRST_EPHEMERAL, 65535)


def ranges(mask: int) -> Iterator[tuple[int, int]]:
    """The set as ranges, lowest first."""
    for run in re.finditer("1+", f"{mask:b}"[::-1]):
        yield run.start(), run.end() - 1


@lru_cache
def text(mask: int) -> str:
    """The set as a person would write it: ``443,1024+``; a dash if it is empty."""
    return ",".join(_range_text(first, last) for first, last in ranges(mask)) or "-"


def _range_text(first: int, last: int) -> str:
    if (first, last) == (0, 65535):
        return "all"
    if last == 65535:
        return f"{first}+"
    return f"{first}" if first == last else f"{first}-{last}"
