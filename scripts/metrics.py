"""Write docs/metrics.md from the catalogue of metrics, or check that it is up to date.

python -m scripts.metrics           writes it
python -m scripts.metrics --check   exits with 1 if it would change
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from chalicelib.telemetry.catalogue import DIMENSIONS, METRICS, NAMESPACE, Metric

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metrics.md"
HEAD = f"""\
# Metrics

What our functions measure, in CloudWatch's namespace `{NAMESPACE}`. They write it as lines of their logs (the embedded
metric format), so nothing waits for CloudWatch. Made from `chalicelib/telemetry/catalogue.py` by
`python -m scripts.metrics`: change it there.

Every metric has the dimension `Stage`; some exist a second time with one more dimension. A sum of nothing is not
written, so a counter without data is 0. A line has at most 100 values of a metric: of more, those at evenly spaced
ranks are written, so that percentiles stay while counts of values (`SampleCount`) do not.
"""
TITLES = {"business": "Business", "performance": "Performance", "errors": "Errors"}


def render() -> str:
    """The whole page."""
    return "\n".join([HEAD, *_tables(), *_dimensions(), *_costs()])


def combinations() -> int:
    """Names with their dimensions' values: what CloudWatch bills, if all of them occur."""
    return len(METRICS) + sum(len(DIMENSIONS[key]) for metric in METRICS for key in metric.dimensions)


def _tables() -> Iterator[str]:
    for group, title in TITLES.items():
        yield f"## {title}\n"
        yield "| metric | unit | look at | also by | what it is |\n| --- | --- | --- | --- | --- |"
        yield from (_row(metric) for metric in METRICS if metric.group == group)
        yield ""


def _row(metric: Metric) -> str:
    also = ", ".join(metric.dimensions)
    return f"| `{metric.name}` | {metric.unit} | {metric.statistic} | {also} | {metric.meaning} |"


def _dimensions() -> Iterator[str]:
    yield "## Dimensions\n"
    yield "| dimension | values |\n| --- | --- |"
    yield "| `Stage` | dev, staging, production; local on a laptop |"
    yield from (f"| `{name}` | {', '.join(values)} |" for name, values in DIMENSIONS.items())
    yield ""


def _costs() -> Iterator[str]:
    yield f"At most {combinations()} combinations a stage, $0.30 each and month for as long as they are written.\n"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.metrics", description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the page is out of date")
    if not parser.parse_args(arguments).check:
        PAGE.write_text(render())
        return 0
    if PAGE.exists() and PAGE.read_text() == render():
        return 0
    print("docs/metrics.md is not what the catalogue says: run python -m scripts.metrics", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
