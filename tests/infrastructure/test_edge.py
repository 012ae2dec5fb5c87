"""What stands before page and APIs: nobody comes around it, and what it cannot enforce is decided by parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from typing import Any

import pytest

from chalicelib.domain.origin import ORIGIN_HEADERS
from localcloud.gateway.site import HEADERS as LOCAL_PAGE_HEADERS
from scripts.packaging.assemble import PROJECT, Assembled
from scripts.packaging.references import resource_names
from scripts.packaging.transform import resolve
from tests.infrastructure.kinds import Resources, of_type

DOMAIN = {
    "DomainName": "stream.example.com",
    "CertificateArn": "arn:aws:acm:us-east-1:123456789012:certificate/00000000-0000-0000-0000-000000000000",
    "HostedZoneId": "Z0EXAMPLE",
}
ELSEWHERE = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/edge/00000000-0000-0000-0000-000000000000"
SECRETS = dict(zip(ORIGIN_HEADERS, ("OriginSecretA", "OriginSecretB"), strict=True))
GIVEN = {"ArtifactBucket": "artifacts"}  # at deployment
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"

Deploy = Callable[..., Resources]


@pytest.fixture
def template(assembled: Assembled, transformed: dict[str, Any]) -> Callable[..., dict[str, Any]]:
    """The stage's template, resolved for a region with other values for some parameters."""

    def make(region: str = "us-east-1", **parameters: str) -> dict[str, Any]:
        resolved: dict[str, Any] = resolve(transformed, {**GIVEN, **assembled.parameters, **parameters}, region)
        return resolved

    return make


@pytest.fixture
def deploy(template: Callable[..., dict[str, Any]]) -> Deploy:
    return lambda region="us-east-1", **parameters: template(region, **parameters)["Resources"]


def distribution(resources: Resources) -> dict[str, Any]:
    (found,) = of_type(resources, "AWS::CloudFront::Distribution").values()
    config: dict[str, Any] = found["DistributionConfig"]
    return config


def origins(resources: Resources) -> dict[str, dict[str, Any]]:
    return {origin["Id"]: origin for origin in distribution(resources)["Origins"]}


def behaviours(resources: Resources) -> dict[str, dict[str, Any]]:
    """By the origin that each leads to."""
    config = distribution(resources)
    return {each["TargetOriginId"]: each for each in [config["DefaultCacheBehavior"], *config["CacheBehaviors"]]}


def forwarded(resources: Resources, origin: str) -> dict[str, Any]:
    """What of a viewer's request an API's origin sees."""
    policy = resources[behaviours(resources)[origin]["OriginRequestPolicyId"]["Ref"]]
    config: dict[str, Any] = policy["Properties"]["OriginRequestPolicyConfig"]
    return config


def web_acl(resources: Resources, scope: str) -> dict[str, Any]:
    (found,) = [acl for acl in of_type(resources, "AWS::WAFv2::WebACL").values() if acl["Scope"] == scope]
    return found


