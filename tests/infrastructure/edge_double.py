"""What rotation changes, made in ministack: a distribution that sends the two headers, a web ACL that wants them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def distribution(client: Any, sent: Mapping[str, str]) -> str:
    """A distribution's id. Its origin is sent these headers."""
    headers = [{"HeaderName": name, "HeaderValue": value} for name, value in sent.items()]
    origin = {
        "Id": "rest",
        "DomainName": "api.example.com",
        "CustomHeaders": {"Quantity": len(headers), "Items": headers},
        "CustomOriginConfig": {"HTTPPort": 80, "HTTPSPort": 443, "OriginProtocolPolicy": "https-only"},
    }
    behaviour = {
        "TargetOriginId": "rest",
        "ViewerProtocolPolicy": "https-only",
        "CachePolicyId": "4135ea2d-6df8-44a3-9df3-4b5a84be39ad",  # AWS's CachingDisabled
    }
    config = {
        "CallerReference": "recording",
        "Comment": "",
        "Enabled": True,
        "Origins": {"Quantity": 1, "Items": [origin]},
        "DefaultCacheBehavior": behaviour,
    }
    return str(client.create_distribution(DistributionConfig=config)["Distribution"]["Id"])


def web_acl(client: Any, name: str, accepted: Mapping[str, str]) -> str:
    """A regional web ACL's ARN. It lets through who sends any of these headers."""
    seen = {"SampledRequestsEnabled": False, "CloudWatchMetricsEnabled": False, "MetricName": "origin"}
    rules = [
        {
            "Name": header,
            "Priority": priority,
            "Action": {"Allow": {}},
            "VisibilityConfig": seen,
            "Statement": {
                "ByteMatchStatement": {
                    "SearchString": value.encode(),
                    "FieldToMatch": {"SingleHeader": {"Name": header}},
                    "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
                    "PositionalConstraint": "EXACTLY",
                }
            },
        }
        for priority, (header, value) in enumerate(accepted.items())
    ]
    made = client.create_web_acl(
        Name=name,
        Scope="REGIONAL",
        Description="as in the template",
        DefaultAction={"Block": {}},
        VisibilityConfig=seen,
        Rules=rules,
    )
    return str(made["Summary"]["ARN"])
