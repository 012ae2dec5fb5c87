"""What was spent, as text for people and as JSON for machines."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from scripts.costs.comparison import Cause, Comparison, Row

CAUSES_SHOWN = 3
LEAST = Decimal("0.01")


def usd(amount: Decimal) -> str:
    return f"{amount:,.2f}"


def signed(amount: Decimal) -> str:
    return f"{amount:+,.2f}"


def spending_text(found: Comparison) -> str:
    last = found.end - timedelta(days=1)
    rows = [f"  {'service':<34}{'estimated':>11}{'spent':>11}{'difference':>12}"]
    rows += [
        f"  {row.service:<34}{usd(row.estimated_usd):>11}{_spent(row):>23}" for row in found.rows if _is_shown(row)
    ]
    rows.append(f"  {'total':<34}{usd(found.estimated_usd):>11}{_spent(found):>23}")
    return "\n".join(
        [
            f"{found.stage}: ${usd(found.spent_usd)} from {found.start} to {last}, "
            f"${usd(found.estimated_usd)} were estimated for these days",
            f"{verdict(found)}",
            "",
            *rows,
            "",
            "the biggest differences:",
            *(line for row in found.biggest for line in _explained(row)),
            *_tags(found),
        ]
    )


def verdict(found: Comparison) -> str:
    """Where the month goes, and how that is to the budget."""
    goes = f"at this rate a month costs ${usd(found.at_this_rate_usd)} (estimate ${usd(found.month_usd)}"
    if not found.budget_usd:
        return f"{goes}; no budget)"
    part = found.at_this_rate_usd / found.budget_usd
    over = f": ${usd(found.at_this_rate_usd - found.budget_usd)} too much" if part > 1 else ""
    return f"{goes}), {part:.0%} of the budget of ${usd(found.budget_usd)}{over}"


def explained(cause: Cause) -> str:
    """A cause in words: by how much, of what, and how much of it there was instead of how much."""
    of = f" ({', '.join(cause.usages)})" if cause.usages and cause.usages != (cause.what,) else ""
    if cause.used is None:
        why = "estimated, and none of it was billed"
    elif cause.estimated is None:
        why = f"{amount(cause.used)} {cause.unit}, in no line of the estimate".replace("  ", " ")
    else:
        why = f"{amount(cause.used)} {cause.unit} instead of {amount(cause.estimated)}".replace("  ", " ")
    return f"{cause.what}{of}: {why}"


def amount(quantity: Decimal) -> str:
    return f"{quantity:,.0f}" if abs(quantity) >= 100 else f"{quantity:,.1f}"


def _spent(row: Row | Comparison) -> str:
    return f"{usd(row.spent_usd):>11}{signed(row.spent_usd - row.estimated_usd):>12}"


def _is_shown(row: Row) -> bool:
    return max(row.spent_usd, row.estimated_usd) >= LEAST


def causes(row: Row) -> list[Cause]:
    """Those that make the difference, the biggest first."""
    return [cause for cause in row.causes[:CAUSES_SHOWN] if abs(cause.difference) >= LEAST]


def _explained(row: Row) -> list[str]:
    return [
        f"  {row.service} {signed(row.difference)}",
        *(f"    {signed(cause.difference):>10}  {explained(cause)}" for cause in causes(row)),
    ]


def _tags(found: Comparison) -> list[str]:
    if not found.by_tag:
        return []
    names = {value or "(no tag)": spent for value, spent in found.by_tag.items()}
    return ["", "the account, by the tag Environment:", *(f"  {n:<34}{usd(spent):>22}" for n, spent in names.items())]


def spending_json(found: Comparison) -> dict[str, Any]:
    return {
        "stage": found.stage,
        "from": f"{found.start}",
        "to": f"{found.end - timedelta(days=1)}",
        "spent_usd": _money(found.spent_usd),
        "estimated_usd": _money(found.estimated_usd),
        "at_this_rate_usd": _money(found.at_this_rate_usd),
        "estimated_month_usd": _money(found.month_usd),
        "budget_usd": _money(found.budget_usd) if found.budget_usd else None,
        "services": [
            {
                "service": row.service,
                "estimated_usd": _money(row.estimated_usd),
                "spent_usd": _money(row.spent_usd),
                "difference_usd": _money(row.difference),
            }
            for row in found.rows
        ],
        "biggest": [
            {"service": row.service, "difference_usd": _money(row.difference), "causes": list(map(_cause, causes(row)))}
            for row in found.biggest
        ],
        "daily": {f"{day}": _money(spent) for day, spent in found.daily.items()},
        "tags": {value: _money(spent) for value, spent in found.by_tag.items()},
    }


def _cause(cause: Cause) -> dict[str, Any]:
    return {
        "what": cause.what,
        "usage_types": list(cause.usages),
        "difference_usd": _money(cause.difference),
        "used": None if cause.used is None else f"{cause.used:.2f}",
        "estimated": None if cause.estimated is None else f"{cause.estimated:.2f}",
        "unit": cause.unit,
    }


def _money(value: Decimal) -> str:
    return f"{value:.2f}"
