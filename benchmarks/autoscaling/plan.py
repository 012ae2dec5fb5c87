"""What a stage's template says of scaling: read from the merged template, so that no number is here twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from scripts.costs.provisioned import TARGET, minimums, targets
from scripts.costs.template import Template, handler_of
from scripts.costs.usage import delivery_pace
from scripts.packaging.assemble import assemble
from scripts.packaging.transform import resolve, transform

POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
STAGE = "AWS::ApiGatewayV2::Stage"
UNRESERVED = 100  # what a function without places of its own may count on


@dataclass(frozen=True, slots=True)
class Policy:
    """Target tracking on provisioned concurrency: the least by hour (UTC), the most, and when it acts."""

    least: tuple[int, ...]
    most: int
    target: float
    statistic: str
    out_cooldown_s: float
    in_cooldown_s: float


@dataclass(frozen=True, slots=True)
class Function:
    """``places`` is its reserved concurrency; ``pollers`` the most batches at a time, for the reader of a queue."""

    name: str
    memory_gb: float
    places: int
    pollers: int | None = None
    batch: int = 1
    policy: Policy | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """A stage as the simulation knows it: its functions by handler, the requests that its sockets may make a second,
    and the posts a second of one worker of deliver."""

    stage: str
    functions: Mapping[str, Function]
    socket_requests_per_s: int
    pace: Decimal


def read_plan(stage: str) -> Plan:
    """Raises PackagingError for a template that does not hold together."""
    made = assemble(stage)
    return plan_of(stage, resolve(transform(made.template, made.parameters), made.parameters)["Resources"])


def plan_of(stage: str, resources: Mapping[str, Any]) -> Plan:
    """``resources`` are a resolved template's."""
    template = Template(resources)
    policies = _policies(template)
    functions = {
        handler_of(properties): _function(
            handler_of(properties), properties, template.readers.get(name), policies.get(name)
        )
        for name, properties in template.functions.items()
    }
    (sockets,) = template.of_type(STAGE).values()
    return Plan(
        stage=stage,
        functions=functions,
        socket_requests_per_s=int(sockets["DefaultRouteSettings"]["ThrottlingRateLimit"]),
        pace=delivery_pace(template),
    )


def _function(
    name: str, properties: Mapping[str, Any], reader: Mapping[str, Any] | None, policy: Policy | None
) -> Function:
    return Function(
        name=name,
        memory_gb=int(properties.get("MemorySize", 128)) / 1024,
        places=int(properties.get("ReservedConcurrentExecutions", UNRESERVED)),
        pollers=int(reader["ScalingConfig"]["MaximumConcurrency"]) if reader else None,
        batch=int(reader["BatchSize"]) if reader else 1,
        policy=policy,
    )


def _policies(template: Template) -> dict[str, Policy]:
    """By the logical id of the function."""
    by_target = {body["ScalingTargetId"]["Ref"]: body for body in template.of_type(POLICY).values()}
    return {
        function: _policy(template.of_type(TARGET)[name], by_target[name]["TargetTrackingScalingPolicyConfiguration"])
        for name, function in targets(template).items()
    }


def _policy(target: Mapping[str, Any], tracking: Mapping[str, Any]) -> Policy:
    return Policy(
        least=minimums(target),
        most=int(target["MaxCapacity"]),
        target=float(tracking["TargetValue"]),
        statistic=tracking["CustomizedMetricSpecification"]["Statistic"],
        out_cooldown_s=float(tracking["ScaleOutCooldown"]),
        in_cooldown_s=float(tracking["ScaleInCooldown"]),
    )
