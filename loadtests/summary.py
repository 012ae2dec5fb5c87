"""One page that says what a run came to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from loadtests.ledger import PUSH

COUNTS = {
    "published": "observations published",
    "updates": "updates received live",
    "frames": "frames they came in",
    "replayed": "updates received by resuming after a reconnect",
    "snapshots": "snapshots",
    "duplicates": "repeated updates, dropped by the clients as the protocol says",
    "gaps": "updates that came out of order",
    "filled": "of these put right by themselves within two seconds",
    "cuts": "connections broken off on purpose",
    "missed": "updates or topics that came only when asked for",
    "lost": "updates or topics lost for good",
    "answers": "answers to queries",
    "answers_made": "of these made by the database; the others were kept",
    "audited": "clients asked at the end, and found whole",
    "unaudited": "clients that could not be asked",
}


def summary(told: dict[str, Any]) -> str:
    """Markdown of what ``loadtests --json`` tells."""
    lines = [f"# Load test: {'passed' if told['passed'] else 'FAILED'}", ""]
    lines += [f"- {reason}" for reason in told["reasons"]] + ([""] if told["reasons"] else [])
    lines += [*_what(told), "", "## Push delay: a change published → received by a client", "", *_delays(told), ""]
    lines += ["## Latency alarms of the template", "", *_alarms(told), ""]
    lines += ["## Requests", "", *_table(_rows(told, pushes=False)), "", "## Updates", "", *_counts(told), ""]
    if told["errors"]:
        lines += ["## Errors", "", *_table(_errors(told)), ""]
    return "\n".join(lines)


def _what(told: dict[str, Any]) -> list[str]:
    window = told["window"]
    return [
        f"{told['users']} users, shape {told['shape']} ({told['shape_is']}), {told['duration_s']:g} s, against "
        f"{told['target']}. {told['load']}",
        "",
        f"From {window['began']} to {window['ended']} UTC. The clients used {told['client_cpu']:.0%} of one core"
        f"{': they were the limit, so believe no delay' if told['client_cpu'] > 0.9 else ''}; the machine has "
        f"{told['cores']} cores, with a load of {told['machine_load']:.1f} at the end.",
    ]


def _delays(told: dict[str, Any]) -> list[str]:
    push = told["push_delay"]
    head = ["what", "updates", "p50 ms", "p95 ms", "p99 ms", "max ms"]
    whole = ["**realtime, all kinds, in the window that is judged**", push["count"], *map(_ms, _four(push))]
    rows = [[row["name"], row["requests"], *map(_ms, _four(row))] for row in told["rows"] if row["type"] == PUSH]
    note = "At a slower rate the delay is what the subscriber asked for. Delays are as right as the two clocks are."
    return [*_table([head, whole, *rows]), "", note if told["local"] is False else note.split(". ")[0] + "."]


def _four(row: dict[str, Any]) -> list[float | None]:
    return [row[f"{name}_ms"] for name in ("p50", "p95", "p99", "max")]


def _alarms(told: dict[str, Any]) -> list[str]:
    head = ["alarm", "fires at", "measured by", "data points", "state at the end", "fired", "last values"]
    rows = [
        [
            check["alarm"],
            check["rule"].replace("|", "/"),
            check["source"],
            "-" if check["datapoints"] is None else check["datapoints"],
            check["state"],
            check["fired_at"] or "no",
            check["reason"].replace("|", "/"),
        ]
        for check in told["alarms"]
    ]
    return [*_table([head, *rows]), "", told["alarm_note"]]


def _rows(told: dict[str, Any], *, pushes: bool) -> Iterable[Sequence[object]]:
    yield ["route", "requests", "failures", "p50 ms", "p95 ms", "p99 ms", "max ms"]
    for row in told["rows"]:
        if (row["type"] == PUSH) is pushes:
            yield [f"{row['type']} {row['name']}", row["requests"], row["failures"], *map(_ms, _four(row))]


def _counts(told: dict[str, Any]) -> list[str]:
    counts = told["counts"]
    return _table([["count", "of"], *([counts.get(name, 0), meaning] for name, meaning in COUNTS.items())])


def _errors(told: dict[str, Any]) -> Iterable[Sequence[object]]:
    yield ["route", "error", "count"]
    for error in told["errors"]:
        yield [f"{error['type']} {error['name']}", error["error"].replace("|", "/")[:120], error["count"]]


def _table(rows: Iterable[Sequence[object]]) -> list[str]:
    head, *body = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *body]]


def _ms(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}"
