"""Charts as SVG: panels of steps over time under each other, light or dark as the reader's screen is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, PANEL, LEFT, RIGHT, TOP, GAP = 960, 150, 76, 24, 96, 54
MARKS = {"line": "━", "area": "■", "dashed": "╌╌"}
POINTS = 600  # of a line: what is narrower than a pixel or two is drawn by its maximum
STYLE = """
svg { font: 13px system-ui, sans-serif; --paper: #fff; --ink: #1f2430; --soft: #5b6472; --rule: #e4e7ec;
  --a: #2563eb; --b: #d97706; --c: #dc2626; --d: #0f766e; }
@media (prefers-color-scheme: dark) { svg { --paper: #12151c; --ink: #e8ebf1; --soft: #9aa4b5; --rule: #2a303c;
  --a: #60a5fa; --b: #fbbf24; --c: #f87171; --d: #2dd4bf; } }
.paper { fill: var(--paper) } .rule { stroke: var(--rule) } text { fill: var(--ink) } .soft { fill: var(--soft) }
.title { font-size: 18px; font-weight: 600 } .name { font-weight: 600 } .right { text-anchor: end }
.middle { text-anchor: middle }
.line { fill: none; stroke-width: 1.8 } .dashed { stroke-dasharray: 6 5 }
.a { stroke: var(--a) } .b { stroke: var(--b) } .c { stroke: var(--c) } .d { stroke: var(--d) }
.fill-a { fill: var(--a) } .fill-b { fill: var(--b) } .fill-c { fill: var(--c) } .fill-d { fill: var(--d) }
""" + "\n".join(  # opaque, so that of two areas the one in front hides the other
    f".area.fill-{colour} {{ fill: color-mix(in srgb, var(--{colour}) 45%, var(--paper)) }}" for colour in "abcd"
)


@dataclass(frozen=True, slots=True)
class Series:
    """A value for each second. ``kind``: line, area or dashed; ``colour``: a to d, the same meaning in every chart."""

    name: str
    values: Sequence[float]
    colour: str
    kind: str = "line"


@dataclass(frozen=True, slots=True)
class Panel:
    title: str
    unit: str
    series: Sequence[Series]


def draw(title: str, subtitle: str, panels: Sequence[Panel], shown: range) -> str:
    """An SVG document of the seconds ``shown``. Every panel has an axis of its own, from 0."""
    height = TOP + len(panels) * (PANEL + GAP) + 8
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{height}"/>',
        f'<text class="title" x="{LEFT}" y="34">{escape(title)}</text>',
        f'<text class="soft" x="{LEFT}" y="56">{escape(subtitle)}</text>',
    ]
    for number, panel in enumerate(panels):
        parts += _panel(panel, TOP + number * (PANEL + GAP), shown, last=number == len(panels) - 1)
    return "\n".join([*parts, "</svg>\n"])


def _panel(panel: Panel, top: float, shown: range, *, last: bool) -> list[str]:
    most = _rounded(max((max(one.values[shown.start : shown.stop], default=0) for one in panel.series), default=0))
    parts = [f'<text class="name" x="{LEFT}" y="{top - 10}">{escape(panel.title)}</text>', _legend(panel, top)]
    for share in (0, 0.5, 1):
        y = top + PANEL * (1 - share)
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
        parts.append(
            f'<text class="soft right" x="{LEFT - 8}" y="{y + 4}">{_labelled(most * share, panel.unit)}</text>'
        )
    parts += _time(top, shown, labelled=last)
    return parts + [_path(one, top, most, shown) for one in panel.series]


def _legend(panel: Panel, top: float) -> str:
    spans = [
        f'<tspan class="fill-{one.colour}" dx="{18 if number else 0}">{MARKS[one.kind]}</tspan>'
        f'<tspan class="soft" dx="5">{escape(one.name)}</tspan>'
        for number, one in enumerate(panel.series)
    ]
    return f'<text class="right" x="{WIDTH - RIGHT}" y="{top - 10}">{"".join(spans)}</text>'


def _time(top: float, shown: range, *, labelled: bool) -> list[str]:
    step = next(each for each in (15, 30, 60, 300, 600, 900, 1800) if len(shown) / each <= 12 or each == 1800)
    parts = []
    for second in range(shown.start - shown.start % -step, shown.stop + 1, step):
        x = LEFT + (second - shown.start) / len(shown) * (WIDTH - LEFT - RIGHT)
        parts.append(f'<line class="rule" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{top + PANEL}"/>')
        if labelled:
            label = f"{second // 60} min" if second % 60 == 0 else f"{second // 60}:{second % 60:02}"
            parts.append(f'<text class="soft middle" x="{x:.1f}" y="{top + PANEL + 20}">{label}</text>')
    return parts


def _path(one: Series, top: float, most: float, shown: range) -> str:
    values = one.values[shown.start : shown.stop]
    every = max(1, len(values) // POINTS)
    steps = [max(values[begin : begin + every]) for begin in range(0, len(values), every)]
    wide = (WIDTH - LEFT - RIGHT) / len(steps)
    path, previous = [], None
    for number, value in enumerate(steps):
        if value != previous:
            x, y = LEFT + number * wide, top + PANEL * (1 - value / most)
            path.append(f"M{x:.1f} {y:.1f}" if previous is None else f"H{x:.1f}V{y:.1f}")
            previous = value
    line = "".join(path) + f"H{WIDTH - RIGHT}"
    if one.kind == "area":
        closed = f"{line}V{top + PANEL}H{LEFT}Z"
        return f'<path class="area fill-{one.colour}" d="{closed}"/>'
    return f'<path class="line {one.kind} {one.colour}" d="{line}"/>'


def _rounded(value: float) -> float:
    """The next number above that reads well: 1, 2, 4, 5 or 8 times a power of ten."""
    if value <= 0:
        return 1
    power: float = 10 ** math.floor(math.log10(value))
    return next(power * each for each in (1, 2, 4, 5, 8, 10) if power * each >= value * 0.999)


def _labelled(value: float, unit: str) -> str:
    return f"${_number(value)}" if unit == "$" else f"{_number(value)} {escape(unit)}".rstrip()


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"
