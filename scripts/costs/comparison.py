"""What was spent against what was estimated and what is allowed, and what the biggest differences are made of."""

from __future__ import annotations

import re
from calendar import monthrange
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from scripts.costs.explorer import Spent, total
from scripts.costs.lines import Estimate, Line
from scripts.costs.usagetypes import prices_of, service_of, without_region

BIGGEST = 3
UNKNOWN = "="  # before a usage type that no price of the estimate pays for
NIL = Decimal(0)


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of usage in a service; ``what`` is the estimate's word, or Cost Explorer's where it has none.

    Quantities are for the period: what was used, and what was assumed. They are None where there is no such thing.
    """

    what: str
    usages: tuple[str, ...]
    estimated_usd: Decimal
    spent_usd: Decimal
    estimated: Decimal | None
    used: Decimal | None
    unit: str

    @property
    def difference(self) -> Decimal:
        return self.spent_usd - self.estimated_usd


@dataclass(frozen=True, slots=True)
class Row:
    """A service in the period."""

    service: str
    estimated_usd: Decimal
    spent_usd: Decimal
    causes: tuple[Cause, ...]

    @property
    def difference(self) -> Decimal:
        return self.spent_usd - self.estimated_usd


@dataclass(frozen=True, slots=True)
class Comparison:
    """``share`` is the part of a month that the period is; the estimate's month times this is what was expected."""

    stage: str
    start: date
    end: date
    share: Decimal
    rows: tuple[Row, ...]
    daily: Mapping[date, Decimal]
    by_tag: Mapping[str, Decimal]
    month_usd: Decimal
    budget_usd: Decimal

    @property
    def spent_usd(self) -> Decimal:
        return sum((row.spent_usd for row in self.rows), NIL)

    @property
    def estimated_usd(self) -> Decimal:
        return sum((row.estimated_usd for row in self.rows), NIL)

    @property
    def at_this_rate_usd(self) -> Decimal:
        """A month of it. What is billed once a month, on its first day, makes the first days look too dear."""
        return self.spent_usd / self.share

    @property
    def biggest(self) -> tuple[Row, ...]:
        return tuple(sorted(self.rows, key=lambda row: -abs(row.difference))[:BIGGEST])


def compare(
    estimate: Estimate,
    spent: Sequence[Spent],
    period: tuple[date, date],
    *,
    by_tag: Mapping[str, Decimal],
    budget_usd: Decimal,
) -> Comparison:
    """``period`` is days, the last not part of it. Raises ValueError for none."""
    start, end = period
    if end <= start:
        raise ValueError(f"from {start} to {end} is no day")
    share = share_of_month(start, end)
    services = {line.service for line in estimate.lines} | {service_of(each.service) for each in spent}
    rows = tuple(_row(service, estimate, spent, share) for service in services)
    days = [start + timedelta(days=n) for n in range((end - start).days)]
    return Comparison(
        stage=estimate.stage,
        start=start,
        end=end,
        share=share,
        rows=tuple(sorted(rows, key=lambda row: (-max(row.spent_usd, row.estimated_usd), row.service))),
        daily={day: total(each for each in spent if each.day == day) for day in days},
        by_tag=by_tag,
        month_usd=estimate.monthly_usd,
        budget_usd=budget_usd,
    )


def share_of_month(start: date, end: date) -> Decimal:
    """How many months the days are, each day a part of its own month."""
    days = Counter((day.year, day.month) for day in (start + timedelta(days=n) for n in range((end - start).days)))
    return sum((Decimal(count) / monthrange(*month)[1] for month, count in days.items()), NIL)


def _row(service: str, estimate: Estimate, spent: Sequence[Spent], share: Decimal) -> Row:
    lines = [line for line in estimate.lines if line.service == service]
    used = [each for each in spent if service_of(each.service) == service]
    causes = sorted(_causes(service, lines, used, share), key=lambda cause: -abs(cause.difference))
    estimated = sum((line.monthly_usd for line in lines), NIL) * share
    return Row(service, estimated, total(used), tuple(causes))


def _causes(service: str, lines: Sequence[Line], spent: Sequence[Spent], share: Decimal) -> list[Cause]:
    kinds: dict[str, list[Spent]] = {}
    for each in spent:
        prices = prices_of(service, each.usage)
        assumed = prices and any(re.fullmatch(prices, line.price) for line in lines)
        kinds.setdefault(prices if prices and assumed else f"{UNKNOWN}{without_region(each.usage)}", []).append(each)
    causes = [_cause(kind, lines, used, share) for kind, used in kinds.items()]
    paid = [kind for kind in kinds if not kind.startswith(UNKNOWN)]
    unused = [line.price for line in lines if not any(re.fullmatch(kind, line.price) for kind in paid)]
    return causes + [_cause(re.escape(price), lines, [], share) for price in dict.fromkeys(unused)]


def _cause(kind: str, lines: Sequence[Line], spent: Sequence[Spent], share: Decimal) -> Cause:
    own = [] if kind.startswith(UNKNOWN) else [line for line in lines if re.fullmatch(kind, line.price)]
    usages = tuple(sorted({without_region(each.usage) for each in spent}))
    units = {each.unit for each in spent if each.unit not in ("", "N/A")}
    return Cause(
        what=", ".join(dict.fromkeys(line.what for line in own)) or kind.removeprefix(UNKNOWN),
        usages=usages,
        estimated_usd=sum((line.monthly_usd for line in own), NIL) * share,
        spent_usd=total(spent),
        estimated=sum((line.quantity for line in own), NIL) * share if own else None,
        used=sum((each.quantity for each in spent), NIL) if spent else None,
        unit=units.pop() if len(units) == 1 else "",
    )
