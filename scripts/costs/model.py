"""The estimate of a stage, and what a load costs at each rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from scripts.costs.lines import Estimate, Line, priced
from scripts.costs.prices import PriceTable
from scripts.costs.resources import standing
from scripts.costs.template import Template, handler_of
from scripts.costs.traffic import Pushes, Traffic, pushes
from scripts.costs.usage import delivery_pace, push_usage, usage

QUOTA_PER_SECOND = Decimal(10_000)  # requests of all APIs and callbacks of an account in a region
CONNECTED = "websocket-connection-minute"
RATES_S = (Decimal(0), Decimal(1), Decimal(5), Decimal(15), Decimal(60))


def estimate(stage: str, template: Template, traffic: Traffic, prices: PriceTable) -> Estimate:
    """Every resource and every flow, priced. Raises UnpricedError for anything that the model does not know."""
    charges, free = standing(template.resources)
    return Estimate(stage, priced([*charges, *usage(template, traffic)], prices), free)


@dataclass(frozen=True, slots=True)
class Load:
    """What sockets and updates cost a month at one rate. ``capacity`` is the posts a second that deliver may make."""

    rate_s: Decimal
    push: Pushes
    lines: Sequence[Line]
    capacity: Decimal

    @property
    def monthly_usd(self) -> Decimal:
        return sum((line.monthly_usd for line in self.lines), Decimal(0))

    @property
    def of_quota(self) -> Decimal:
        return self.push.posts_per_second / QUOTA_PER_SECOND

    @property
    def warning(self) -> str:
        """Why it cannot be done; empty if it can."""
        if self.of_quota >= 1:
            return f"{self.of_quota:.1f} times the account's quota of {QUOTA_PER_SECOND:,} requests a second"
        if self.push.posts_per_second > self.capacity:
            return f"more than the {self.capacity:,.0f} posts a second that deliver may make: its queue grows"
        return ""

    @property
    def connected_usd(self) -> Decimal:
        """What the open connections cost before anything is sent."""
        return sum((line.monthly_usd for line in self.lines if line.price == CONNECTED), Decimal(0))

    def cost(self, service: str) -> Decimal:
        return sum((line.monthly_usd for line in self.lines if line.service == service), Decimal(0))


def compare(template: Template, traffic: Traffic, prices: PriceTable) -> list[Load]:
    """The load at every rate of the protocol, first without coalescing: a message an update."""
    loads = []
    for rate_s in RATES_S:
        at_rate = replace(traffic, rate_s=rate_s)
        lines = priced(push_usage(template, at_rate), prices)
        loads.append(Load(rate_s, pushes(at_rate), lines, delivery_capacity(template)))
    return loads


def delivery_capacity(template: Template) -> Decimal:
    """Posts a second: deliver's maximum concurrency times a worker's pace."""
    (mapping,) = [
        mapping for name, mapping in template.readers.items() if handler_of(template.functions[name]) == "deliver"
    ]
    return Decimal(str(mapping["ScalingConfig"]["MaximumConcurrency"])) * delivery_pace(template)
