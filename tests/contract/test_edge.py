"""ports.Edge on CloudFront and WAF: through their own APIs, with what the template puts there."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from chalicelib.adapters.edge import CloudFrontEdge
from chalicelib.errors import RotationError, StoreDownError

A, B = "x-origin-verify-a", "x-origin-verify-b"


def origin(name: str, **headers: str) -> dict[str, Any]:
    items = [{"HeaderName": header.replace("_", "-"), "HeaderValue": value} for header, value in headers.items()]
    return {
        "Id": name,
        "DomainName": f"{name}.example.com",
        "CustomHeaders": {"Quantity": len(items), "Items": items} if items else {"Quantity": 0},
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
    }


def byte_match(header: str, value: bytes) -> dict[str, Any]:
    return {
        "ByteMatchStatement": {
            "SearchString": value,
            "FieldToMatch": {"SingleHeader": {"Name": header}},
            "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
            "PositionalConstraint": "EXACTLY",
        }
    }


def seen(metric: str) -> dict[str, Any]:
    return {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": True, "MetricName": metric}


class Rig:
    """A distribution and a web ACL, made as the template makes them."""

    def __init__(self, aws: Any, **description: str) -> None:
        self.cloudfront, self.wafv2 = aws.client("cloudfront"), aws.client("wafv2")
        headers = {"x_origin_verify_a": "a-1", "x_origin_verify_b": "b-1"}
        made = self.cloudfront.create_distribution(
            DistributionConfig={
                "CallerReference": str(uuid.uuid4()),
                "Comment": "of the test",
                "Enabled": True,
                "Origins": {
                    "Quantity": 3,
                    "Items": [origin("page"), origin("rest", x_stage="test", **headers), origin("socket", **headers)],
                },
                "DefaultCacheBehavior": {
                    "TargetOriginId": "page",
                    "ViewerProtocolPolicy": "redirect-to-https",
                    "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",
                },
            }
        )
        self.distribution_id = made["Distribution"]["Id"]
        either = {"OrStatement": {"Statements": [byte_match(A, b"a-1"), byte_match(B, b"b-1")]}}
        self.acl = self.wafv2.create_web_acl(
            Name=f"origin-{uuid.uuid4()}",
            Scope="REGIONAL",
            DefaultAction={"Block": {}},
            **description,
            VisibilityConfig=seen("acl"),
            Rules=[
                {
                    "Name": "edge",
                    "Priority": 0,
                    "Statement": either,
                    "Action": {"Allow": {}},
                    "VisibilityConfig": seen("x"),
                }
            ],
        )["Summary"]

    def edge(self, **changes: Any) -> CloudFrontEdge:
        clients = {"cloudfront": self.cloudfront, "wafv2": self.wafv2}
        names = {"distribution_id": self.distribution_id, "web_acl_arn": self.acl["ARN"]}
        return CloudFrontEdge(**{**clients, **names, **changes})

    def distribution(self) -> dict[str, Any]:
        config: dict[str, Any] = self.cloudfront.get_distribution_config(Id=self.distribution_id)["DistributionConfig"]
        return config

    def sent(self) -> list[dict[str, str]]:
        """The custom headers of each origin."""
        origins = self.distribution()["Origins"]["Items"]
        headers = [each.get("CustomHeaders", {}).get("Items", []) for each in origins]
        return [{item["HeaderName"]: item["HeaderValue"] for item in items} for items in headers]

    def web_acl(self) -> dict[str, Any]:
        acl: dict[str, Any] = self.wafv2.get_web_acl(Name=self.acl["Name"], Scope="REGIONAL", Id=self.acl["Id"])[
            "WebACL"
        ]
        return acl

    def accepted(self) -> list[bytes]:
        (rule,) = self.web_acl()["Rules"]
        matches = rule["Statement"]["OrStatement"]["Statements"]
        return [bytes(match["ByteMatchStatement"]["SearchString"]) for match in matches]


@pytest.fixture
def rig(ministack) -> Rig:
    return Rig(ministack.aws, Description="of the test")


def test_a_new_value_is_sent_to_every_origin_that_was_sent_the_header_and_accepted(rig):
    rig.edge().send(A, "a-2")
    assert rig.sent() == [{}, {"x-stage": "test", A: "a-2", B: "b-1"}, {A: "a-2", B: "b-1"}]
    assert rig.accepted() == [b"a-2", b"b-1"]


def test_nothing_else_changes(rig):
    distribution, acl = rig.distribution(), rig.web_acl()
    rig.edge().send(B, "b-2")
    rig.edge().send(B, "b-1")
    assert rig.distribution() == distribution
    assert rig.web_acl() == acl


def test_a_web_acl_without_a_description_can_be_changed(ministack):
    """WAF tells of an empty one, and refuses to be given that."""
    rig = Rig(ministack.aws)
    rig.edge().send(A, "a-2")
    assert rig.accepted() == [b"a-2", b"b-1"]


def test_what_is_sent_already_is_not_sent_again(rig):
    """Each change of a distribution takes minutes to reach every place."""
    rig.edge().send(A, "a-2")
    before = rig.cloudfront.get_distribution_config(Id=rig.distribution_id)["ETag"]
    rig.edge().send(A, "a-2")
    assert rig.cloudfront.get_distribution_config(Id=rig.distribution_id)["ETag"] == before


def test_a_value_is_sent_when_distribution_and_web_acl_both_know_it(rig):
    edge = rig.edge()
    assert edge.sends(A, "a-1")
    assert not edge.sends(A, "a-2")
    edge.send(A, "a-2")
    assert edge.sends(A, "a-2")
    assert not edge.sends(A, "a-1")


class Deploying:
    """A CloudFront that has not reached every place yet."""

    def __init__(self, cloudfront: Any) -> None:
        self._cloudfront = cloudfront

    def get_distribution(self, **names: Any) -> Any:
        found = self._cloudfront.get_distribution(**names)
        found["Distribution"]["Status"] = "InProgress"
        return found


def test_a_value_is_not_sent_while_cloudfront_deploys_it(rig):
    assert not rig.edge(cloudfront=Deploying(rig.cloudfront)).sends(A, "a-1")


def test_a_header_that_the_template_does_not_send_is_refused(rig):
    with pytest.raises(RotationError, match="compares x-other"):
        rig.edge().send("x-other", "1")


class Meanwhile:
    """A client during whose reading somebody else changes what is read."""

    def __init__(self, client: Any, change: Any, reads: str) -> None:
        self._client, self._change, self._reads = client, change, reads

    def __getattr__(self, name: str) -> Any:
        operation = getattr(self._client, name)
        if name != self._reads:
            return operation

        def read(**names: Any) -> Any:
            found = operation(**names)
            self._change()
            return found

        return read


def test_a_change_of_the_distribution_by_somebody_else_meanwhile_is_not_undone(rig):
    raced = rig.edge(cloudfront=Meanwhile(rig.cloudfront, lambda: rig.edge().send(B, "b-2"), "get_distribution"))
    with pytest.raises(StoreDownError, match="distribution changed: PreconditionFailed"):
        raced.send(A, "a-2")
    assert [headers.get(B) for headers in rig.sent()] == [None, "b-2", "b-2"]


def test_a_change_of_the_web_acl_by_somebody_else_meanwhile_is_not_undone(rig):
    raced = rig.edge(wafv2=Meanwhile(rig.wafv2, lambda: rig.edge().send(B, "b-2"), "get_web_acl"))
    with pytest.raises(StoreDownError, match="web ACL changed: WAFOptimisticLockException"):
        raced.send(A, "a-2")
    assert rig.accepted() == [b"a-1", b"b-2"]


def test_a_distribution_that_is_not_there_is_a_store_that_is_down_and_no_value_is_told(rig):
    with pytest.raises(StoreDownError, match="NoSuchDistribution") as caught:
        rig.edge(distribution_id="EDFDVBD6EXAMPLE").send(A, "s3cr3t-value")
    assert "s3cr3t-value" not in repr(caught.value)
    assert caught.value.__cause__ is None
