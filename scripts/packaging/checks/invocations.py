"""Every caller goes through a function's alias, and every queue is read as Lambda allows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from scripts.packaging.problems import Problem
from scripts.packaging.references import references

Owners = Mapping[tuple[str, str], str]
# Types whose mention of a function means that they invoke it or allow that.
CALLERS = {
    "AWS::ApiGateway::Authorizer",
    "AWS::ApiGateway::RestApi",
    "AWS::ApiGatewayV2::Authorizer",
    "AWS::ApiGatewayV2::Integration",
    "AWS::Events::Rule",
    "AWS::Lambda::EventSourceMapping",
    "AWS::Lambda::Permission",
    "AWS::Logs::SubscriptionFilter",
    "AWS::Scheduler::Schedule",
    "AWS::SecretsManager::RotationSchedule",
    "AWS::SNS::Subscription",
}
LARGEST_PLAIN_BATCH = 10  # SQS: a larger batch needs a window of a second (Lambda, CreateEventSourceMapping)
VISIBILITY_FACTOR = 6  # Lambda's advice: a throttled batch comes back and must not yet be visible to others


def check_aliases(resolved: Mapping[str, Any], owners: Owners) -> Iterator[Problem]:
    """What calls a function that has an alias calls the alias; else a deployment would reach it all at once."""
    resources = resolved["Resources"]
    aliased = {
        function: alias_id
        for alias_id, alias in resources.items()
        if alias["Type"] == "AWS::Lambda::Alias"
        for function in [alias["Properties"]["FunctionName"].get("Ref")]
    }
    for name, resource in resources.items():
        if resource["Type"] not in CALLERS:
            continue
        for function in sorted({found.name for found in references(resource)} & aliased.keys()):
            what = f"calls {function} past its alias; refer to {function}.Alias"
            yield Problem(owners.get(("Resources", name), "SAM"), name, what)


def check_event_sources(resolved: Mapping[str, Any], owners: Owners) -> Iterator[Problem]:
    """Batches that Lambda would refuse, and queues that show a message again while it is worked on."""
    resources = resolved["Resources"]
    for name, mapping in resources.items():
        if mapping["Type"] != "AWS::Lambda::EventSourceMapping":
            continue
        where, properties = owners.get(("Resources", name), "SAM"), mapping["Properties"]
        if properties.get("BatchSize", 0) > LARGEST_PLAIN_BATCH and not properties.get(
            "MaximumBatchingWindowInSeconds"
        ):
            what = f"Lambda refuses a batch of {properties['BatchSize']} with no window; ask for a second or for 10"
            yield Problem(where, f"{name}.BatchSize", what)
        source = properties.get("EventSourceArn")
        queue_id = source.get("Fn::GetAtt", [""])[0] if isinstance(source, dict) else ""
        function = _function_of(resources, properties["FunctionName"])
        if queue_id in resources and function is not None:
            yield from _check_visibility(resources, queue_id, function, owners)


def _function_of(resources: Mapping[str, Any], name: Any) -> Mapping[str, Any] | None:
    target = resources.get(str(name.get("Ref")), {}) if isinstance(name, dict) else {}
    if target.get("Type") == "AWS::Lambda::Alias":
        return _function_of(resources, target["Properties"]["FunctionName"])
    return target["Properties"] if target.get("Type") == "AWS::Lambda::Function" else None


def _check_visibility(
    resources: Mapping[str, Any], queue_id: str, function: Mapping[str, Any], owners: Owners
) -> Iterator[Problem]:
    visibility = int(resources[queue_id].get("Properties", {}).get("VisibilityTimeout", 30))
    needed = VISIBILITY_FACTOR * int(function.get("Timeout", 3))
    if visibility < needed:
        what = f"is {visibility} s; six times the timeout of the function that reads it is {needed} s"
        yield Problem(owners.get(("Resources", queue_id), "cfn"), f"{queue_id}.VisibilityTimeout", what)
