"""What a person sees of the laptop cloud: how the start goes on, where everything is, and what goes wrong."""

from __future__ import annotations

import json
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from localcloud.cloud import LocalCloud

# How the kinds of the recorded feed are called on the page.
KIND_NAMES = {
    "prices": "prices",
    "protocols": "protocol TVL",
    "chains": "chain TVL",
    "stablecoins": "pegs",
    "yields": "yields",
}

_UNSHOWN = frozenset(
    {"event", "level", "timestamp", "stage", "version", "function", "cold_start", "request_id", "exception"}
)
_OF_A_TRACEBACK = (
    "Traceback (most recent call last):",
    "During handling of the above exception, another exception occurred:",
    "The above exception was the direct cause of the following exception:",
)
_FAULT = "[ERROR] "  # how Lambda begins the line of an exception that left a handler
_REFUSAL = f"{_FAULT}Exception: Unauthorized"  # how an authorizer says 401: expected, and logged as a refusal


class Terminal:
    """Progress while it starts, then a line for whatever goes wrong; the whole of it with ``verbose``.

    An exception is one line with its message, said once. ``log`` gets every line as it was written.
    """

    def __init__(self, *, quiet: bool, verbose: bool, log: Path | None) -> None:
        self._quiet = quiet
        self._verbose = verbose
        self._file = log.open("a", buffering=1) if log else None
        self._started = time.monotonic()
        self._told: dict[str, str] = {}  # by function: the exception that its log has just told of

    def progress(self, part: str) -> None:
        if not self._quiet:
            print(f"  {time.monotonic() - self._started:5.1f} s  {part}", flush=True)

    def log(self, function: str, line: str) -> None:
        """A line that a function wrote."""
        if self._file:
            self._file.write(line + "\n")
        shown = self._line(function, line)
        if shown:
            print(f"  {function}: {shown}", file=sys.stderr, flush=True)

    def close(self) -> None:
        if self._file:
            self._file.close()

    def _line(self, function: str, line: str) -> str | None:
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            return self._plain(function, line)
        if "_aws" in entry or not (self._verbose or entry.get("level") in ("warning", "error", "critical")):
            return None
        exception = str(entry.get("exception") or "").strip()
        if exception:
            self._told[function] = exception.splitlines()[-1]
        return _readable(entry, exception if self._verbose else self._told.get(function, "") if exception else "")

    def _plain(self, function: str, line: str) -> str | None:
        """A line that is not of our log: a traceback's, a library's, or one of Lambda's own."""
        if not line.strip():
            return None
        if self._verbose:
            return line
        if line.startswith(_FAULT):
            told = self._told.pop(function, "").endswith(line.removeprefix(_FAULT))
            return None if told or line == _REFUSAL else f"error {line.removeprefix(_FAULT)}"
        return None if line[0].isspace() or line in _OF_A_TRACEBACK else f"warning {line}"


def _readable(entry: dict[str, Any], exception: str) -> str:
    details = " ".join(f"{key}={value}" for key, value in entry.items() if key not in _UNSHOWN and value is not None)
    text = f"{entry.get('level', 'info')} {entry.get('event', '')} {details}".strip()
    return f"{text}: {exception}" if exception else text


def banner(cloud: LocalCloud, tape: dict[str, Any] | None) -> str:
    """Where everything is; ``tape`` is what the recorded feed says of itself."""
    page = f"{cloud.url}/#key={cloud.key}"
    tab = tab_of(cloud.options.begins) if tape else None
    lines = [
        "",
        f"  Page       {page}{f'&tab={tab}' if tab else ''}",
        f"  Console    {cloud.console_url}   (dashboards, alarms, traces, logs)",
        f"  WebSocket  {cloud.ws_url}   (header x-api-key: {cloud.key})",
        f"  REST       {cloud.url}/v1/health",
        f"  AWS APIs   {cloud.aws.url}",
        f"  Redis      {cloud.redis.url}",
        f"  PostgreSQL {cloud.postgres.url}",
        f"  Traces     {_python()} -m localcloud.xray journey --port {cloud.xray.port}",
        "",
        "  Another key:",
        f"  {key_command(cloud.aws.url, cloud.outputs['KeysTable'])}",
    ]
    if tape:
        lines += ["", f"  Replaying recorded figures from {tape['from']}, {cloud.options.speed:g} seconds a second."]
        lines += [f"  At this date: {counted(tape['at_start'])}.", f"  Note: {tape['interpolates']}."]
        lines += [
            "",
            "  Load the year before into the history:",
            f"  {past_command(cloud.postgres.url, cloud.options.begins)}",
        ]
    return "\n".join([*lines, "", "  Ctrl-C stops it.", ""])


def key_command(aws_url: str, table: str) -> str:
    """The command that issues a key here, ready to be pasted into another terminal in the project's folder."""
    return f'{_python()} -m scripts.keys issue --tier pro --name "my key" --endpoint-url {aws_url} --table {table}'


def past_command(database: str, begins: datetime) -> str:
    """The command that loads the year before the recording's start. ``--restart``: this database has nothing yet."""
    days = f"--since {begins - timedelta(days=365):%Y-%m-%d} --until {begins:%Y-%m-%d}"
    return f"{_python()} -m scripts.backfill --from-recorded {days} --restart --database {database}"


def _python() -> Path:
    """This Python as it is called from the project's folder."""
    python = Path(sys.executable)
    return python.relative_to(Path.cwd()) if python.is_relative_to(Path.cwd()) else python


def counted(at_start: dict[str, int]) -> str:
    """``prices 206, chain TVL 43; not recorded: yields``."""
    there = [f"{KIND_NAMES[kind]} {count}" for kind, count in at_start.items() if count]
    missing = [KIND_NAMES[kind] for kind, count in at_start.items() if not count]
    parts = (", ".join(there), f"not recorded: {', '.join(missing)}" if missing else "")
    return "; ".join(filter(None, parts))


def tab_of(begins: datetime) -> str | None:
    """The page's tab with the story of a start: Terra's collapse in chain TVL, USDC's in pegs; else the first one."""
    if begins.year == 2022:
        return "chain-tvl"
    return "pegs" if (begins.year, begins.month) == (2023, 3) else None
