"""What a stage costs a month, priced from its template.

python -m scripts.cost_report --estimate staging
python -m scripts.cost_report --connections 10000 --updates-per-second 5
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from typing import Any

from scripts.costs import prices as price_table
from scripts.costs import report
from scripts.costs.model import compare, estimate
from scripts.costs.prices import UnpricedError
from scripts.costs.resources import FREE
from scripts.costs.template import Template
from scripts.costs.traffic import STAGES, Traffic
from scripts.packaging.assemble import assemble
from scripts.packaging.problems import PackagingError
from scripts.packaging.transform import resolve, transform

EPILOG = """\
An estimate takes every resource of the merged template, at list price and without free tiers, and the traffic that
the options say; a resource type without a price is an error, never a free one. With --connections or
--updates-per-second the load is compared at every rate, first with each update sent alone. Prices and their sources:
scripts/costs/prices.json.
"""

# The options that are traffic, and what they mean.
OPTIONS = {
    "connections": "sockets open around the clock",
    "updates_per_second": "updates due to each of them",
    "rate_s": "seconds between two frames to a socket at least; 0 sends every update alone",
    "topics": "topics that a socket's updates spread over",
    "session_minutes": "how long a socket stays",
    "requests_per_second": "of the REST API",
    "page_views_per_day": "of the live page",
    "observations_per_minute": "new ones, over all feeds",
    "custom_metrics": "metrics that the functions write",
    "flow_log_gb": "of the VPC's flow log a month",
}


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.cost_report",
        description="What a stage costs a month, priced from its template.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--estimate", metavar="STAGE", choices=sorted(STAGES), help="dev, staging or production")
    options.add_argument("--free", action="store_true", help="list what costs nothing, and why")
    options.add_argument("--json", action="store_true", help="one JSON object, for machines")
    traffic = options.add_argument_group("traffic (default: the stage's)")
    for name, meaning in OPTIONS.items():
        traffic.add_argument(f"--{name.replace('_', '-')}", type=_amount, metavar="N", help=meaning)
    return options


def _amount(text: str) -> Decimal:
    try:
        value = Decimal(text.replace(",", "").replace("_", ""))
    except InvalidOperation:
        raise argparse.ArgumentTypeError(f"not a number: {text!r}") from None
    if not value.is_finite() or value < 0:
        raise argparse.ArgumentTypeError("must be a number, zero or more")
    return value


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser()
    arguments = options.parse_args(argv)
    if not arguments.estimate and not _is_load(arguments):
        options.error("nothing to report: give --estimate STAGE, or a load with --connections and --updates-per-second")
    if arguments.free and not arguments.estimate:
        options.error("--free lists what an estimate found free: give --estimate STAGE too")
    for name in ("topics", "session_minutes"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            options.error(f"--{name.replace('_', '-')} must be one or more")
    return arguments


def _is_load(arguments: argparse.Namespace) -> bool:
    return arguments.connections is not None or arguments.updates_per_second is not None


def traffic_of(arguments: argparse.Namespace, stage: str) -> Traffic:
    """The stage's traffic with what the arguments change of it."""
    given = {name: getattr(arguments, name) for name in OPTIONS if getattr(arguments, name) is not None}
    return replace(STAGES[stage], **given)


def template_of(stage: str) -> Template:
    """Raises PackagingError if there is no whole template."""
    assembled = assemble(stage)
    resolved = resolve(transform(assembled.template, assembled.parameters), assembled.parameters)
    return Template(resolved["Resources"])


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    stage = arguments.estimate or "production"
    traffic = traffic_of(arguments, stage)
    try:
        template, prices = template_of(stage), price_table.load()
        texts: list[str] = []
        document: dict[str, Any] = {}
        if arguments.estimate:
            month = estimate(stage, template, traffic, prices)
            texts.append(report.estimate_text(month, traffic, prices))
            document["estimate"] = report.estimate_json(month, traffic, prices)
            if arguments.free:
                texts.append(report.free_text(month, dict(FREE)))
        if _is_load(arguments):
            loads = compare(template, traffic, prices)
            texts.append(report.loads_text(loads, traffic))
            document["load"] = report.loads_json(loads)
    except (PackagingError, UnpricedError) as error:
        print(f"cost_report: {error}", file=sys.stderr)
        return 1
    print(json.dumps(document, indent=2) if arguments.json else "\n\n".join(texts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
