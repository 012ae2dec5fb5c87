"""CloudFormation's quotas, with what the template uses of each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scripts.packaging.problems import Problem

DIRECT_BODY = 51_200  # bytes; a larger template can only be deployed from S3


@dataclass(frozen=True, slots=True)
class Use:
    """How much of one of CloudFormation's quotas is used."""

    what: str
    used: int
    limit: int

    def __str__(self) -> str:
        return f"{self.what} {self.used:,} of {self.limit:,} ({self.used / self.limit:.0%})"


def uses(template: Mapping[str, Any], transformed: Mapping[str, Any]) -> list[Use]:
    """Of the quotas of https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html.

    Counted on the template after the SAM macro, which is what the quotas hold for; the body is the larger of the two.
    """
    body = max(len(template_bytes(template)), len(template_bytes(transformed)))
    return [
        Use("resources", len(transformed["Resources"]), 500),
        Use("parameters", len(transformed.get("Parameters", {})), 200),
        Use("outputs", len(transformed.get("Outputs", {})), 200),
        Use("mappings", len(transformed.get("Mappings", {})), 200),
        Use("body in bytes", body, 1_000_000),
    ]


def check_limits(used: list[Use]) -> Iterator[Problem]:
    for use in used:
        if use.used > use.limit:
            yield Problem("template", use.what, f"{use.used:,} are more than CloudFormation's {use.limit:,}")


def template_bytes(template: Mapping[str, Any]) -> bytes:
    """The template as it is written to disk: without spaces, to stay far from the limit of a megabyte."""
    return json.dumps(template, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
