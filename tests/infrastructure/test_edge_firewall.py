"""Who is blocked before the origins, and what is written down about it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from chalicelib.domain.origin import ORIGIN_HEADERS
from chalicelib.protocol.query import MAX_QUERY_BYTES
from tests.infrastructure.edge_model import distribution, rules, text, web_acl
from tests.infrastructure.kinds import Resources, of_type


def test_cloudfront_asks_its_web_acl(resources):
    (name,) = [name for name, each in resources.items() if each.get("Properties", {}).get("Scope") == "CLOUDFRONT"]
    assert distribution(resources)["WebACLId"] == {"Fn::GetAtt": [name, "Arn"]}


def test_attacks_and_bad_addresses_are_blocked(resources):
    groups = {
        rule["Statement"]["ManagedRuleGroupStatement"]["Name"]: rule
        for rule in web_acl(resources, "CLOUDFRONT")["Rules"]
        if "ManagedRuleGroupStatement" in rule["Statement"]
    }
    assert set(groups) == {
        "AWSManagedRulesAmazonIpReputationList",
        "AWSManagedRulesCommonRuleSet",
        "AWSManagedRulesKnownBadInputsRuleSet",
    }
    assert all(rule["OverrideAction"] == {"None": {}} for rule in groups.values())


def test_the_largest_query_is_let_through_and_a_larger_body_is_not(resources):
    found = rules(web_acl(resources, "CLOUDFRONT"))
    overridden = found["common"]["Statement"]["ManagedRuleGroupStatement"]["RuleActionOverrides"]
    assert {"Name": "SizeRestrictions_BODY", "ActionToUse": {"Count": {}}} in overridden
    bound = found["bodies"]["Statement"]["SizeConstraintStatement"]
    assert (bound["ComparisonOperator"], int(bound["Size"])) == ("GT", MAX_QUERY_BYTES)
    assert bound["FieldToMatch"] == {"Body": {"OversizeHandling": "MATCH"}}
    assert "Block" in found["bodies"]["Action"]


def test_the_rate_of_an_address_is_limited_by_parameters(deploy):
    found = rules(web_acl(deploy(EdgeRequestsPerFiveMinutes="700", EdgeTokensPerFiveMinutes="70"), "CLOUDFRONT"))
    every, tokens = (found[name] for name in ("requests-of-an-address", "tokens-of-an-address"))
    limits = [rule["Statement"]["RateBasedStatement"] for rule in (every, tokens)]
    assert [(each["Limit"], each["AggregateKeyType"]) for each in limits] == [(700, "IP"), (70, "IP")]
    assert "ScopeDownStatement" not in limits[0]
    assert limits[1]["ScopeDownStatement"]["ByteMatchStatement"]["SearchString"] == "/v1/tokens"
    for rule in (every, tokens):
        assert rule["Action"]["Block"]["CustomResponse"]["ResponseCode"] == 429


def test_addresses_are_denied_by_parameters_before_all_else(deploy):
    resources = deploy(DeniedIpv4="192.0.2.0/24,198.51.100.7/32", DeniedIpv6="2001:db8::/32")
    acl = web_acl(resources, "CLOUDFRONT")
    first = sorted(acl["Rules"], key=lambda rule: rule["Priority"])[:2]
    assert [rule["Action"] for rule in first] == [{"Block": {}}] * 2
    sets = [resources[rule["Statement"]["IPSetReferenceStatement"]["Arn"]["Fn::GetAtt"][0]] for rule in first]
    assert [each["Properties"]["Addresses"] for each in sets] == [
        ["192.0.2.0/24", "198.51.100.7/32"],
        ["2001:db8::/32"],
    ]
    assert [name for name, each in deploy().items() if each["Type"] == "AWS::WAFv2::IPSet"] == []


def test_no_two_rules_of_a_web_acl_share_a_priority(deploy):
    resources = deploy(DeniedIpv4="192.0.2.0/24", DeniedIpv6="2001:db8::/32")
    for acl in of_type(resources, "AWS::WAFv2::WebACL").values():
        priorities = [rule["Priority"] for rule in acl["Rules"]]
        assert len(set(priorities)) == len(priorities)


def logged(resources: Resources) -> Iterator[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]]:
    """Each web ACL with its logging and its log group."""
    for name, acl in of_type(resources, "AWS::WAFv2::WebACL").items():
        (logging,) = [
            each
            for each in of_type(resources, "AWS::WAFv2::LoggingConfiguration").values()
            if each["ResourceArn"] == {"Fn::GetAtt": [name, "Arn"]}
        ]
        (destination,) = logging["LogDestinationConfigs"]
        group = re.fullmatch(r"arn:aws:logs:us-east-1:\d+:log-group:\$\{(\w+)\}", text(destination))
        assert group, destination
        yield acl, logging, resources[group[1]]["Properties"]


def test_every_web_acl_writes_to_a_group_of_the_name_that_waf_demands(resources):
    for _, _, group in logged(resources):
        assert group["LogGroupName"].startswith("aws-waf-logs-")
        assert group["RetentionInDays"] > 0
        assert group["KmsKeyId"] == {"Fn::GetAtt": ["LogsKey", "Arn"]}


def test_no_credential_is_in_a_web_acls_log_or_samples(resources):
    for acl, logging, _ in logged(resources):
        secret = {"x-api-key"} | (set(ORIGIN_HEADERS) if acl["Scope"] == "REGIONAL" else set())
        redacted = {field["SingleHeader"]["Name"] for field in logging["RedactedFields"] if "SingleHeader" in field}
        protected = [each["Field"] for each in acl["DataProtectionConfig"]["DataProtections"]]
        keys = {key for field in protected if field["FieldType"] == "SINGLE_HEADER" for key in field["FieldKeys"]}
        assert redacted == keys == secret
        if acl["Scope"] == "CLOUDFRONT":
            assert {"QueryString": {}} in logging["RedactedFields"]
            assert {"FieldType": "SINGLE_QUERY_ARGUMENT", "FieldKeys": ["token"]} in protected


def test_cloudfronts_access_log_leaves_out_what_may_hold_a_token(resources):
    (delivery,) = of_type(resources, "AWS::Logs::Delivery").values()
    assert {"date", "time", "c-ip", "cs-uri-stem", "sc-status", "ssl-protocol"} <= set(delivery["RecordFields"])
    assert not {"cs-uri-query", "cs(Cookie)", "cs(Referer)"} & set(delivery["RecordFields"])
