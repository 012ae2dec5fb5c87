"""What was spent, as Cost Explorer says: by day, service and usage type, of a stage by its tag.

https://docs.aws.amazon.com/aws-cost-management/latest/APIReference/API_GetCostAndUsage.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Protocol

TAG = "Environment"  # must be activated for cost allocation in the account that pays
BY = ("SERVICE", "USAGE_TYPE")
METRICS = ("UnblendedCost", "UsageQuantity")


class Costs(Protocol):
    """Who knows what was spent."""

    def by_usage(self, stage: str, start: date, end: date) -> Mapping[str, Any]:
        """Cost Explorer's answer by day, service and usage type; ``end`` is not part of it."""
        ...

    def by_tag(self, start: date, end: date) -> Mapping[str, Any]:
        """The same of the whole account, by the tag's values; the empty one is of what has no tag."""
        ...


@dataclass(frozen=True, slots=True)
class Spent:
    """One usage type of one service on one day."""

    day: date
    service: str
    usage: str
    usd: Decimal
    quantity: Decimal
    unit: str


class CostExplorer:
    """Costs, by Cost Explorer itself: a cent for each page of an answer."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def by_usage(self, stage: str, start: date, end: date) -> Mapping[str, Any]:
        group_by = [{"Type": "DIMENSION", "Key": key} for key in BY]
        tagged = {"Tags": {"Key": TAG, "Values": [stage], "MatchOptions": ["EQUALS"]}}
        return self._pages(start, end, Granularity="DAILY", GroupBy=group_by, Filter=tagged)

    def by_tag(self, start: date, end: date) -> Mapping[str, Any]:
        return self._pages(start, end, Granularity="MONTHLY", GroupBy=[{"Type": "TAG", "Key": TAG}])

    def _pages(self, start: date, end: date, **asked: Any) -> Mapping[str, Any]:
        asked |= {"TimePeriod": {"Start": f"{start}", "End": f"{end}"}, "Metrics": list(METRICS)}
        found: list[Any] = []
        token: str | None = None
        while True:
            page = self._client.get_cost_and_usage(**asked, **({"NextPageToken": token} if token else {}))
            found += page["ResultsByTime"]
            token = page.get("NextPageToken")
            if not token:
                return {"ResultsByTime": found}


class SavedCosts:
    """Costs, out of a document that was saved before: ``usage`` and ``tags`` are answers of Cost Explorer.

    An answer by itself, as the AWS CLI prints it, is taken for ``usage``.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = {"usage": document} if "ResultsByTime" in document else document

    def by_usage(self, stage: str, start: date, end: date) -> Mapping[str, Any]:
        """Raises ValueError for a document that has none."""
        found = self._document.get("usage")
        if not found or "ResultsByTime" not in found:
            raise ValueError("this is no answer of Cost Explorer: it has no ResultsByTime")
        return dict(found)

    def by_tag(self, start: date, end: date) -> Mapping[str, Any]:
        return dict(self._document.get("tags", {"ResultsByTime": []}))

    def period(self) -> tuple[date, date]:
        """From its first day to the one after its last. Raises ValueError."""
        days = [each["TimePeriod"] for each in self.by_usage("", date.min, date.min)["ResultsByTime"]]
        if not days:
            raise ValueError("this answer of Cost Explorer is of no day")
        return min(date.fromisoformat(each["Start"][:10]) for each in days), max(
            date.fromisoformat(each["End"][:10]) for each in days
        )


def read(answer: Mapping[str, Any]) -> list[Spent]:
    """Raises ValueError for an answer that is not grouped by service and usage type."""
    spent: list[Spent] = []
    for result in answer["ResultsByTime"]:
        day = date.fromisoformat(result["TimePeriod"]["Start"][:10])
        spent += (_spent(day, group) for group in result.get("Groups", ()))
    return spent


def _spent(day: date, group: Mapping[str, Any]) -> Spent:
    keys: Sequence[str] = group["Keys"]
    if len(keys) != len(BY):
        raise ValueError(f"grouped by {len(keys)} keys; it must be by {' and '.join(BY)}, in this order")
    cost, used = (group["Metrics"].get(name, {}) for name in METRICS)
    return Spent(
        day,
        keys[0],
        keys[1],
        Decimal(cost.get("Amount", "0")),
        Decimal(used.get("Amount", "0")),
        used.get("Unit", ""),
    )


def by_tag_value(answer: Mapping[str, Any]) -> dict[str, Decimal]:
    """Dollars by value of the tag, the most first; "" is of what has none."""
    totals: dict[str, Decimal] = {}
    for result in answer["ResultsByTime"]:
        for group in result.get("Groups", ()):
            value = group["Keys"][0].partition("$")[2]
            totals[value] = totals.get(value, Decimal(0)) + Decimal(group["Metrics"]["UnblendedCost"]["Amount"])
    return dict(sorted(totals.items(), key=lambda item: -item[1]))


def total(spent: Iterable[Spent]) -> Decimal:
    return sum((each.usd for each in spent), Decimal(0))
