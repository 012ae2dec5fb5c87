"""What a query of CloudWatch Logs Insights names: as much of its grammar as our queries use."""

from __future__ import annotations

import re

_WORDS = frozenset({"fields", "filter", "stats", "sort", "limit", "display", "dedup", "by", "as", "in", "and", "or"})
_WORDS |= {"not", "like", "asc", "desc"}
_TEXT = re.compile(r'"[^"]*"|/[^/\n]+/')
_NAME = re.compile(r"[@A-Za-z_][\w.@]*")


def fields_of(query: str) -> set[str]:
    """Fields of log lines that a query reads; not CloudWatch's own (@…), nor what it computes itself."""
    text = _TEXT.sub(" ", _without_comments(query))
    computed = set(re.findall(r"\bas\s+([\w.]+)", text))
    functions = set(re.findall(r"([A-Za-z]\w*)\s*\(", text))
    names = set(_NAME.findall(text)) - _WORDS - computed - functions
    return {name for name in names if not name.startswith("@")}


def events_of(query: str) -> set[str]:
    """Events that a query asks for by name."""
    text = _without_comments(query)
    listed = re.findall(r"\bevent\s+in\s+\[([^\]]*)\]", text)
    single = re.findall(r'\bevent\s*=\s*"(\w+)"', text)
    return {name for names in listed for name in re.findall(r'"(\w+)"', names)} | set(single)


def flat_names(line: dict[str, object]) -> set[str]:
    """Names that Insights finds in a JSON line: of a list's items and an object's members with their path."""
    names: set[str] = set()
    for name, value in line.items():
        names.add(name)
        members = value if isinstance(value, dict) else dict(enumerate(value)) if isinstance(value, list) else {}
        names |= {f"{name}.{inner}" for inner in flat_names({str(key): each for key, each in members.items()})}
    return names


def _without_comments(query: str) -> str:
    return "\n".join(line for line in query.splitlines() if not line.lstrip().startswith("#"))
