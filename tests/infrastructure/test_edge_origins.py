"""Between CloudFront and the origins: paths, what is forwarded, and the secrets that let nobody come around it."""

from __future__ import annotations

import re

import pytest

from chalicelib.domain.origin import ORIGIN_HEADERS
from scripts.packaging.project import PROJECT
from tests.infrastructure.edge_model import behaviours, forwarded, origins, text, web_acl
from tests.infrastructure.kinds import of_type

SECRETS = dict(zip(ORIGIN_HEADERS, ("OriginSecretA", "OriginSecretB"), strict=True))
CACHING_DISABLED = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"


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
