"""Charts of what was spent, as SVG that takes its colours from the page around it."""

from __future__ import annotations

from decimal import Decimal
from html import escape
from itertools import accumulate

from scripts.costs.comparison import Comparison
from scripts.costs.spending import LEAST, usd

WIDTH = 920
NAME, VALUE = 130, 90  # beside the bars
BAR, GAP = 11, 12
LEFT, RIGHT, TOP, BOTTOM, HEIGHT = 56, 110, 12, 26, 260
STEPS = 4


def by_service(found: Comparison) -> str:
    """Two bars a service: what was spent, and what was estimated for these days."""
    rows = [row for row in found.rows if max(row.spent_usd, row.estimated_usd) >= LEAST]
    most = max((max(row.spent_usd, row.estimated_usd) for row in rows), default=Decimal(1))
    scale = (WIDTH - NAME - VALUE) / float(most)
    parts = []
    for number, row in enumerate(rows):
        y = number * (2 * BAR + GAP)
        for kind, value, top in (("spent", row.spent_usd, y), ("assumed", row.estimated_usd, y + BAR)):
            width = max(0.0, float(value) * scale)
            title = f"<title>{escape(row.service)}: {kind} ${usd(value)}</title>"
            at = f'x="{NAME}" y="{top}" width="{width:.1f}" height="{BAR - 1}" rx="2"'
            parts.append(f'<rect class="{kind}" {at}>{title}</rect>')
        end = NAME + float(max(row.spent_usd, row.estimated_usd)) * scale
        parts.append(f'<text x="{NAME - 10}" y="{y + 15}" text-anchor="end">{escape(row.service)}</text>')
        parts.append(f'<text class="soft" x="{end + 8:.1f}" y="{y + 15}">{usd(row.spent_usd)}</text>')
    return _svg(max(1, len(rows)) * (2 * BAR + GAP), parts, f"what was spent on each of {len(rows)} services")


def day_by_day(found: Comparison) -> str:
    """What was spent until each day, beside what was estimated and, where there is one, the month's budget."""
    sums = list(accumulate(found.daily.values()))
    most = float(max(sums[-1], found.estimated_usd, found.budget_usd)) or 1.0
    days, right, floor = len(sums), WIDTH - RIGHT, HEIGHT - BOTTOM

    def x(day: float) -> float:
        return LEFT + (right - LEFT) * day / days

    def y(value: object) -> float:
        return floor - (floor - TOP) * float(value) / most  # type: ignore[arg-type]

    parts = []
    for step in range(STEPS + 1):
        value = Decimal(most) * step / STEPS
        parts.append(f'<line class="axis" x1="{LEFT}" x2="{right}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>')
        parts.append(f'<text class="soft" x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:,.0f}</text>')
    every = max(1, days // 8)
    for number, day in enumerate(found.daily):
        if number % every == 0:
            at = f'x="{x(number + 0.5):.1f}" y="{HEIGHT - 6}" text-anchor="middle"'
            parts.append(f'<text class="soft" {at}>{day:%-d %b}</text>')
    points = " ".join(f"{x(number + 1):.1f},{y(value):.1f}" for number, value in enumerate(sums))
    parts.append(
        f'<line class="plan" x1="{x(0):.1f}" y1="{y(0):.1f}" x2="{x(days):.1f}" y2="{y(found.estimated_usd):.1f}"/>'
    )
    parts.append(f'<polyline class="path" points="{x(0):.1f},{y(0):.1f} {points}"/>')
    labels = [(y(sums[-1]), "spent", ""), (y(found.estimated_usd), "estimated", "soft")]
    if found.budget_usd:
        level = y(found.budget_usd)
        parts.append(f'<line class="limit" x1="{LEFT}" x2="{right}" y1="{level:.1f}" y2="{level:.1f}"/>')
        labels.append((level, "budget", "over"))
    for height, text, kind in _apart(labels):
        parts.append(f'<text class="{kind}" x="{right + 8}" y="{height + 4:.1f}">{text}</text>')
    return _svg(HEIGHT, parts, f"what was spent on {days} days, added up")


def _apart(labels: list[tuple[float, str, str]]) -> list[tuple[float, str, str]]:
    """The same, none over another: each at least a line's height below the one above."""
    placed: list[tuple[float, str, str]] = []
    for height, text, kind in sorted(labels):
        lowest = placed[-1][0] + 14 if placed else height
        placed.append((max(height, lowest), text, kind))
    return placed


def _svg(height: int, parts: list[str], label: str) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label)}">{"".join(parts)}</svg>'
