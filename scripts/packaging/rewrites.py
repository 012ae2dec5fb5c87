"""What Chalice's output needs and an overlay cannot say, each with the reason why it is code.

All else that has to differ from what Chalice writes is in cfn/functions.yaml.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from typing import Any

from scripts.packaging.merge import Merged
from scripts.packaging.parts import Location

SOURCE = "scripts/packaging/rewrites.py"
DEPLOYMENT = "WebsocketAPIDeployment"
STAGE = "WebsocketAPIStage"
_INVOCATION = re.compile(r"(?P<before>.*)\$\{(?P<function>\w+)\.Arn\}/invocations")


def rewrite(merged: Merged) -> None:
    """Changes the template in place."""
    _events_as_resources(merged)
    _rest_on_alias(merged)
    _deployment_by_content(merged)


def _events_as_resources(merged: Merged) -> None:
    """Write queue and schedule events out as the resources that SAM would make of them, under the same ids.

    Code, because SAM gives tags neither to event source mappings nor to rules, whatever PropagateTags says. Events of
    other kinds are left to SAM.
    """
    shared = merged.template.get("Globals", {}).get("Function", {})
    for function_id, function in list(merged.template["Resources"].items()):
        if function.get("Type") != "AWS::Serverless::Function":
            continue
        has_alias = "AutoPublishAlias" in {**shared, **function["Properties"]}
        target = {"Ref": f"{function_id}.Alias" if has_alias else function_id}
        events = function["Properties"].get("Events", {})
        for event_id in [name for name, event in events.items() if event.get("Type") in EVENT_RESOURCES]:
            event = events.pop(event_id)
            made = EVENT_RESOURCES[event["Type"]](f"{function_id}{event_id}", target, event["Properties"])
            came_from = ("Resources", function_id, "Properties", "Events", event_id, "Properties")
            for new_id, resource in made.items():
                if "Condition" in function:
                    resource["Condition"] = function["Condition"]
                _add(merged, new_id, resource, came_from)
        if not events:
            function["Properties"].pop("Events", None)


def _add(merged: Merged, new_id: str, resource: dict[str, Any], came_from: Location) -> None:
    """Add a resource; a property that has an origin under the event keeps it."""
    merged.template["Resources"][new_id] = resource
    merged.owners[("Resources", new_id)] = SOURCE
    location = ("Resources", new_id)
    merged.record(location, resource, SOURCE)
    for leaf in merged.origins.under(came_from):
        name = _RENAMED.get(str(leaf[len(came_from)]), leaf[len(came_from)])
        here = (*location, "Properties", name, *leaf[len(came_from) + 1 :])
        if here in merged.origins:
            merged.origins[here] = merged.origins[leaf]


def _queue_event(new_id: str, target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    given = {_RENAMED.get(name, name): value for name, value in event.items()}
    return {new_id: {"Type": "AWS::Lambda::EventSourceMapping", "Properties": {**given, "FunctionName": target}}}


def _schedule_event(new_id: str, target: dict[str, Any], event: dict[str, Any]) -> dict[str, Any]:
    of_target = {name: event[name] for name in ("Input", "DeadLetterConfig", "RetryPolicy") if name in event}
    of_rule = {_RENAMED.get(name, name): value for name, value in event.items() if name not in of_target}
    targets = [{"Id": f"{new_id}Target", "Arn": target, **of_target}]
    permission = {
        "Action": "lambda:InvokeFunction",
        "FunctionName": target,
        "Principal": "events.amazonaws.com",
        "SourceArn": {"Fn::GetAtt": [new_id, "Arn"]},
    }
    return {
        new_id: {"Type": "AWS::Events::Rule", "Properties": {**of_rule, "Targets": targets}},
        f"{new_id}Permission": {"Type": "AWS::Lambda::Permission", "Properties": permission},
    }


EVENT_RESOURCES: dict[str, Callable[[str, dict[str, Any], dict[str, Any]], dict[str, Any]]] = {
    "SQS": _queue_event,
    "Schedule": _schedule_event,
}
_RENAMED = {"Queue": "EventSourceArn", "Schedule": "ScheduleExpression"}  # the rest is called alike


def _rest_on_alias(merged: Merged) -> None:
    """Point the REST API's integrations at the alias.

    Code, because Chalice writes one integration for every path and method: an overlay would have to list them all and
    would miss the next one.
    """
    location = ("Resources", "RestAPI", "Properties", "DefinitionBody")
    api = merged.template["Resources"].get("RestAPI")
    if api:
        _rewrite_uris(merged, api["Properties"]["DefinitionBody"], location)


def _rewrite_uris(merged: Merged, node: Any, location: tuple[str | int, ...]) -> None:
    if isinstance(node, list):
        for index, inner in enumerate(node):
            _rewrite_uris(merged, inner, (*location, index))
    if not isinstance(node, dict):
        return
    for key, inner in node.items():
        text = inner.get("Fn::Sub") if isinstance(inner, dict) else None
        found = _INVOCATION.fullmatch(text) if isinstance(text, str) else None
        if found:
            alias = {"Ref": f"{found['function']}.Alias"}  # by Ref: cfn-lint does not know it in the text of a Sub
            node[key] = {"Fn::Sub": [f"{found['before']}${{Alias}}/invocations", {"Alias": alias}]}
            merged.record((*location, key), node[key], SOURCE)
        else:
            _rewrite_uris(merged, inner, (*location, key))


def _deployment_by_content(merged: Merged) -> None:
    """Give the WebSocket API's deployment an id that follows what is deployed.

    Code, because CloudFormation makes a new deployment only under a new logical id: under Chalice's fixed one a changed
    route or authorizer never reaches the stage. The deployment waits for everything that belongs to the API.
    """
    resources = merged.template["Resources"]
    if DEPLOYMENT not in resources:
        return
    api_id = resources[DEPLOYMENT]["Properties"]["ApiId"]
    deployed = {
        name: resource
        for name, resource in sorted(resources.items())
        if name not in (DEPLOYMENT, STAGE)
        and str(resource.get("Type", "")).startswith("AWS::ApiGatewayV2::")
        and resource.get("Properties", {}).get("ApiId") == api_id
    }
    content = {**deployed, "api": resources.get("WebsocketAPI")}
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:10]
    name = f"{DEPLOYMENT}{digest}"
    deployment = resources.pop(DEPLOYMENT)
    deployment["DependsOn"] = list(deployed)
    resources[name] = deployment
    _rename(merged, DEPLOYMENT, name)
    merged.record(("Resources", name, "DependsOn"), deployment["DependsOn"], SOURCE)
    _repoint(merged, resources, name)


def _rename(merged: Merged, old: str, new: str) -> None:
    merged.owners[("Resources", new)] = merged.owners.pop(("Resources", old))
    for location in merged.origins.under(("Resources", old)):
        merged.origins[("Resources", new, *location[2:])] = merged.origins.pop(location)


def _repoint(merged: Merged, resources: dict[str, Any], name: str) -> None:
    stage = resources.get(STAGE, {}).get("Properties", {})
    if stage.get("DeploymentId") == {"Ref": DEPLOYMENT}:
        stage["DeploymentId"] = {"Ref": name}
        merged.record(("Resources", STAGE, "Properties", "DeploymentId"), stage["DeploymentId"], SOURCE)
