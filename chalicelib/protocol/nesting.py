"""A cheap look at a text of JSON before a parser recurses into it."""

from __future__ import annotations


def depth(body: str) -> int:
    """How deep brackets nest outside strings."""
    level = deepest = 0
    in_string = escaped = False
    for char in body:
        if in_string:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                in_string = False
        elif char == '"':
            in_string = True
        elif char in "[{":
            level += 1
            deepest = max(deepest, level)
        elif char in "]}":
            level -= 1
    return deepest
