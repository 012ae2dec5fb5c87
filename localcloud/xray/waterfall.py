"""Traces and maps as text, for a terminal. It draws what api.py answers, so that it can be asked from elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

BAR = 40
_NAME = 46
_PARTS = " ▏▎▍▌▋▊▉"  # eighths of a cell

Json = Mapping[str, Any]


def of_trace(trace: Json) -> str:
    """A trace: a line a span, with its bar on the time axis."""
    return "\n".join([_headline(trace), *_rows(trace["rows"], trace["duration_ms"])])


def of_journey(way: Json) -> str:
    """A change's way: every trace on one time axis, each under how its messages came."""
    names = {trace["id"]: trace["name"] for trace in way["traces"]}
    lines = [f"{len(names)} traces in {way['duration_ms']:.1f} ms: {', '.join(dict.fromkeys(names.values()))}"]
    for trace in way["traces"]:
        lines += ["", _headline(trace)]
        lines += [_came(hop, names) for hop in way["hops"] if hop["to"] == trace["id"]]
        lines += _rows(trace["rows"], way["duration_ms"])
    if way["missing"]:
        lines += ["", f"linked, but not here: {', '.join(way['missing'])}"]
    if way["cut"]:
        lines += ["", "there are more traces than are shown"]
    return "\n".join(lines)


def of_list(traces: Sequence[Json]) -> str:
    """A line a trace."""
    return "\n".join(map(_headline, traces)) or "no trace yet"


def of_map(seen: Json) -> str:
    """Every service with its numbers, below it whom it calls."""
    lines: list[str] = []
    for node in seen["nodes"]:
        lines.append(f"{node['name']:<30} {node['type']:<22} {_numbers(node)}")
        lines += [
            f"  {'⇢' if edge['linked'] else '→'} {edge['to']:<49} {_numbers(edge)}"
            for edge in seen["edges"]
            if edge["from"] == node["id"]
        ]
    return "\n".join(lines) or "no trace yet"


def _headline(trace: Json) -> str:
    moment = datetime.fromtimestamp(trace["start"], UTC)
    state = next((word for word in ("fault", "error", "throttle") if trace[word]), "ok")
    told = (
        f"{moment:%H:%M:%S.%f}"[:-3] + f"  {trace['id']}  {trace['name']:<12} {trace['duration_ms']:9.1f} ms  {state}"
    )
    return told + ("  (partial)" if trace["partial"] else "")


def _came(hop: Json, names: Mapping[str, str]) -> str:
    way = [names.get(hop["from"], hop["from"]), *(step["name"] for step in hop["via"])]
    waited = "" if hop["waited_ms"] is None else f", waited {hop['waited_ms']:.1f} ms"
    return f"  from {' → '.join(way)}{waited}"


def _rows(rows: Sequence[Json], whole_ms: float) -> Iterator[str]:
    for row in rows:
        name = f"  {'  ' * row['depth']}{row['name']}"
        if row.get("origin"):  # a function is there twice: in Lambda, and at work
            name += f"  {row['origin']}"
        elif row["service"] and row["service"]["name"] != row["name"]:
            name += f" {row['service']['name']}"
        lasted = row["duration_ms"]
        shown = "…" if lasted is None else f"{lasted:.1f}"
        failed = next((f"  {word}" for word in ("fault", "error", "throttle") if row.get(word)), "")
        bar = _bar(row["offset_ms"], lasted or 0.0, whole_ms)
        yield f"{_fit(name)} {row['offset_ms']:9.1f} {shown:>9} ▕{bar}▏{failed}{_said(row)}"


def _bar(offset: float, lasted: float, whole: float) -> str:
    """A bar as wide as ``whole``; what is too short to be seen is a thin line."""
    scale = BAR / whole if whole > 0 else 0.0
    start = min(BAR - 1, max(0, int(offset * scale)))
    eighths = max(1, min(round(lasted * scale * 8), (BAR - start) * 8))
    drawn = "█" * (eighths // 8) + _PARTS[eighths % 8].strip()
    return f"{' ' * start}{drawn}".ljust(BAR)


def _said(row: Json) -> str:
    said = row.get("annotations", {})
    return "".join(f"  {key}={value}" for key, value in said.items())


def _fit(name: str) -> str:
    return name.ljust(_NAME) if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


def _numbers(seen: Json) -> str:
    p50, p99 = (seen["latency_ms"][percent] for percent in ("p50", "p99"))
    times = "" if p50 is None else f"  p50 {p50:8.1f} ms  p99 {p99:8.1f} ms"
    failing = f"  {seen['fault_rate']:.1%} faults" if seen["fault_rate"] else ""
    return f"{seen['count']:6d}{times}{failing}"
