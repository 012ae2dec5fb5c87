"""Alarms and dashboards of the merged template look at what there is, and at everything that there is."""

from __future__ import annotations

import re
from typing import Any

import pytest

from chalicelib.telemetry.catalogue import DIMENSIONS, METRICS, NAMESPACE
from tests.infrastructure import monitoring_model as model
from tests.infrastructure.kinds import Resources, of_type
from tests.infrastructure.monitoring_model import ALARM, EVERYTHING, Use


@pytest.fixture(scope="session")
def uses(monitored) -> list[Use]:
    return [*model.alarm_uses(monitored), *model.dashboard_uses(monitored)]


def of_alarm(uses: list[Use], name: str) -> list[Use]:
    found = [use for use in uses if use.where == name]
    assert found, f"there is no alarm {name}"
    return found


# --- every metric and every dimension exists ---


def test_every_metric_is_one_that_somebody_reports(uses):
    assert [str(use) for use in uses if not model.is_known(use)] == []


def test_every_dimension_names_something_of_this_template(monitored, uses, stage):
    there = existing(monitored, stage)
    unknown = [
        f"{use}: {name}" for use in uses for name, value in use.dimensions.items() if value not in there(use, name)
    ]
    assert unknown == []


def existing(resources: Resources, stage: str) -> Any:
    """What values a dimension of a metric can have."""
    functions = model.named(resources, "AWS::Lambda::Function", "FunctionName")
    acls = of_type(resources, "AWS::WAFv2::WebACL").values()
    scopes = {acl["VisibilityConfig"]["MetricName"]: acl["Scope"] for acl in acls}
    assert len(scopes) == len(acls), "two web ACLs would report under one name"
    values: dict[str, Any] = {
        "FunctionName": functions,
        "QueueName": model.named(resources, "AWS::SQS::Queue", "QueueName"),
        "TopicName": model.named(resources, "AWS::SNS::Topic", "TopicName"),
        "ApiId": model.references(resources, "AWS::ApiGatewayV2::Api"),
        "ApiName": model.named(resources, "AWS::ApiGateway::RestApi", "Name"),
        "CacheClusterId": model.nodes(resources),
        "DBInstanceIdentifier": model.named(resources, "AWS::RDS::DBInstance", "DBInstanceIdentifier"),
        "BackupVaultName": model.named(resources, "AWS::Backup::BackupVault", "BackupVaultName"),
        "NatGatewayId": model.references(resources, "AWS::EC2::NatGateway"),
        "DistributionId": model.references(resources, "AWS::CloudFront::Distribution"),
        "CertificateArn": [EVERYTHING["CertificateArn"]],
        "WebACL": scopes,
        "Rule": ["ALL"],
        **DIMENSIONS,
    }

    def there(use: Use, name: str) -> Any:
        match use.namespace, name:
            case model.NAMESPACE, "Stage":
                return [stage]
            case "AWS/ApiGateway", "Stage":
                kind = "AWS::ApiGatewayV2::Stage" if "ApiId" in use.dimensions else "AWS::ApiGateway::Stage"
                return model.named(resources, kind, "StageName")
            case "AWS/Lambda", "Resource":
                return [f"{use.dimensions['FunctionName']}:{alias}" for alias in aliases(resources, use)]
            case "AWS/Lambda", "ExecutedVersion":
                return [{"Ref": f"{version}.Version"} for version in versions(resources, use)]
            case "AWS/CloudFront", "Region":
                return ["Global"]
            case "AWS/WAFV2", "Region":  # CloudFront's web ACLs report without one
                return ["us-east-1"] if scopes.get(use.dimensions["WebACL"]) == "REGIONAL" else []
        return values[name]

    return there


def aliases(resources: Resources, use: Use) -> list[str]:
    return [alias["Name"] for alias in of_its_function(resources, use, "AWS::Lambda::Alias").values()]


