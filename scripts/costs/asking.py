"""Which days are asked about, who is asked, and what the stage may cost."""

from __future__ import annotations

import json
from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3

from scripts.costs.explorer import CostExplorer, Costs, SavedCosts, Spent, by_tag_value, read
from scripts.packaging.project import PROJECT

REGION = "us-east-1"  # Cost Explorer has one endpoint


@dataclass(frozen=True, slots=True)
class Answers:
    """What was spent in ``period``, whose last day is not part of it; ``document`` is what SavedCosts reads."""

    period: tuple[date, date]
    spent: Sequence[Spent]
    by_tag: Mapping[str, Decimal]
    document: Mapping[str, Any]
    source: str


def ask(stage: str, month: date | None, *, saved: Path | None, today: date) -> Answers:
    """Cost Explorer, or a file. Raises ValueError for a file that is none, and for a period without a day."""
    if saved:
        costs = SavedCosts(json.loads(saved.read_text()))
        return _answers(costs, stage, costs.period(), f"Read from {saved.name}.")
    period = days_of(month, today)
    explorer = CostExplorer(boto3.client("ce", region_name=REGION))
    return _answers(explorer, stage, period, f"By Cost Explorer, {today}; the last two days may change yet.")


def _answers(costs: Costs, stage: str, period: tuple[date, date], source: str) -> Answers:
    usage, tags = costs.by_usage(stage, *period), costs.by_tag(*period)
    return Answers(period, read(usage), by_tag_value(tags), {"usage": usage, "tags": tags}, source)


def days_of(month: date | None, today: date) -> tuple[date, date]:
    """All of a month that is over; of this one what is over of it. Raises ValueError if that is nothing."""
    start = month or today.replace(day=1)
    end = min(start + timedelta(days=monthrange(start.year, start.month)[1]), today)
    if end <= start:
        raise ValueError(f"of {start:%Y-%m} no day is over: name another by --month")
    return start, end


def budget_of(stage: str) -> Decimal:
    """Dollars a month, of the stage's parameters; 0 for none."""
    parameters = json.loads((PROJECT / "cfn" / "parameters" / f"{stage}.json").read_text())
    return Decimal(parameters.get("MonthlyBudget", "0"))
