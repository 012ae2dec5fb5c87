"""What the stages cost a month by the model, and that nothing of their templates goes unpriced."""

import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

from scripts.costs import prices as price_table
from scripts.costs import report
from scripts.costs.model import compare, estimate
from scripts.costs.resources import FREE, STANDING, USED
from scripts.costs.template import Template
from scripts.costs.traffic import STAGES

from .conftest import resolved_stage

PRICES = price_table.load()
SOURCES = Path(report.__file__).parent


def template(stage, region="us-east-1"):
    return Template(resolved_stage(stage, region)["Resources"])


def month(stage, region="us-east-1"):
    return estimate(stage, template(stage, region), STAGES[stage], PRICES)


def test_staging_costs_less_than_500_dollars_a_month():
    assert month("staging").monthly_usd < 500


def test_staging_stays_near_the_260_that_were_aimed_at():
    """Rules and notifications took it past that: two functions, three queues, their metrics and alarms."""
    assert month("staging").monthly_usd < 270


def test_production_costs_more_than_staging_and_dev_no_more():
    """Two of everything that must not fail, in production only."""
    assert month("dev").monthly_usd <= month("staging").monthly_usd < month("production").monthly_usd


def test_everything_is_priced_or_known_to_be_free(stage):
    told = month(stage)
    resources = template(stage).resources
    free = {name for names in told.free.values() for name in names}
    charged = {name for line in told.lines for name in line.resources}
    used = {name for name, body in resources.items() if body["Type"] in USED}
    gateways = {n for n, body in resources.items() if body.get("Properties", {}).get("VpcEndpointType") == "Gateway"}
    on_demand = set(template(stage).of_type("AWS::DynamoDB::Table"))
    assert set(resources) == free | charged | used | gateways | on_demand


def test_a_stage_elsewhere_is_priced_too():
    """At the prices of us-east-1: the table says so."""
    assert PRICES.region == "us-east-1"
    assert 0 < month("staging", "eu-west-1").monthly_usd < 500


def test_every_size_that_a_parameter_allows_has_a_price(transformed):
    allowed = transformed["Parameters"]
    for size in allowed["DatabaseInstanceClass"]["AllowedValues"]:
        assert PRICES[f"rds-postgres-{size}-hour"]
    for size in allowed["RedisNodeType"]["AllowedValues"]:
        assert PRICES[f"valkey-{size}-hour"]


def test_no_price_is_kept_that_nothing_asks_for():
    code = "".join(path.read_text() for path in SOURCES.glob("*.py"))
    by_size = (
        "valkey-cache.",
        "rds-postgres-db.",
        "rds-gp3-",
        "lambda-arm64-",
        "lambda-x86_64-",
    )  # made of what is asked
    assert [name for name in PRICES.prices if f'"{name}"' not in code and not name.startswith(by_size)] == []


def test_no_type_is_listed_that_an_aws_schema_does_not_know():
    known = set(PROVIDER_SCHEMA_MANAGER.get_resource_types("us-east-1"))
    assert set(STANDING) | set(USED) | set(FREE) <= known


def test_little_of_stagings_estimate_rests_on_prices_from_memory():
    told = month("staging")
    weak = sum(line.monthly_usd for line in told.lines if PRICES[line.price].evidence == "memory")
    assert weak < told.monthly_usd / 20


def test_coalescing_makes_ten_thousand_sockets_affordable():
    """Five updates a second to each: alone they cannot be sent at all, every five seconds with room to spare."""
    load = replace(STAGES["production"], connections=Decimal(10_000), updates_per_second=Decimal(5))
    alone, _, every_5_s, *_ = compare(template("production"), load, PRICES)
    assert alone.of_quota > 1
    assert every_5_s.warning == ""
    assert every_5_s.monthly_usd < alone.monthly_usd / 15


# --- docs/architecture.md ---

ROOT = Path(__file__).parents[2]
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()


def test_the_documented_costs_are_the_models():
    """Whole dollars, as `python -m scripts.cost_report` says them."""
    months = [month(stage) for stage in ("dev", "staging", "production")]
    by_service = [told.by_service() for told in months]
    services = sorted({name for told in by_service for name in told}, key=lambda name: -by_service[1].get(name, 0))
    rows = [[name, *(told.get(name, Decimal(0)) for told in by_service)] for name in services]
    rows.append(["**total**", *(told.monthly_usd for told in months)])
    for name, *usd in rows:
        assert f"| {name} | {' | '.join(f'{amount:,.0f}' for amount in usd)} |\n" in ARCHITECTURE


def test_the_documented_loads_are_the_models():
    load = replace(STAGES["production"], connections=Decimal(10_000), updates_per_second=Decimal(5))
    for told in compare(template("production"), load, PRICES):
        sent = f"every {told.rate_s} s" if told.rate_s else "each update alone"
        figures = f"{told.push.posts_per_second:,.0f} | {told.of_quota:.0%} | {told.monthly_usd:,.0f}"
        assert f"| {sent} | {figures} |\n" in ARCHITECTURE


def test_every_part_of_the_template_is_documented_and_no_other():
    parts = {f"cfn/{path.name}" for path in (ROOT / "cfn").glob("*.yaml")}
    assert set(re.findall(r"^\| `(cfn/[^`]+\.yaml)` \|", ARCHITECTURE, re.MULTILINE)) == parts