def versions(resources: Resources, use: Use) -> list[str]:
    return list(of_its_function(resources, use, "AWS::Lambda::Version"))


def of_its_function(resources: Resources, use: Use, kind: str) -> Resources:
    names = {name: each["FunctionName"] for name, each in of_type(resources, "AWS::Lambda::Function").items()}
    return {
        name: each
        for name, each in of_type(resources, kind).items()
        if names[each["FunctionName"]["Ref"]] == use.dimensions["FunctionName"]
    }


def test_calls_are_counted_at_the_alias_that_they_go_through(monitored, uses):
    """Without it old versions and calls past the alias would be among them."""
    for use in uses:
        if use.namespace == "AWS/Lambda" and use.name in ("Invocations", "Errors", "Throttles", "Duration"):
            assert ("Resource" in use.dimensions) == bool(aliases(monitored, use)), str(use)


def test_a_wrong_dimension_would_be_found(monitored, stage):
    there = existing(monitored, stage)
    queue = Use("", "AWS/SQS", "NumberOfMessagesSent", {"QueueName": "another"}, "Sum", 60)
    assert model.is_known(queue)
    assert "another" not in there(queue, "QueueName")
    assert not model.is_known(Use("", "AWS/SQS", "NumberOfMessagesSent", {"QueueUrl": "x"}, "Sum", 60))
    assert not model.is_known(Use("", NAMESPACE, "ActiveConnections", {"Stage": "dev", "Feed": "prices"}, "Sum", 60))


# --- everything that there is is looked at ---


@pytest.mark.parametrize("metric", ["Errors", "Throttles"])
def test_every_function_has_an_alarm_on(monitored, metric):
    watched = {use.dimensions["FunctionName"] for use in model.alarm_uses(monitored) if use.name == metric}
    assert model.named(monitored, "AWS::Lambda::Function", "FunctionName") - watched == set()


def test_every_queue_that_is_read_has_alarms_on_depth_and_age(monitored):
    read = {
        monitored[mapping["EventSourceArn"]["Fn::GetAtt"][0]]["Properties"]["QueueName"]
        for mapping in of_type(monitored, "AWS::Lambda::EventSourceMapping").values()
    }
    uses = list(model.alarm_uses(monitored))
    for metric in ("ApproximateNumberOfMessagesVisible", "ApproximateAgeOfOldestMessage"):
        assert read - {use.dimensions["QueueName"] for use in uses if use.name == metric} == set(), metric


def test_every_queue_that_nobody_reads_is_among_the_dead_letters(monitored, uses):
    read = {
        mapping["EventSourceArn"]["Fn::GetAtt"][0]
        for mapping in of_type(monitored, "AWS::Lambda::EventSourceMapping").values()
    }
    silent = {queue["QueueName"] for name, queue in of_type(monitored, "AWS::SQS::Queue").items() if name not in read}
    assert {use.dimensions["QueueName"] for use in of_alarm(uses, "DeadLettersTooMany")} == silent


def test_every_node_gateway_feed_and_store_is_in_its_alarm(monitored, uses):
    for alarm in ("RedisCpuTooHigh", "RedisMemoryTooHigh", "RedisEvictionsTooMany", "RedisReplicationLagTooHigh"):
        assert {use.dimensions["CacheClusterId"] for use in of_alarm(uses, alarm)} == model.nodes(monitored), alarm
    gateways = [use.dimensions["NatGatewayId"] for use in of_alarm(uses, "NatPortErrorsTooMany")]
    assert gateways == model.references(monitored, "AWS::EC2::NatGateway")
    for alarm in ("SourceTooOld", "PollFailuresTooMany"):
        assert {use.dimensions["Feed"] for use in of_alarm(uses, alarm)} == set(DIMENSIONS["Feed"]), alarm
    stores = of_alarm(uses, "RedisErrorsTooMany") + of_alarm(uses, "StoreErrorsTooMany")
    assert {use.dimensions["Store"] for use in stores} == set(DIMENSIONS["Store"])


