"""What viewers meet: TLS, the domain, the headers of answers; and what a stage may not do without."""

from __future__ import annotations

from typing import Any

import pytest

from localcloud.gateway.site import HEADERS as LOCAL_PAGE_HEADERS
from scripts.packaging.assemble import Assembled
from scripts.packaging.transform import resolve
from tests.infrastructure.edge_model import DOMAIN, behaviours, distribution
from tests.infrastructure.kinds import Resources, of_type


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
