"""What was spent against the estimate: read from Cost Explorer, compared, explained by usage type."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.stub import Stubber

from scripts import cost_report
from scripts.costs import usagetypes
from scripts.costs.asking import budget_of, days_of
from scripts.costs.comparison import compare, share_of_month
from scripts.costs.explorer import CostExplorer, SavedCosts, Spent, by_tag_value, read, total
from scripts.costs.lines import Estimate, Line
from scripts.costs.page import page
from scripts.costs.prices import load
from scripts.costs.spending import explained, spending_json, spending_text

SAVED = Path(__file__).parents[2] / "data" / "costs" / "staging.json"
NOVEMBER = (date(2026, 11, 1), date(2026, 12, 1))
NAT, POLLS = "EC2 - Other", "USE1-NatGateway-Bytes"


def group(service: str, usage: str, usd: str, quantity: str = "1", unit: str = "GB") -> dict[str, Any]:
    metrics = {"UnblendedCost": {"Amount": usd, "Unit": "USD"}, "UsageQuantity": {"Amount": quantity, "Unit": unit}}
    return {"Keys": [service, usage], "Metrics": metrics}


def result(day: str, *groups: dict[str, Any]) -> dict[str, Any]:
    return {"TimePeriod": {"Start": day, "End": day}, "Total": {}, "Groups": list(groups), "Estimated": True}


def line(service: str, what: str, price: str, usd: str, quantity: str = "10") -> Line:
    return Line(service, what, Decimal(quantity), "unit", price, Decimal(usd), ())


def spent(service: str, usage: str, usd: str, quantity: str = "1", day: int = 1) -> Spent:
    return Spent(date(2026, 11, day), service, usage, Decimal(usd), Decimal(quantity), "GB")


def compared(lines: list[Line], used: list[Spent], *, budget: str = "0", period=NOVEMBER):
    return compare(Estimate("staging", lines, {}), used, period, by_tag={}, budget_usd=Decimal(budget))


# --- Cost Explorer ---


@pytest.fixture
def explorer():
    client = boto3.client("ce", region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
    with Stubber(client) as stub:
        yield CostExplorer(client), stub


def test_the_stage_is_asked_for_by_its_tag_day_by_day_and_every_page_is_read(explorer):
    costs, stub = explorer
    asked = {
        "TimePeriod": {"Start": "2026-11-01", "End": "2026-12-01"},
        "Granularity": "DAILY",
        "Metrics": ["UnblendedCost", "UsageQuantity"],
        "GroupBy": [{"Type": "DIMENSION", "Key": "SERVICE"}, {"Type": "DIMENSION", "Key": "USAGE_TYPE"}],
        "Filter": {"Tags": {"Key": "Environment", "Values": ["staging"], "MatchOptions": ["EQUALS"]}},
    }
    first = {"ResultsByTime": [result("2026-11-01", group(NAT, POLLS, "1.5"))], "NextPageToken": "more"}
    second = {"ResultsByTime": [result("2026-11-02", group(NAT, POLLS, "2.25"))]}
    stub.add_response("get_cost_and_usage", first, asked)
    stub.add_response("get_cost_and_usage", second, {**asked, "NextPageToken": "more"})
    found = read(costs.by_usage("staging", *NOVEMBER))
    assert [(each.day.day, each.usd) for each in found] == [(1, Decimal("1.5")), (2, Decimal("2.25"))]
    stub.assert_no_pending_responses()


def test_the_account_is_told_apart_by_the_tag_what_bears_none_too(explorer):
    costs, stub = explorer
    values = {"Environment$": "3", "Environment$staging": "40", "Environment$production": "70"}
    groups = [{**group("", "", usd), "Keys": [value]} for value, usd in values.items()]
    stub.add_response("get_cost_and_usage", {"ResultsByTime": [result("2026-11-01", *groups)]})
    assert list(by_tag_value(costs.by_tag(*NOVEMBER)).items()) == [("production", 70), ("staging", 40), ("", 3)]


def test_an_answer_that_is_grouped_otherwise_is_refused():
    with pytest.raises(ValueError, match="by SERVICE and USAGE_TYPE"):
        read({"ResultsByTime": [result("2026-11-01", {**group("", "", "1"), "Keys": ["one"]})]})


@pytest.mark.parametrize("document", [{}, {"usage": {}}, {"ResultsByTime": []}])
def test_a_file_that_is_no_answer_is_refused(document):
    with pytest.raises(ValueError, match="Cost Explorer"):
        SavedCosts(document).period()


# --- which days, which budget ---


def test_this_month_is_asked_about_until_yesterday_and_another_one_as_a_whole():
    today = date(2026, 11, 23)
    assert days_of(None, today) == (date(2026, 11, 1), today)
    assert days_of(date(2026, 2, 1), today) == (date(2026, 2, 1), date(2026, 3, 1))


def test_on_the_first_of_a_month_nothing_of_it_is_over():
    with pytest.raises(ValueError, match="no day is over"):
        days_of(None, date(2026, 11, 1))


def test_the_budget_is_the_stages_parameter():
    assert budget_of("staging") == 500


def test_a_day_is_a_part_of_its_own_month():
    assert share_of_month(date(2026, 1, 31), date(2026, 2, 2)) == Decimal(1) / 31 + Decimal(1) / 28


# --- the comparison ---


def test_services_are_compared_over_the_days_that_were_asked_for():
    half = compared(
        [line("VPC", "GB through NAT", "nat-gateway-gb", "30")],
        [spent(NAT, POLLS, "20")],
        period=(date(2026, 11, 1), date(2026, 11, 16)),
    )
    (row,) = half.rows
    assert (row.service, row.estimated_usd, row.spent_usd, row.difference) == ("VPC", 15, 20, 5)
    assert half.at_this_rate_usd == 40


def test_a_difference_is_explained_by_the_usage_that_the_estimate_has_a_line_for():
    lines = [
        line("VPC", "GB through NAT", "nat-gateway-gb", "0.45", "10"),
        line("VPC", "NAT gateways", "nat-gateway-hour", "32.85", "730"),
    ]
    used = [spent(NAT, POLLS, "13.95", "310"), spent(NAT, "USE1-NatGateway-Hours", "32.40", "720")]
    (row,) = compared(lines, used).biggest
    assert [(cause.what, cause.difference) for cause in row.causes] == [
        ("GB through NAT", Decimal("13.50")),
        ("NAT gateways", Decimal("-0.45")),
    ]
    assert explained(row.causes[0]) == "GB through NAT (NatGateway-Bytes): 310 GB instead of 10.0"


def test_usage_that_nothing_is_known_of_stands_under_its_own_name():
    (row,) = compared([], [spent("Amazon Odd Service", "EUC1-Odd-Bytes(x)", "3")]).rows
    assert (row.service, row.causes[0].what, row.causes[0].estimated) == ("Amazon Odd Service", "Odd-Bytes(x)", None)
    assert "in no line of the estimate" in explained(row.causes[0])


def test_what_was_estimated_and_not_billed_is_told():
    (row,) = compared([line("CloudWatch", "dashboards", "dashboard", "15")], []).rows
    assert (row.difference, explained(row.causes[0])) == (-15, "dashboards: estimated, and none of it was billed")


def test_no_dollar_is_lost_or_counted_twice_on_the_way():
    """Whatever the table of usage types knows: rows and causes add up to both totals."""
    used = read(SavedCosts(json.loads(SAVED.read_text())).by_usage("", date.min, date.min))
    found = compared([line("CloudWatch", "logs", "logs-gb", "3"), line("VPC", "NAT", "nat-gateway-hour", "33")], used)
    assert found.spent_usd == total(used) == sum(found.daily.values())
    for row in found.rows:
        assert sum(cause.spent_usd for cause in row.causes) == row.spent_usd
        assert abs(sum(cause.estimated_usd for cause in row.causes) - row.estimated_usd) < Decimal("1e-20")


def test_the_three_biggest_differences_are_by_size_whichever_way():
    lines = [line(name, name, f"{name}-x", usd) for name, usd in (("a", "50"), ("b", "1"), ("c", "9"), ("d", "2"))]
    used = [spent(name, "u", usd) for name, usd in (("a", "20"), ("b", "6"), ("c", "9"), ("d", "10"))]
    assert [row.service for row in compared(lines, used).biggest] == ["a", "d", "b"]


def test_every_price_that_a_usage_type_stands_for_is_in_the_price_table():
    prices = load().prices
    for patterns in usagetypes._PATTERNS.values():
        for _usage, price in patterns:
            assert any(re.fullmatch(price, name) for name in prices), price


@pytest.mark.parametrize(
    ("usage", "name"),
    [
        ("USE1-NatGateway-Hours", "NatGateway-Hours"),
        ("EUC1-Requests-Tier1", "Requests-Tier1"),
        ("EU-Requests-Tier1", "Requests-Tier1"),
        ("NatGateway-Hours", "NatGateway-Hours"),
        ("CW:AlarmMonitorUsage", "CW:AlarmMonitorUsage"),
    ],
)
def test_a_usage_type_is_known_without_its_region(usage, name):
    assert usagetypes.without_region(usage) == name


# --- how it is told ---


def test_the_text_says_whether_the_month_stays_within_its_budget():
    lines, used = [line("VPC", "NAT", "nat-gateway-hour", "100")], [spent(NAT, "USE1-NatGateway-Hours", "150")]
    assert "30% of the budget of $500.00" in spending_text(compared(lines, used, budget="500"))
    assert "150% of the budget of $100.00: $50.00 too much" in spending_text(compared(lines, used, budget="100"))
    assert "no budget" in spending_text(compared(lines, used))


def test_a_page_escapes_what_cost_explorer_names_and_asks_nobody_for_anything():
    found = compared([], [spent("<script>alert(1)</script>", "<b>", "3")], budget="10")
    html = page(found, source="a & b")
    assert "<script>alert" not in html
    assert "&lt;script&gt;" in html
    assert "a &amp; b" in html
    assert not re.search(r'(?:src|href)="|url\(|@import', html)
    assert html.count("<svg") == 2
    assert "prefers-color-scheme: dark" in html


def test_a_day_on_which_nothing_was_spent_can_be_drawn():
    assert page(compared([], []), source="").count("<svg") == 2


def test_saved_answers_are_reported_as_text_json_and_page(tmp_path, capsys):
    html = tmp_path / "deep" / "costs.html"
    line = ["--actual", "staging", "--from", str(SAVED), "--html", str(html), "--save", str(tmp_path / "again.json")]
    assert cost_report.main(line) == 0
    text = capsys.readouterr().out
    assert "the biggest differences:\n  CloudWatch +" in text
    assert "GB of logs taken in (DataProcessing-Bytes)" in text
    assert html.read_text().startswith("<!doctype html>")
    assert cost_report.main(["--actual", "staging", "--from", str(tmp_path / "again.json"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["from"], told["to"]) == ("2026-11-01", "2026-11-22")
    assert len(told["biggest"]) == 3
    assert f"staging: ${float(told['spent_usd']):,.2f} from" in text


def test_json_has_the_figures_of_the_text():
    found = compared([line("VPC", "NAT", "nat-gateway-hour", "100")], [spent(NAT, "USE1-NatGateway-Hours", "150")])
    told = spending_json(found)
    assert (told["spent_usd"], told["budget_usd"]) == ("150.00", None)
    assert told["services"] == [
        {"service": "VPC", "estimated_usd": "100.00", "spent_usd": "150.00", "difference_usd": "50.00"}
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--actual STAGE"),
        (["--month", "2026-10"], "give --actual STAGE too"),
        (["--actual", "staging", "--month", "October"], "no month like 2026-11"),
        (["--actual", "staging", "--connections", "5"], "apart"),
        (["--actual", "staging", "--from", "/nowhere.json"], "No such file"),
    ],
)
def test_a_wrong_option_is_explained_in_a_line(words, said):
    command = [sys.executable, "-m", "scripts.cost_report", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