def test_every_topic_that_must_deliver_is_watched(monitored, uses):
    watched = {use.dimensions["TopicName"] for use in of_alarm(uses, "NotificationsFailedTooMany")}
    assert watched == model.named(monitored, "AWS::SNS::Topic", "TopicName")


def test_every_metric_of_ours_is_on_a_dashboard(monitored):
    """What nobody can see costs $0.30 a month for nothing."""
    drawn = {use.name for use in model.dashboard_uses(monitored) if use.namespace == NAMESPACE}
    assert {metric.name for metric in METRICS} - drawn == set()


def test_a_function_comes_near_its_timeout_where_its_alarm_says(monitored):
    """The limits are numbers in the alarms: a new timeout changes them too."""
    timeouts = {
        each["FunctionName"]: 1000 * each["Timeout"] for each in of_type(monitored, "AWS::Lambda::Function").values()
    }
    alarms = of_type(monitored, ALARM)
    (longest,) = model.expressions(alarms["RequestDurationTooHigh"])
    divisors = dict(re.findall(r"FILL\((\w+), 0\)(?: / (\d+))?", longest["Expression"]))
    for query in model.queries(alarms["RequestDurationTooHigh"]):
        timeout = timeouts[query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]]
        assert alarms["RequestDurationTooHigh"]["Threshold"] * int(divisors[query["Id"]] or 1) == 0.8 * timeout
    (share,) = model.expressions(alarms["StreamDurationTooHigh"])
    parts = dict(re.findall(r"FILL\((\w+), 0\) / (\d+)", share["Expression"]))
    for query in model.queries(alarms["StreamDurationTooHigh"]):
        function = query["MetricStat"]["Metric"]["Dimensions"][0]["Value"]
        assert int(parts[query["Id"]]) == timeouts[function], function


def test_reserved_concurrency_has_its_alarm(monitored, uses):
    """At 80 % of it; a function with one place is at 100 % whenever it runs, so refusals are counted instead."""
    near = {
        use.dimensions["FunctionName"]: near_to(of_type(monitored, ALARM)[use.where], use.dimensions["FunctionName"])
        for use in model.alarm_uses(monitored)
        if use.name == "ConcurrentExecutions" and use.dimensions
    }
    refused = {use.dimensions["FunctionName"] for use in of_alarm(uses, "JobThrottlesTooMany")}
    for function in of_type(monitored, "AWS::Lambda::Function").values():
        reserved = function.get("ReservedConcurrentExecutions")
        if reserved == 1:
            assert function["FunctionName"] in refused
        elif reserved is not None:
            assert near[function["FunctionName"]] == 0.8 * reserved


def near_to(alarm, function):
    """The busy places at which an alarm of one function, or on the fullest of several, rings."""
    if "Metrics" not in alarm:
        return alarm["Threshold"]
    (share,) = model.expressions(alarm)
    places = dict(re.findall(r"FILL\((\w+), 0\) / (\d+)", share["Expression"]))
    (query,) = [
        each for each in model.queries(alarm) if each["MetricStat"]["Metric"]["Dimensions"][0]["Value"] == function
    ]
    return alarm["Threshold"] / 100 * int(places[query["Id"]])


# --- elsewhere ---


def test_outside_us_east_1_nothing_looks_at_cloudfront(resolve_stage):
    """Its metrics, and its certificate's, are only there."""
    resources = resolve_stage("production", "eu-west-1")["Resources"]
    seen = {use.namespace for use in model.alarm_uses(resources)}
    assert seen.isdisjoint({"AWS/CloudFront", "AWS/CertificateManager"})
    blocks = {use.dimensions["WebACL"] for use in model.alarm_uses(resources) if use.namespace == "AWS/WAFV2"}
    assert blocks == {"defi-stream-production-origin"}


def test_the_template_stays_within_what_a_stack_may_hold(monitored):
    assert len(monitored) < 500
