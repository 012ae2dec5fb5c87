"""ports.Edge on CloudFront and WAF: one header, in the distribution's origins and in the web ACL of what it calls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.errors import RotationError, StoreDownError
from chalicelib.telemetry.outside import CLOUDFRONT, WAF, outside


class CloudFrontEdge:
    """ports.Edge.

    Guarantees: nothing but the header's value is changed, in every origin that sends it and every statement that
    compares it, and nothing at all if somebody else changed distribution or web ACL meanwhile (StoreDownError: try
    again). Raises RotationError if the header is not there: it is for the template to put it there.
    """

    def __init__(self, *, cloudfront: Any, wafv2: Any, distribution_id: str, web_acl_arn: str) -> None:
        self._cloudfront = cloudfront
        self._wafv2 = wafv2
        self._distribution_id = distribution_id
        self._acl = _acl_key(web_acl_arn)
        update = wafv2.meta.service_model.operation_model("UpdateWebACL").input_shape
        self._acl_members = frozenset(update.members)

    def send(self, header: str, value: str) -> None:
        """The web ACL first: it is to know a value before CloudFront sends it."""
        self._accept(header, value)
        found = self._distribution()
        config = found["Distribution"]["DistributionConfig"]
        places = [place for place in _sent(config) if place["HeaderName"].lower() == header]
        if not places:
            raise RotationError(f"no origin of the distribution is sent {header}")
        if all(place["HeaderValue"] == value for place in places):
            return
        for place in places:
            place["HeaderValue"] = value
        _call(
            "distribution changed",
            self._cloudfront.update_distribution,
            Id=self._distribution_id,
            IfMatch=found["ETag"],
            DistributionConfig=config,
        )

    def sends(self, header: str, value: str) -> bool:
        found = self._distribution()["Distribution"]
        sent = [
            place["HeaderValue"]
            for place in _sent(found["DistributionConfig"])
            if place["HeaderName"].lower() == header
        ]
        accepted = [bytes(match["SearchString"]) for match in _matches(self._web_acl()["WebACL"]["Rules"], header)]
        current = set(sent) == {value} and set(accepted) == {value.encode()}
        return current and found["Status"] == "Deployed"

    def _accept(self, header: str, value: str) -> None:
        found = self._web_acl()
        acl = found["WebACL"]
        matches = list(_matches(acl["Rules"], header))
        if not matches:
            raise RotationError(f"no rule of the web ACL compares {header}")
        if all(bytes(match["SearchString"]) == value.encode() for match in matches):
            return
        for match in matches:
            match["SearchString"] = value.encode()
        # An update replaces the whole web ACL, so all that it may carry goes back as it came. But for an empty
        # Description: WAF gives one and takes none.
        kept = {name: acl[name] for name in self._acl_members & acl.keys() if acl[name] != ""}
        _call("web ACL changed", self._wafv2.update_web_acl, **kept | self._acl, LockToken=found["LockToken"])

    def _distribution(self) -> Any:
        return _call("distribution read", self._cloudfront.get_distribution, Id=self._distribution_id)

    def _web_acl(self) -> Any:
        return _call("web ACL read", self._wafv2.get_web_acl, **self._acl)


def _acl_key(arn: str) -> dict[str, str]:
    """Scope, name and id of a web ACL, by which WAF's calls name it: …:regional/webacl/NAME/ID."""
    scope, _, name, acl_id = arn.rpartition(":")[2].split("/")
    return {"Scope": "REGIONAL" if scope == "regional" else "CLOUDFRONT", "Name": name, "Id": acl_id}


def _sent(config: Any) -> Iterator[Any]:
    for origin in config["Origins"]["Items"]:
        yield from origin.get("CustomHeaders", {}).get("Items", [])


def _matches(statements: Any, header: str) -> Iterator[Any]:
    """Every byte match of this header, however deep in and, or and not."""
    if isinstance(statements, list):
        for each in statements:
            yield from _matches(each, header)
    elif isinstance(statements, dict):
        for name, inner in statements.items():
            if name == "ByteMatchStatement":
                if inner["FieldToMatch"].get("SingleHeader", {}).get("Name", "").lower() == header:
                    yield inner
            else:
                yield from _matches(inner, header)


def _call(done: str, operation: Callable[..., Any], **arguments: Any) -> Any:
    try:
        with outside(WAF if done.startswith("web ACL") else CLOUDFRONT, done):
            return operation(**arguments)
    except (BotoCoreError, ClientError) as error:
        # Only the cause's name: botocore quotes what it refuses, and here that holds secrets.
        cause = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        raise StoreDownError(f"{done}: {cause}") from None
