"""What it costs to see what goes on: logs, metrics and traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

from scripts.costs.lines import Charge
from scripts.costs.prices import MONTH_MINUTES, MONTH_SECONDS
from scripts.costs.template import Properties, Template, handler_of
from scripts.costs.traffic import Flows, Traffic

GB = Decimal(1024**3)
INVOCATION_BYTES = Decimal(1_500)  # of log: START, END, REPORT, our own line, its metrics
ACCESS_BYTES = Decimal(600)  # of log, of a request at an API; a callback writes none
BLOCKED = Decimal("0.05")  # of the requests: web ACLs log what they refuse
BLOCKED_BYTES = Decimal(1_500)
DETAILED_METRICS = Decimal(6)  # of a route, which CloudWatch bills as custom ones
TRACE_SHARE = Decimal("0.05")  # X-Ray's default rule: one trace a second and 5 % of the rest
POLL_S = Decimal(5)  # of a minute, in which a poll sends what it found: what reads that works in these seconds only
READERS = ("process", "record", "evaluate")


def observability(
    template: Template, invocations: Mapping[str, Decimal], flow: Flows, traffic: Traffic
) -> Iterator[Charge]:
    """Charges for a month in which each function (by logical id) ran ``invocations`` times."""
    logs_gb = _logs_gb(template, sum(invocations.values(), Decimal(0)), flow, traffic)
    yield Charge("CloudWatch", "GB of logs taken in", logs_gb, "logs-gb")
    yield Charge("CloudWatch", "GB of logs kept", logs_gb * _months_kept(template), "logs-storage-gb")
    yield Charge("CloudWatch", "custom metrics", traffic.custom_metrics, "metric")
    yield Charge("CloudWatch", "detailed metrics of routes", _detailed_metrics(template), "metric")
    traces = (_sampled(body, invocations[name]) for name, body in template.functions.items() if _is_traced(body))
    yield Charge("X-Ray", "traces", sum(traces, Decimal(0)), "xray-trace")


def _logs_gb(template: Template, invocations: Decimal, flow: Flows, traffic: Traffic) -> Decimal:
    requests = 2 * flow.connects + flow.commands + flow.requests
    written = invocations * INVOCATION_BYTES + requests * ACCESS_BYTES
    if template.has("AWS::WAFv2::LoggingConfiguration"):
        written += (flow.connects + flow.requests) * BLOCKED * BLOCKED_BYTES
    flow_logs = traffic.flow_log_gb if template.has("AWS::EC2::FlowLog") else Decimal(0)
    return written / GB + flow_logs


def _months_kept(template: Template) -> Decimal:
    days = [int(group["RetentionInDays"]) for group in template.of_type("AWS::Logs::LogGroup").values()]
    return Decimal(max(days, default=0)) / 30


def _detailed_metrics(template: Template) -> Decimal:
    stages = template.of_type("AWS::ApiGatewayV2::Stage").values()
    if not any(stage.get("DefaultRouteSettings", {}).get("DetailedMetricsEnabled") for stage in stages):
        return Decimal(0)
    return len(template.of_type("AWS::ApiGatewayV2::Route")) * DETAILED_METRICS


def _is_traced(properties: Mapping[str, object]) -> bool:
    return properties.get("TracingConfig") == {"Mode": "Active"}


def _sampled(properties: Properties, invocations: Decimal) -> Decimal:
    first = min(invocations, MONTH_MINUTES * POLL_S if handler_of(properties) in READERS else MONTH_SECONDS)
    return first + (invocations - first) * TRACE_SHARE
