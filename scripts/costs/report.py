"""The estimate and the comparison as text for people and as JSON for machines."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from scripts.costs.lines import Estimate, Line
from scripts.costs.model import Load
from scripts.costs.prices import PriceTable
from scripts.costs.traffic import Traffic

NOT_COUNTED = (
    "free tiers, taxes, support plans, savings plans; traffic between zones; later versions of rotated keys; backups "
    "above the database's size and snapshots of Redis after the first"
)


def cents(usd: Decimal) -> str:
    return f"{usd:,.2f}"


def estimate_text(estimate: Estimate, traffic: Traffic, prices: PriceTable) -> str:
    rows = []
    for service, total in estimate.by_service().items():
        rows.append(f"{service:<58}{cents(total):>12}")
        rows += [_row(line) for line in estimate.lines if line.service == service]
    free = sum(len(names) for names in estimate.free.values())
    return "\n".join(
        [
            f"{estimate.stage}: ${cents(estimate.monthly_usd)} a month, list prices of {prices.region}",
            "",
            *rows,
            "",
            f"{'total':<58}{cents(estimate.monthly_usd):>12}",
            "",
            f"Assumed: {_assumed(traffic)}.",
            f"Free: {free} resources of {len(estimate.free)} types (--free lists them).",
            f"Not counted: {NOT_COUNTED}.",
            f"{_evidence(estimate, prices)}",
        ]
    )


def _row(line: Line) -> str:
    what = line.what if len(line.resources) < 2 else f"{line.what} ({len(line.resources)} resources)"
    return f"  {what:<44}{_quantity(line.quantity):>12} {cents(line.monthly_usd):>11}  {line.per}"


def _quantity(quantity: Decimal) -> str:
    for size, letter in ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**4, "k")):
        if quantity >= size:
            return f"{quantity / (size if letter != 'k' else 1000):,.1f} {letter}"
    return f"{quantity:,.1f}"


def _assumed(traffic: Traffic) -> str:
    rate = f"sent every {traffic.rate_s} s at most" if traffic.rate_s else "sent one by one"
    return (
        f"{traffic.connections:,} sockets open around the clock, {traffic.updates_per_second} updates a second due to "
        f"each, {rate}; {traffic.requests_per_second} REST requests a second; "
        f"{traffic.observations_per_minute:,} observations a minute"
    )


def _evidence(estimate: Estimate, prices: PriceTable) -> str:
    used = [prices[line.price] for line in estimate.lines]
    weak = sum((line.monthly_usd for line in estimate.lines if prices[line.price].evidence == "memory"), Decimal(0))
    dates = sorted(price.date for price in used)
    return (
        f"Prices: scripts/costs/prices.json, of {dates[0]} to {dates[-1]}; "
        f"${cents(weak)} of the total rests on prices from memory."
    )


def free_text(estimate: Estimate, reasons: dict[str, str]) -> str:
    rows = [
        f"  {kind:<44}{len(names):>4}  {reasons.get(kind, 'work of its function')}"
        for kind, names in estimate.free.items()
    ]
    return "\n".join(["Free of charge:", *rows])


def loads_text(loads: Sequence[Load], traffic: Traffic) -> str:
    columns = (("posts/s", 10), ("of quota", 10), ("messages", 12), ("deliver", 10), ("SQS", 8), ("bytes out", 11))
    head = f"{'sent':<20}{''.join(f'{name:>{width}}' for name, width in columns)}{'total':>12}"
    connected = cents(loads[0].connected_usd)
    rows = []
    for load in loads:
        bytes_out = load.cost("CloudFront") + load.cost("Data transfer")
        messages = load.cost("API Gateway") - load.connected_usd
        rows.append(
            f"{_rate_name(load):<20}{load.push.posts_per_second:>10,.0f}{load.of_quota:>10.0%}{cents(messages):>12}"
            f"{cents(load.cost('Lambda')):>10}{cents(load.cost('SQS')):>8}{cents(bytes_out):>11}{cents(load.monthly_usd):>12}"
        )
    warnings = [f"{_rate_name(load)}: {load.warning}." for load in loads if load.warning]
    return "\n".join(
        [
            f"{traffic.connections:,} sockets, {traffic.updates_per_second} updates a second each "
            f"over {traffic.topics} topics; dollars a month, {connected} of each total for the open connections",
            "",
            head,
            *rows,
            *(["", *warnings] if warnings else []),
        ]
    )


def _rate_name(load: Load) -> str:
    return f"every {load.rate_s} s" if load.rate_s else "each update alone"


def estimate_json(estimate: Estimate, traffic: Traffic, prices: PriceTable) -> dict[str, Any]:
    return {
        "stage": estimate.stage,
        "region": prices.region,
        "monthly_usd": _money(estimate.monthly_usd),
        "services": {service: _money(total) for service, total in estimate.by_service().items()},
        "lines": [
            {
                "service": line.service,
                "what": line.what,
                "quantity": str(line.quantity.quantize(Decimal("0.01"))),
                "per": line.per,
                "price": line.price,
                "source": prices[line.price].source,
                "date": str(prices[line.price].date),
                "evidence": prices[line.price].evidence,
                "monthly_usd": _money(line.monthly_usd),
                "resources": list(line.resources),
            }
            for line in estimate.lines
        ],
        "free": {kind: list(names) for kind, names in estimate.free.items()},
        "traffic": traffic_json(traffic),
        "not_counted": NOT_COUNTED,
    }


def traffic_json(traffic: Traffic) -> dict[str, str]:
    return {name: str(getattr(traffic, name)) for name in Traffic.__dataclass_fields__}


def loads_json(loads: Sequence[Load]) -> list[dict[str, Any]]:
    return [
        {
            "rate_s": int(load.rate_s),
            "posts_per_second": str(load.push.posts_per_second.quantize(Decimal("0.01"))),
            "of_quota": str(load.of_quota.quantize(Decimal("0.001"))),
            "frame_bytes": int(load.push.frame_bytes),
            "monthly_usd": _money(load.monthly_usd),
            "services": {
                service: _money(load.cost(service)) for service in dict.fromkeys(li.service for li in load.lines)
            },
            "warning": load.warning,
        }
        for load in loads
    ]


def _money(usd: Decimal) -> str:
    return str(usd.quantize(Decimal("0.01")))