def rules(acl: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {rule["Name"]: rule for rule in acl["Rules"]}


def text(value: Any) -> str:
    """A literal, or what a Sub says."""
    return str(value["Fn::Sub"]) if isinstance(value, dict) else str(value)


# --- viewers ---


def test_with_a_domain_viewers_must_speak_tls_1_3(deploy):
    config = distribution(deploy(**DOMAIN))
    assert config["Aliases"] == [DOMAIN["DomainName"]]
    assert config["ViewerCertificate"] == {
        "AcmCertificateArn": DOMAIN["CertificateArn"],
        "SslSupportMethod": "sni-only",
        "MinimumProtocolVersion": "TLSv1.3_2025",
    }


def test_without_a_domain_the_certificate_is_cloudfronts_and_nothing_is_pretended(deploy):
    config = distribution(deploy(DomainName="", CertificateArn=""))
    assert "Aliases" not in config
    assert config["ViewerCertificate"] == {"CloudFrontDefaultCertificate": True}


def test_nothing_is_served_without_tls(deploy):
    assert {each["ViewerProtocolPolicy"] for each in behaviours(deploy()).values()} == {
        "https-only",
        "redirect-to-https",
    }


def test_a_hosted_zone_points_the_domain_at_cloudfront_in_both_families(deploy):
    records = of_type(deploy(**DOMAIN), "AWS::Route53::RecordSet").values()
    assert sorted(record["Type"] for record in records) == ["A", "AAAA"]
    assert {record["Name"] for record in records} == {DOMAIN["DomainName"]}
    without = deploy(**{**DOMAIN, "HostedZoneId": ""})
    assert [name for name, each in without.items() if each["Type"] == "AWS::Route53::RecordSet"] == []


def refused(assembled: Assembled, region: str = "us-east-1", **parameters: str) -> list[str]:
    """What the template's Rules say against these parameters: each read as the condition of a resource of its own."""
    conditions, descriptions = {}, {}
    for rule, body in assembled.template["Rules"].items():
        for number, assertion in enumerate(body["Assertions"]):
            name = f"{rule}{number}"
            broken = {"Fn::Not": [assertion["Assert"]]}
            conditions[name] = {"Fn::And": [body.get("RuleCondition", {"Fn::Equals": ["", ""]}), broken]}
            descriptions[name] = assertion["AssertDescription"]
    asked = {
        "Parameters": assembled.template["Parameters"],
        "Conditions": conditions,
        "Resources": {name: {"Type": "AWS::SNS::Topic", "Condition": name} for name in conditions},
    }
    found = resolve(asked, {**assembled.parameters, **parameters}, region=region)["Resources"]
    return [descriptions[name] for name in found]


def test_production_is_refused_without_edge_or_domain(assembled, stage):
    no_domain = refused(assembled, DomainName="")
    no_edge = refused(assembled, EdgeEnabled="false", **DOMAIN)
    assert bool(no_domain) == bool(no_edge) == (stage == "production")
    assert refused(assembled, **DOMAIN) == []


def test_production_elsewhere_is_refused_without_a_web_acl_made_in_us_east_1(assembled, stage):
    acl = "arn:aws:wafv2:us-east-1:123456789012:global/webacl/edge/00000000-0000-0000-0000-000000000000"
    assert bool(refused(assembled, "eu-west-1", **DOMAIN)) == (stage == "production")
    assert refused(assembled, "eu-west-1", **DOMAIN, EdgeWebAclArn=acl) == []


def test_a_domain_is_refused_without_its_certificate(assembled):
    assert refused(assembled, **{**DOMAIN, "CertificateArn": ""}) == ["A domain needs its certificate"]


# --- origins ---


@pytest.mark.parametrize("origin", ["rest", "websocket"])
def test_an_api_is_spoken_to_by_tls_1_2_alone_and_sent_both_secrets(deploy, origin):
    """By reference: neither value is in the template."""
    found = origins(deploy())[origin]
    assert found["CustomOriginConfig"]["OriginProtocolPolicy"] == "https-only"
    assert found["CustomOriginConfig"]["OriginSSLProtocols"] == ["TLSv1.2"]
    sent = {header["HeaderName"]: text(header["HeaderValue"]) for header in found["OriginCustomHeaders"]}
    assert sent == {header: f"{{{{resolve:secretsmanager:${{{secret}}}}}}}" for header, secret in SECRETS.items()}


def test_the_page_is_sent_no_secret_and_read_by_our_distribution_only(resources):
    page = origins(resources)["page"]
    assert "OriginCustomHeaders" not in page
    assert resources[page["OriginAccessControlId"]["Fn::GetAtt"][0]]["Properties"]["OriginAccessControlConfig"] == {
        "Name": resources["PageAccess"]["Properties"]["OriginAccessControlConfig"]["Name"],
        "OriginAccessControlOriginType": "s3",
        "SigningBehavior": "always",
        "SigningProtocol": "sigv4",
    }
    allowed = [
        statement
        for statement in resources["PageBucketPolicy"]["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
    ]
    assert [statement["Principal"] for statement in allowed] == [{"Service": "cloudfront.amazonaws.com"}]
    source = allowed[0]["Condition"]["StringEquals"]["aws:SourceArn"]
    assert text(source) == "arn:aws:cloudfront::123456789012:distribution/${Distribution}"


def test_each_path_leads_to_the_stage_that_answers_it(resources):
    found, ways = origins(resources), behaviours(resources)
    (socket_stage,) = of_type(resources, "AWS::ApiGatewayV2::Stage").values()
    (rest_stage,) = of_type(resources, "AWS::ApiGateway::Stage").values()
    assert "OriginPath" not in found["websocket"]
    assert ways["websocket"]["PathPattern"] == f"/{socket_stage['StageName']}"  # alone: not /ws/@connections
    assert found["rest"]["OriginPath"] == f"/{rest_stage['StageName']}"


def test_every_route_of_the_rest_api_is_reached(resources):
    (api,) = of_type(resources, "AWS::ApiGateway::RestApi").values()
    pattern = behaviours(resources)["rest"]["PathPattern"]
    assert pattern.endswith("/*")
    assert api["Body"]["paths"]
    assert [path for path in api["Body"]["paths"] if not path.startswith(pattern[:-1])] == []


def test_nothing_of_the_socket_is_cached(resources):
    assert behaviours(resources)["websocket"]["CachePolicyId"] == CACHING_DISABLED


def test_the_rest_api_is_compressed_and_nothing_of_it_cached_without_its_leave(resources):
    """Under a policy that cannot cache CloudFront neither compresses nor passes Accept-Encoding on."""
    behaviour = behaviours(resources)["rest"]
    policy = resources[behaviour["CachePolicyId"]["Ref"]]["Properties"]["CachePolicyConfig"]
    key = policy["ParametersInCacheKeyAndForwardedToOrigin"]
    assert behaviour["Compress"] is key["EnableAcceptEncodingGzip"] is True
    assert policy["MinTTL"] == policy["DefaultTTL"] == 0 < policy["MaxTTL"]
    assert {"Origin", "x-api-key"} <= set(key["HeadersConfig"]["Headers"]), "answers differ by them"
    assert key["QueryStringsConfig"] == {"QueryStringBehavior": "all"}


def test_an_error_is_nobody_elses(resources):
    (distribution,) = of_type(resources, "AWS::CloudFront::Distribution").values()
    kept = {
        each["ErrorCode"]: each["ErrorCachingMinTTL"]
        for each in distribution["DistributionConfig"]["CustomErrorResponses"]
    }
    assert kept == dict.fromkeys((404, 500, 502, 503, 504), 0)


@pytest.mark.parametrize("origin", ["rest", "websocket"])
def test_an_api_sees_the_viewers_address_but_never_its_host(resources, origin):
    """API Gateway answers 403 to a Host that is not its own; ten headers is CloudFront's quota of a policy."""
    headers = forwarded(resources, origin)["HeadersConfig"]
    names = {name.lower() for name in headers["Headers"]}
    assert headers["HeaderBehavior"] == "whitelist"
    assert {"cloudfront-viewer-address", "origin", "x-api-key"} <= names
    assert not {"host", *ORIGIN_HEADERS} & names
    assert len(names) <= 10


def test_no_policy_forwards_a_header_that_cloudfront_refuses(resources):
    """It answers "The parameter Headers contains Accept-Encoding that is not allowed", and the stack is rolled back."""
    refused = {"accept-encoding", "authorization", "connection", "cookie", "host", "upgrade"}
    policies = of_type(resources, "AWS::CloudFront::OriginRequestPolicy")
    for name, policy in policies.items():
        headers = policy["OriginRequestPolicyConfig"]["HeadersConfig"].get("Headers", [])
        assert not refused & {header.lower() for header in headers}, name
    assert policies


def test_every_header_that_the_code_reads_reaches_it(resources):
    code = "".join(path.read_text() for path in sorted((PROJECT / "chalicelib" / "handlers").rglob("*.py")))
    read = set(re.findall(r'header(?:s\.get)?\("([a-z-]+)"\)', code))
    passed = {
        name.lower()
        for origin in ("rest", "websocket")
        for name in forwarded(resources, origin)["HeadersConfig"]["Headers"]
    }
    assert read
    assert read <= passed


def test_a_handshake_passes_cloudfront(resources):
    """Without the key and the version CloudFront opens no socket; the token is in the query."""
    config = forwarded(resources, "websocket")
    assert {"Sec-WebSocket-Key", "Sec-WebSocket-Version"} <= set(config["HeadersConfig"]["Headers"])
    assert config["QueryStringsConfig"] == {"QueryStringBehavior": "whitelist", "QueryStrings": ["token"]}


# --- the origins' guard ---


def test_the_rest_api_refuses_whoever_sends_neither_secret(resources):
    acl = web_acl(resources, "REGIONAL")
    assert acl["DefaultAction"] == {"Block": {}}
    (rule,) = acl["Rules"]
    assert rule["Action"] == {"Allow": {}}
    (kind,) = rule["Statement"]
    matches = [each["ByteMatchStatement"] for each in rule["Statement"][kind]["Statements"]]
    assert kind == "OrStatement"
    assert {match["FieldToMatch"]["SingleHeader"]["Name"]: text(match["SearchString"]) for match in matches} == {
        header: f"{{{{resolve:secretsmanager:${{{secret}}}}}}}" for header, secret in SECRETS.items()
    }
    for match in matches:
        assert match["PositionalConstraint"] == "EXACTLY"
        assert match["TextTransformations"] == [{"Priority": 0, "Type": "NONE"}]


def test_the_guard_stands_before_the_rest_stage(resources):
    (association,) = of_type(resources, "AWS::WAFv2::WebACLAssociation").values()
    (stage,) = [name for name, each in resources.items() if each["Type"] == "AWS::ApiGateway::Stage"]
    assert resources[association["WebACLArn"]["Fn::GetAtt"][0]]["Properties"]["Scope"] == "REGIONAL"
    assert text(association["ResourceArn"]).endswith(f"::/restapis/${{RestAPI}}/stages/${{{stage}}}")


def test_the_guard_of_the_websocket_api_is_told_both_secrets(resources):
    variables = resources["Authorize"]["Properties"]["Environment"]["Variables"]
    assert [variables[name] for name in ("ORIGIN_SECRET_A_ID", "ORIGIN_SECRET_B_ID")] == [
        {"Ref": secret} for secret in SECRETS.values()
    ]


# --- CloudFront's web ACL ---


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


# --- logs ---


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


# --- headers of answers ---


def directives(policy: str) -> dict[str, set[str]]:
    parts = [part.split() for part in policy.split(";")]
    return {part[0]: set(part[1:]) for part in parts}


def page_policy(resources: Resources) -> dict[str, Any]:
    policy = resources[behaviours(resources)["page"]["ResponseHeadersPolicyId"]["Ref"]]
    config: dict[str, Any] = policy["Properties"]["ResponseHeadersPolicyConfig"]
    return config


@pytest.mark.parametrize("parameters", [{}, DOMAIN])
def test_the_page_may_do_what_it_may_do_on_a_laptop(deploy, parameters):
    """Where a real browser tries it out; and old browsers, to which 'self' is no socket, are told of the domain's."""
    sent = page_policy(deploy(**parameters))["SecurityHeadersConfig"]["ContentSecurityPolicy"]["ContentSecurityPolicy"]
    tried = directives(LOCAL_PAGE_HEADERS["Content-Security-Policy"])
    tried["connect-src"] |= {f"wss://{DOMAIN['DomainName']}"} if parameters else set()
    assert directives(sent) == tried


def test_browsers_are_told_to_stay_with_tls_for_two_years(resources):
    for policy in of_type(resources, "AWS::CloudFront::ResponseHeadersPolicy").values():
        security = policy["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
        assert security["StrictTransportSecurity"]["AccessControlMaxAgeSec"] == 2 * 365 * 86400
        assert {"ContentTypeOptions", "FrameOptions", "ReferrerPolicy", "ContentSecurityPolicy"} <= set(security)
    assert all("ResponseHeadersPolicyId" in each for each in behaviours(resources).values())


# --- other regions, and stages without an edge ---


def test_outside_us_east_1_the_web_acl_is_one_that_was_made_there(deploy):
    resources = deploy("eu-west-1", EdgeWebAclArn=ELSEWHERE)
    assert distribution(resources)["WebACLId"] == ELSEWHERE
    types = {each["Type"] for each in resources.values()}
    assert not {"AWS::Logs::Delivery", "AWS::Logs::DeliverySource", "AWS::WAFv2::IPSet"} & types
    assert {acl["Scope"] for acl in of_type(resources, "AWS::WAFv2::WebACL").values()} == {"REGIONAL"}


def test_outside_us_east_1_without_one_there_is_none(deploy):
    assert "WebACLId" not in distribution(deploy("eu-west-1", EdgeWebAclArn=""))


def test_origins_are_those_of_the_region(deploy):
    resources = deploy("eu-west-1")
    for name in ("rest", "websocket"):
        assert text(origins(resources)[name]["DomainName"]).endswith("}.execute-api.eu-west-1.amazonaws.com")


def test_without_an_edge_nothing_of_it_is_made_and_nobody_is_asked_for_its_headers(deploy):
    resources = deploy(EdgeEnabled="false")
    assert [
        name for name, each in resources.items() if each["Type"].startswith(("AWS::CloudFront", "AWS::WAFv2"))
    ] == []
    for function in of_type(resources, "AWS::Lambda::Function").values():
        variables = function.get("Environment", {}).get("Variables", {})
        assert not any(variables.get(name) for name in ("ORIGIN_SECRET_A_ID", "ORIGIN_SECRET_B_ID", "DISTRIBUTION_ID"))
    rotated = of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    assert [schedule["SecretId"] for schedule in rotated] == [{"Ref": "TokenSecret"}]


def test_the_public_addresses_are_put_out(template):
    assert template(**DOMAIN)["Outputs"]["PublicUrl"]["Value"] == "https://stream.example.com"
    assert template(**DOMAIN)["Outputs"]["WebsocketUrl"]["Value"] == "wss://stream.example.com/ws"
    assert "Distribution" in text(template(DomainName="")["Outputs"]["PublicUrl"]["Value"])
    without = template(EdgeEnabled="false")["Outputs"]
    assert "PublicUrl" not in without
    assert text(without["WebsocketUrl"]["Value"]) == "wss://${WebsocketAPI}.execute-api.us-east-1.amazonaws.com/ws"


@pytest.mark.parametrize(
    ("region", "parameters"),
    [
        ("us-east-1", DOMAIN),
        ("us-east-1", {"DeniedIpv4": "192.0.2.0/24"}),
        ("eu-west-1", {**DOMAIN, "EdgeWebAclArn": ELSEWHERE}),
        ("eu-west-1", {"EdgeEnabled": "false"}),
    ],
)
def test_nothing_waits_for_itself_and_everything_that_is_waited_for_is_there(template, region, parameters):
    made = template(region, **parameters)
    waits = {}
    for name, resource in made["Resources"].items():
        depends = resource.get("DependsOn", [])
        waits[name] = resource_names(resource.get("Properties", {})) | set(
            [depends] if isinstance(depends, str) else depends
        )
        waits[name] = {each for each in waits[name] if not each.startswith("AWS::")}
    assert {name: missing for name, each in waits.items() if (missing := each - waits.keys())} == {}
    TopologicalSorter(waits).prepare()  # raises CycleError, naming it


# --- rotation ---


def months(schedule: str) -> set[str]:
    return set(schedule.removeprefix("cron(").split()[3].split(","))


def test_the_two_origin_secrets_are_rotated_in_different_months(resources):
    """While one changes, the other must be known everywhere."""
    schedules = {
        each["SecretId"]["Ref"]: each for each in of_type(resources, "AWS::SecretsManager::RotationSchedule").values()
    }
    turns = [months(schedules[secret]["RotationRules"]["ScheduleExpression"]) for secret in SECRETS.values()]
    assert all(turns)
    assert not turns[0] & turns[1]
    assert all(each["RotateImmediatelyOnUpdate"] is False for each in schedules.values())


def test_rotating_may_take_as_long_as_cloudfront_takes_to_deploy(resources):
    """About five minutes; Secrets Manager may call it, of this account only."""
    assert resources["Rotate"]["Properties"]["Timeout"] >= 600
    assert "VpcConfig" not in resources["Rotate"]["Properties"]
    (allowed,) = [
        permission
        for permission in of_type(resources, "AWS::Lambda::Permission").values()
        if permission["Principal"] == "secretsmanager.amazonaws.com"
    ]
    assert allowed["SourceAccount"] == "123456789012"
