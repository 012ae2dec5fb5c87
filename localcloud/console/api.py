"""What the console's page asks for, as JSON.

======================== =============================================================================
``/boards``              the dashboards' names, in the template's order
``/boards/{name}``       one of them with its data: every widget where its JSON puts it; ``minutes``
``/alarms``              every alarm with its state
``/alarms/{name}``       one with graph and history; ``minutes``
``/runbooks/{name}``     an alarm's page, Markdown
``/logs``                the newest lines; ``level``, ``function``, ``connection``, ``topic``, ``text``,
                         ``before`` and ``limit`` narrow it
``/xray/{path}``         whatever localcloud.xray.api answers
======================== =============================================================================

Times are seconds since 1970.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcloud.cloudwatch.errors import CloudWatchError
from localcloud.cloudwatch.evaluator import AlarmResult, Evaluator
from localcloud.console import alarmview
from localcloud.console.boards import Dashboard
from localcloud.console.graph import Measured, lines
from localcloud.console.insights import NotHereError, answer
from localcloud.console.logbook import LEVELS, LogBook, Search
from localcloud.console.settled import SettledStore
from localcloud.xray.api import XrayApi

NARROWED_BY = ("level", "function", "connection", "topic", "text")
SPAN_MAX_MIN = 360  # what the store keeps
Query = Mapping[str, str]


class NotFoundError(LookupError):
    """There is nothing of this name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the answers come from. ``latest`` are the results of the last evaluation."""

    boards: Sequence[Dashboard]
    store: SettledStore
    evaluator: Evaluator
    latest: Callable[[], Sequence[AlarmResult]]
    measured: Measured
    logs: LogBook
    xray: XrayApi
    runbooks: Path
    now: Callable[[], float] = time.time


class ConsoleApi:
    """Answers from the sources; nothing is changed by asking."""

    def __init__(self, sources: Sources) -> None:
        self._from = sources

    async def answer(self, path: str, query: Query) -> tuple[int, Any]:
        """A status and what to encode: 200; 404 for what is not here; 400 for a query that makes no sense."""
        kind, _, name = path.strip("/").partition("/")
        if kind == "xray":
            return self._from.xray.answer(name, query)
        try:
            return 200, await self._answer(kind, name, query)
        except NotFoundError:
            return 404, {"message": f"there is no {path}"}
        except ValueError as error:  # CloudWatchError is one
            return 400, {"message": str(error)}

    async def _answer(self, kind: str, name: str, query: Query) -> Any:
        match kind, name:
            case "boards", "":
                return {"boards": [board.name for board in self._from.boards]}
            case "boards", _:
                return await self._board(_named(self._from.boards, name), query)
            case "alarms", "":
                return {"alarms": self._alarms()}
            case "alarms", _:
                return self._alarm(name, query)
            case "runbooks", _:
                return {"name": name, "markdown": self._runbook(name)}
            case "logs", "":
                return self._logs(query)
        raise NotFoundError(kind)

    async def _board(self, board: Dashboard, query: Query) -> dict[str, Any]:
        end_s, span_s = self._span(query)
        widgets = []
        for widget in board.widgets:
            widgets.append(self._widget(widget, end_s, span_s))
            await asyncio.sleep(0)  # the loop also serves the gateway, whose delays are what is being looked at
        return {"name": board.name, "start": end_s - span_s, "end": end_s, "widgets": widgets}

    def _widget(self, widget: Mapping[str, Any], end_s: int, span_s: int) -> dict[str, Any]:
        told = dict(widget)
        properties = widget.get("properties", {})
        try:
            match widget.get("type"):
                case "metric":
                    store, measured = self._from.store, self._from.measured
                    told["lines"] = lines(properties, store, end_s=end_s, span_s=span_s, measured=measured)
                case "log":
                    rows = answer(properties["query"], self._from.logs.newest(), since=end_s - span_s)
                    told |= {"rows": rows, "kept": len(self._from.logs)}
                case "alarm":
                    wanted = {arn.rpartition(":")[2] for arn in properties.get("alarms", ())}
                    told["alarms"] = [alarm for alarm in self._alarms() if alarm["name"] in wanted]
        except CloudWatchError as error:
            told["problem"] = str(error)
        except NotHereError as error:
            told["problem"] = f"This query needs CloudWatch Logs: “{error}” is not understood here."
        return told

    def _alarms(self) -> list[dict[str, Any]]:
        evaluator, latest = self._from.evaluator, {result.name: result for result in self._from.latest()}
        return [alarmview.summary(each, evaluator, latest, self._from.measured) for each in evaluator.alarms.values()]

    def _alarm(self, name: str, query: Query) -> dict[str, Any]:
        evaluator = self._from.evaluator
        if name not in evaluator.alarms:
            raise NotFoundError(name)
        end_s, span_s = self._span(query)
        shown = alarmview.detail(evaluator.alarms[name], evaluator, self._from.store, end_s=end_s, span_s=span_s)
        summary = next(alarm for alarm in self._alarms() if alarm["name"] == name)
        return {**summary, **shown, "start": end_s - span_s, "end": end_s}

    def _runbook(self, name: str) -> str:
        if not name.isalnum():  # it becomes a file's name
            raise NotFoundError(name)
        try:
            return (self._from.runbooks / f"{name}.md").read_text(encoding="utf-8")
        except OSError:
            raise NotFoundError(name) from None

    def _logs(self, query: Query) -> dict[str, Any]:
        logs = self._from.logs
        words = {name: query[name].strip() for name in NARROWED_BY if name in query}
        search = Search(**words, before=int(query["before"]) if "before" in query else None)
        found = logs.find(search, limit=int(query.get("limit", 200)))
        told = [entry.json() for entry in found]
        return {"lines": told, "kept": len(logs), "functions": logs.functions(), "levels": LEVELS}

    def _span(self, query: Query) -> tuple[int, int]:
        """The end and the length of what is shown, in seconds."""
        minutes = int(query.get("minutes", 60))
        if not 1 <= minutes <= SPAN_MAX_MIN:
            raise ValueError(f"minutes is a number from 1 to {SPAN_MAX_MIN}")
        return int(self._from.now()), minutes * 60


def _named(boards: Sequence[Dashboard], name: str) -> Dashboard:
    for board in boards:
        if board.name == name:
            return board
    raise NotFoundError(name)
