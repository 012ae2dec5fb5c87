"""A stack small enough to be deployed in a moment: one function behind an alias that CodeDeploy moves."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

FUNCTION = "tiny"
GROUP_ALARM = "tiny-errors"
SERVING = """
import json, os, time

def handler(event, context):
    if event.get("fail"):
        raise RuntimeError("asked to")
    if {broken}:
        raise RuntimeError("broken")
    metric = {{"Name": "Answers", "Unit": "Count"}}
    directive = {{"Namespace": "Tiny", "Metrics": [metric], "Dimensions": [[]]}}
    logged = {{"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [directive]}}
    print(json.dumps({{"_aws": logged, "Answers": 1}}))
    answer = {{"release": "{release}", "process": os.getpid()}}
    return {{"statusCode": 200, "body": json.dumps(answer)}} if "requestContext" in event else answer
"""
VERIFYING = """
import boto3

def handler(event, context):
    boto3.client("codedeploy").put_lifecycle_event_hook_execution_status(
        deploymentId=event["DeploymentId"],
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"],
        status="{said}",
    )
"""


def template(release: str, *, broken: bool = False, hook_says: str = "Succeeded", kind: str = "") -> dict[str, Any]:
    """A SAM template. ``kind`` is CodeDeploy's configuration, of five minutes with a tenth of the traffic unless given.

    Its alarm is in ALARM after one minute with an error.
    """
    preference = {
        "Type": kind or "Canary10Percent5Minutes",
        "Alarms": [{"Ref": "Errors"}],
        "Hooks": {"PreTraffic": {"Ref": "Verify"}},
    }
    common = {"Runtime": "python3.11", "Handler": "index.handler", "Timeout": 10, "MemorySize": 128}
    alarm = {
        "AlarmName": GROUP_ALARM,
        "ComparisonOperator": "GreaterThanThreshold",
        "Threshold": 0,
        "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching",
        "Metrics": [{"Id": "all", "Expression": "errors + 0"}, _errors()],
    }
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Resources": {
            "Tiny": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    **common,
                    "FunctionName": FUNCTION,
                    "InlineCode": SERVING.format(release=release, broken=broken),
                    "AutoPublishAlias": "live",
                    "DeploymentPreference": preference,
                },
            },
            "Verify": {
                "Type": "AWS::Serverless::Function",
                "Properties": {
                    **common,
                    "FunctionName": "tiny-verify",
                    "InlineCode": VERIFYING.format(said=hook_says),
                    "DeploymentPreference": {"Enabled": False},
                },
            },
            "Errors": {"Type": "AWS::CloudWatch::Alarm", "Properties": alarm},
            "Either": {
                "Type": "AWS::CloudWatch::CompositeAlarm",
                "Properties": {
                    "AlarmName": "tiny-either",
                    "AlarmRule": {"Fn::Sub": 'ALARM("${Errors}") OR ALARM("${Answering}")'},
                },
            },
            "Answering": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "AlarmName": "tiny-answering",
                    "Namespace": "Tiny",
                    "MetricName": "Answers",
                    "Statistic": "Sum",
                    "Period": 60,
                    "EvaluationPeriods": 1,
                    "ComparisonOperator": "GreaterThanThreshold",
                    "Threshold": 0,
                    "TreatMissingData": "notBreaching",
                },
            },
        },
    }


def _errors() -> dict[str, Any]:
    dimensions = [{"Name": "FunctionName", "Value": FUNCTION}, {"Name": "Resource", "Value": f"{FUNCTION}:live"}]
    metric = {"Namespace": "AWS/Lambda", "MetricName": "Errors", "Dimensions": dimensions}
    return {"Id": "errors", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Sum"}, "ReturnData": False}


class Stack:
    """One stack of an account, by boto3 alone."""

    def __init__(self, client: Callable[[str], Any], name: str) -> None:
        self.client, self.name = client, name
        self.cloudformation = client("cloudformation")
        self.functions = client("lambda")

    def begin(self, body: Mapping[str, Any], **options: Any) -> None:
        """Create or update it; returns at once."""
        call = self.cloudformation.update_stack if self.status() else self.cloudformation.create_stack
        capabilities = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
        call(StackName=self.name, TemplateBody=json.dumps(body), Capabilities=capabilities, **options)

    def deploy(self, body: Mapping[str, Any], **options: Any) -> str:
        """Create or update it and wait; its status then."""
        self.begin(body, **options)
        return self.ended()

    def ended(self) -> str:
        """Its status when nothing is in progress any more."""
        await_true(lambda: not self.status().endswith("_IN_PROGRESS"), f"{self.name} is done")
        return self.status()

    def status(self) -> str:
        found = [each for each in self.cloudformation.describe_stacks()["Stacks"] if each["StackName"] == self.name]
        return str(found[0]["StackStatus"]) if found else ""

    def reasons(self) -> str:
        """Why anything failed, newest first."""
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)

    def alias(self) -> dict[str, Any]:
        found: dict[str, Any] = self.functions.get_alias(FunctionName=FUNCTION, Name="live")
        return found

    def call(self, **event: Any) -> dict[str, Any]:
        """What the alias answers."""
        answer = self.functions.invoke(FunctionName=f"{FUNCTION}:live", Payload=json.dumps(event))
        return {**json.loads(answer["Payload"].read()), "executed": answer["ExecutedVersion"]}

    def releases(self, calls: int) -> Iterator[str]:
        """Which release answered each of so many calls; "error" if none did."""
        for _ in range(calls):
            yield str(self.call().get("release", "error"))


def await_true(condition: Callable[[], object], what: str, *, within_s: float = 60.0) -> None:
    """Raises AssertionError if it does not come about."""
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s:g} s: {what}"
        time.sleep(0.02)
