"""The price table: list prices of one region, each with its source and date."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

PRICES = Path(__file__).with_name("prices.json")
EVIDENCE = ("price-list", "secondary", "memory")

MONTH_HOURS = Decimal(730)  # what AWS's own calculator takes for a month
MONTH_MINUTES = MONTH_HOURS * 60
MONTH_SECONDS = MONTH_HOURS * 3600


class UnpricedError(Exception):
    """Something that may cost money has no price, so no total would be true."""


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars a unit; ``tiers`` are (what the tier ends at, or None, and its price), from the first unit on."""

    name: str
    per: str
    tiers: tuple[tuple[Decimal | None, Decimal], ...]
    source: str
    date: date
    evidence: str

    def cost(self, quantity: Decimal) -> Decimal:
        """What ``quantity`` units of a month cost, each at the price of its tier."""
        total, begin = Decimal(0), Decimal(0)
        for end, usd in self.tiers:
            inside = max(Decimal(0), (quantity if end is None else min(quantity, end)) - begin)
            total += inside * usd
            begin = end or begin
        return total


@dataclass(frozen=True, slots=True)
class PriceTable:
    region: str
    prices: Mapping[str, Price]

    def __getitem__(self, name: str) -> Price:
        """Raises UnpricedError, naming what is missing."""
        try:
            return self.prices[name]
        except KeyError:
            raise UnpricedError(f"no price {name!r} in {PRICES.name}: add it with its source and date") from None


def load(path: Path = PRICES) -> PriceTable:
    document = json.loads(path.read_text())
    return PriceTable(document["region"], {name: _price(name, entry) for name, entry in document["prices"].items()})


def _price(name: str, entry: Mapping[str, Any]) -> Price:
    tiers: list[Mapping[str, str]] = entry.get("tiers") or [{"usd": entry["usd"]}]
    return Price(
        name=name,
        per=entry["per"],
        tiers=tuple((Decimal(tier["up_to"]) if "up_to" in tier else None, Decimal(tier["usd"])) for tier in tiers),
        source=entry["source"],
        date=date.fromisoformat(entry["date"]),
        evidence=entry["evidence"],
    )
