"""What was spent, as a page: one file that needs nothing else, light or dark as its reader has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from html import escape

from scripts.costs.charts import by_service, day_by_day
from scripts.costs.comparison import Comparison, Row
from scripts.costs.spending import LEAST, causes, explained, signed, usd, verdict

STYLE = """
:root { color-scheme: light dark; --ink: #1d2433; --soft: #667085; --line: #d9dee7; --ground: #f6f7f9; --sheet: #fff;
  --spent: #2f6fed; --assumed: #b4c2d8; --limit: #c4314b; --more: #b42318; --less: #087443; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ef; --soft: #98a2b3; --line: #2f3847; --ground: #0f141c;
  --sheet: #171e29; --spent: #6b9bff; --assumed: #46536a; --limit: #f97066; --more: #f97066; --less: #47cd89; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
main { max-width: 980px; margin: 0 auto; padding: 28px 16px 56px; }
h1 { font-size: 24px; margin: 0 0 4px; } h2 { font-size: 16px; margin: 0 0 12px; }
h2 .soft { font-size: 13px; font-weight: 400; }
p { margin: 0 0 8px; } .soft { color: var(--soft); }
section { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; padding: 18px;
  margin-top: 16px; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; background: none;
  border: 0; padding: 0; }
.figures div { background: var(--sheet); border: 1px solid var(--line); border-radius: 10px; padding: 12px 16px; }
.figures b { display: block; font-size: 22px; font-variant-numeric: tabular-nums; }
svg { width: 100%; height: auto; display: block; } svg text { fill: var(--ink); font-size: 12px; }
svg .soft { fill: var(--soft); } svg .axis { stroke: var(--line); } svg .spent { fill: var(--spent); }
svg .assumed { fill: var(--assumed); } svg .limit { stroke: var(--limit); stroke-dasharray: 5 4; stroke-width: 1.5; }
svg .path { fill: none; stroke: var(--spent); stroke-width: 2; } svg .plan { fill: none; stroke: var(--soft);
  stroke-dasharray: 2 4; stroke-width: 1.5; } svg .over { fill: var(--limit); }
table { width: 100%; border-collapse: collapse; } th, td { padding: 6px 8px; border-bottom: 1px solid var(--line);
  text-align: right; font-variant-numeric: tabular-nums; } th:first-child, td:first-child { text-align: left; }
th { color: var(--soft); font-weight: 500; } .more { color: var(--more); } .less { color: var(--less); }
.key { display: inline-block; width: 10px; height: 10px; border-radius: 2px; margin: 0 6px 0 14px; }
li { margin-bottom: 6px; } ul { margin: 4px 0 12px; padding-left: 20px; } .scroll { overflow-x: auto; }
"""
KEY = """<span class="key" style="background: var(--spent)"></span><span class="soft">spent</span>
<span class="key" style="background: var(--assumed)"></span><span class="soft">estimated for these days</span>"""


def page(found: Comparison, *, source: str) -> str:
    """HTML. ``source`` says where the figures come from."""
    last = found.end - timedelta(days=1)
    title = f"{found.stage}: what was spent from {found.start} to {last}"
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title><style>{STYLE}</style></head><body><main>
<h1>{escape(title)}</h1><p class="soft">{escape(verdict(found))}</p>
<section class="figures">{_figures(found)}</section>
<section><h2>Day by day, added up</h2>{day_by_day(found)}</section>
<section><h2>By service{KEY}</h2>{by_service(found)}</section>
<section><h2>The biggest differences</h2>{"".join(map(_difference, found.biggest))}</section>
<section class="scroll"><h2>Every service</h2>{_table(found)}</section>
{_tags(found.by_tag)}<p class="soft" style="margin-top: 16px">{escape(source)}</p>
</main></body></html>
"""


def _figures(found: Comparison) -> str:
    figures = [
        ("spent", found.spent_usd),
        ("estimated for these days", found.estimated_usd),
        ("a month at this rate", found.at_this_rate_usd),
    ]
    if found.budget_usd:
        figures.append(("budget of a month", found.budget_usd))
    return "".join(f"<div><b>${usd(value)}</b><span class='soft'>{name}</span></div>" for name, value in figures)


def _difference(row: Row) -> str:
    items = "".join(f"<li>{_signed(cause.difference)} {escape(explained(cause))}</li>" for cause in causes(row))
    return f"<p><b>{escape(row.service)}</b> {_signed(row.difference)}</p><ul>{items}</ul>"


def _table(found: Comparison) -> str:
    rows = "".join(
        f"<tr><td>{escape(row.service)}</td><td>{usd(row.estimated_usd)}</td><td>{usd(row.spent_usd)}</td>"
        f"<td>{_signed(row.difference)}</td></tr>"
        for row in found.rows
        if max(row.spent_usd, row.estimated_usd) >= LEAST
    )
    return (
        "<table><thead><tr><th>service</th><th>estimated</th><th>spent</th><th>difference</th></tr></thead>"
        f"<tbody>{rows}</tbody></table>"
    )


def _tags(by_tag: Mapping[str, object]) -> str:
    if not by_tag:
        return ""
    rows = "".join(f"<tr><td>{escape(n or '(no tag)')}</td><td>{v:,.2f}</td></tr>" for n, v in by_tag.items())
    return f"<section><h2>The account, by the tag Environment</h2><table><tbody>{rows}</tbody></table></section>"


def _signed(value: object) -> str:
    text = signed(value)  # type: ignore[arg-type]
    return f'<span class="{"more" if text.startswith("+") else "less"}">{text}</span>'
