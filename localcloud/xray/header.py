"""The trace header, as ``X-Amzn-Trace-Id``, ``AWSTraceHeader`` and ``_X_AMZN_TRACE_ID`` carry it.

``Root=1-581cf771-a006649127e371903a2de979;Parent=70de5b6f19ff9a0a;Sampled=1``: X-Ray's developer guide, "Tracing
header".
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import Self

TRACE_ID = r"^1-[0-9a-f]{8}-[0-9a-f]{24}$"
SEGMENT_ID = r"^[0-9a-f]{16}$"
_SAMPLED = {"1": True, "0": False}  # "?" and nothing: whoever receives it decides


@dataclass(frozen=True, slots=True)
class TraceHeader:
    """What a caller said of its trace; ``None`` is what it did not say, or said in no form that X-Ray knows."""

    root: str | None = None
    parent: str | None = None
    sampled: bool | None = None

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Never raises: a header comes from anybody."""
        pairs = (part.strip().partition("=") for part in (text or "").split(";"))
        said = {name: value for name, _, value in pairs}
        return cls(
            root=_matching(TRACE_ID, said.get("Root")),
            parent=_matching(SEGMENT_ID, said.get("Parent")),
            sampled=_SAMPLED.get(said.get("Sampled", "")),
        )

    def __str__(self) -> str:
        sampled = None if self.sampled is None else str(int(self.sampled))
        parts = {"Root": self.root, "Parent": self.parent, "Sampled": sampled}
        return ";".join(f"{name}={value}" for name, value in parts.items() if value is not None)


def new_trace_id(now: float) -> str:
    """An id for a trace that begins at ``now`` (seconds since 1970)."""
    return f"1-{int(now):08x}-{secrets.token_hex(12)}"


def new_segment_id() -> str:
    return secrets.token_hex(8)


def _matching(pattern: str, value: str | None) -> str | None:
    return value if value is not None and re.match(pattern, value) else None
