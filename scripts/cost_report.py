"""What a stage costs a month, priced from its template, and what it did cost.

python -m scripts.cost_report --estimate staging
python -m scripts.cost_report --actual staging --html build/costs.html
python -m scripts.cost_report --connections 10000 --updates-per-second 5
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from scripts.costs import comparison, report
from scripts.costs import prices as price_table
from scripts.costs.asking import ask, budget_of
from scripts.costs.model import compare, estimate
from scripts.costs.page import page
from scripts.costs.prices import UnpricedError
from scripts.costs.resources import FREE
from scripts.costs.spending import spending_json, spending_text
from scripts.costs.template import Template
from scripts.costs.traffic import STAGES, Traffic
from scripts.deployment.command import ended
from scripts.packaging.assemble import assemble
from scripts.packaging.problems import PackagingError
from scripts.packaging.transform import resolve, transform

EPILOG = """\
An estimate takes every resource of the merged template, at list price and without free tiers, and the traffic that
the options say; a resource type without a price is an error, never a free one. With --connections or
--updates-per-second the load is compared at every rate, first with each update sent alone. Prices and their sources:
scripts/costs/prices.json.

--actual asks Cost Explorer, by the AWS credentials of the environment, what was spent on the stage: this month until
yesterday, or all of --month. It is put beside the estimate for these days and the budget (--budget, or the stage's in
cfn/parameters/), with the three biggest differences by usage type. It costs a few cents a time: a cent a request. The
tag Environment has to be activated for cost allocation. --save keeps the answers, --from reads them again, or an answer
by itself:

  aws ce get-cost-and-usage --granularity DAILY --time-period Start=2026-11-01,End=2026-11-23 \
    --metrics UnblendedCost UsageQuantity --group-by Type=DIMENSION,Key=SERVICE Type=DIMENSION,Key=USAGE_TYPE \
    --filter '{"Tags": {"Key": "Environment", "Values": ["staging"]}}' > costs.json
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
    options.add_argument("--actual", metavar="STAGE", choices=sorted(STAGES), help="what it did cost, by Cost Explorer")
    options.add_argument("--free", action="store_true", help="list what costs nothing, and why")
    options.add_argument("--json", action="store_true", help="one JSON object, for machines")
    actual = options.add_argument_group("with --actual")
    actual.add_argument(
        "--month", type=_month, metavar="YYYY-MM", help="all of it (default: this one, until yesterday)"
    )
    actual.add_argument("--budget", type=_amount, metavar="DOLLARS", help="of a month (default: cfn/parameters/)")
    actual.add_argument("--html", type=Path, metavar="FILE", help="write a page with charts, too")
    actual.add_argument("--from", type=Path, dest="saved", metavar="FILE", help="read what was saved, ask nobody")
    actual.add_argument("--save", type=Path, metavar="FILE", help="keep Cost Explorer's answers")
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
    if not arguments.actual and any(getattr(arguments, name) for name in ("month", "html", "saved", "save")):
        options.error("--month, --html, --from and --save are about what was spent: give --actual STAGE too")
    if not arguments.estimate and not arguments.actual and not _is_load(arguments):
        options.error(
            "nothing to report: give --estimate STAGE, --actual STAGE, or a load with --connections and "
            "--updates-per-second"
        )
    if arguments.actual and (arguments.estimate or _is_load(arguments)):
        options.error("--actual has the stage's own estimate beside it: ask for other loads apart")
    if arguments.free and not arguments.estimate:
        options.error("--free lists what an estimate found free: give --estimate STAGE too")
    for name in ("topics", "session_minutes"):
        if (value := getattr(arguments, name)) is not None and value < 1:
            options.error(f"--{name.replace('_', '-')} must be one or more")
    return arguments


def _month(text: str) -> date:
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no month like 2026-11") from None


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


def report_spending(arguments: argparse.Namespace) -> int:
    """What was spent. Raises ValueError, OSError and what AWS raises."""
    stage = arguments.actual
    month = estimate(stage, template_of(stage), STAGES[stage], price_table.load())
    budget = budget_of(stage) if arguments.budget is None else arguments.budget
    answers = ask(stage, arguments.month, saved=arguments.saved, today=datetime.now(UTC).date())
    found = comparison.compare(month, answers.spent, answers.period, by_tag=answers.by_tag, budget_usd=budget)
    if arguments.save:
        arguments.save.write_text(json.dumps(answers.document, indent=1))
    if arguments.html:
        arguments.html.parent.mkdir(parents=True, exist_ok=True)
        arguments.html.write_text(page(found, source=answers.source))
    print(json.dumps(spending_json(found), indent=2) if arguments.json else spending_text(found))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    if arguments.actual:
        return ended("cost_report", lambda: report_spending(arguments), as_json=arguments.json)
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
