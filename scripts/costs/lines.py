"""A line of the estimate, and the estimate."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from scripts.costs.prices import PriceTable

MILLIONTH = Decimal("0.000001")  # of a dollar: fine enough that sums of lines agree to the last digit


@dataclass(frozen=True, slots=True)
class Charge:
    """A quantity of something that has a price. ``resource`` is a logical id, empty for what traffic causes."""

    service: str
    what: str
    quantity: Decimal
    price: str
    resource: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """Charges of one kind, priced together, so that tiers count once."""

    service: str
    what: str
    quantity: Decimal
    per: str
    price: str
    monthly_usd: Decimal
    resources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A month of a stage. ``free`` is every resource that costs nothing, by type."""

    stage: str
    lines: Sequence[Line]
    free: Mapping[str, Sequence[str]]

    @property
    def monthly_usd(self) -> Decimal:
        return sum((line.monthly_usd for line in self.lines), Decimal(0))

    def by_service(self) -> dict[str, Decimal]:
        """The dearest first."""
        totals: dict[str, Decimal] = {}
        for line in self.lines:
            totals[line.service] = totals.get(line.service, Decimal(0)) + line.monthly_usd
        return dict(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def priced(charges: Iterable[Charge], prices: PriceTable) -> list[Line]:
    """Charges as lines, in order of first appearance; those of zero quantity fall out. Raises UnpricedError."""
    grouped: dict[tuple[str, str, str], list[Charge]] = {}
    for charge in charges:
        grouped.setdefault((charge.service, charge.what, charge.price), []).append(charge)
    lines = []
    for (service, what, name), group in grouped.items():
        price = prices[name]
        quantity = sum((charge.quantity for charge in group), Decimal(0))
        if quantity:
            resources = tuple(charge.resource for charge in group if charge.resource)
            usd = price.cost(quantity).quantize(MILLIONTH)
            lines.append(Line(service, what, quantity, price.per, name, usd, resources))
    return lines
