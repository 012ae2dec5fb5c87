"""The part of a stage's template that holds something: queues, topics, tables, buckets, secrets and their keys.

The laptop's own pollers, gateway and schedules take the place of the rest. None of this comes from Chalice, so it is
read from the hand-written parts alone, in a sixth of the time that the whole template takes; a test holds it equal to
what is packaged. So a queue here has the visibility, redrive policy and encryption that it has in production.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scripts.packaging.parts import read_part
from scripts.packaging.references import resource_names

PARTS = Path(__file__).resolve().parents[1] / "cfn"
STAGE = "dev"

SECTIONS = ("Parameters", "Mappings", "Conditions", "Resources", "Outputs")

# One machine, one stage: queues have the names that app.py gives them.
UNNAMED: Mapping[str, str] = {"NamePrefix": ""}

HELD = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::S3::Bucket",
        "AWS::SNS::Subscription",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::SecretsManager::Secret",
    }
)


@dataclass(frozen=True, slots=True)
class Holdings:
    """A template of plain CloudFormation and the stage's values of the parameters that it still has."""

    template: Mapping[str, Any]
    parameters: Mapping[str, str]

    def with_values(self, values: Mapping[str, str]) -> dict[str, str]:
        """The stage's values and these over them. Raises ValueError for a parameter that the template lacks."""
        unknown = sorted(values.keys() - self.template["Parameters"].keys())
        if unknown:
            known = ", ".join(sorted(self.template["Parameters"]))
            raise ValueError(f"no parameter {', '.join(unknown)}; there are {known}")
        return {**self.parameters, **values}


def holdings(stage: str = STAGE) -> Holdings:
    """Those of a stage. Raises PackagingError for a part that is no YAML."""
    sections = hand_written()
    resources = {name: entry for name, entry in sections["Resources"].items() if "Type" in entry}
    values = json.loads((PARTS / "parameters" / f"{stage}.json").read_text())
    return cut({**sections, "Resources": resources}, {"Stage": stage, **values})


def hand_written(parts: Iterable[Path] | None = None) -> dict[str, dict[str, Any]]:
    """The parts of ``cfn/``, or these, as one, without what only removes something of Chalice's.

    A resource without a Type is one that Chalice writes.
    """
    sections: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for part in map(read_part, parts or sorted(PARTS.glob("*.yaml"))):
        for name, section in sections.items():
            added = part.body.get(name, {}).items()
            section.update({key: value for key, value in added if isinstance(value, dict)})
    return sections


def cut(template: Mapping[str, Any], parameters: Mapping[str, str]) -> Holdings:
    """What is held, what that refers to, and the outputs and parameters that tell of no more than this."""
    resources = template["Resources"]
    kept: set[str] = set()
    waiting = {name for name, resource in resources.items() if resource["Type"] in HELD}
    while waiting:
        kept |= waiting
        waiting = {found for name in waiting for found in resource_names(resources[name])} & resources.keys() - kept
    told = {name: resource_names(output["Value"]) for name, output in template["Outputs"].items()}
    used: dict[str, Any] = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Mappings": template["Mappings"],
        "Conditions": template["Conditions"],
        "Resources": {name: resource for name, resource in resources.items() if name in kept},
        "Outputs": {name: output for name, output in template["Outputs"].items() if told[name] and told[name] <= kept},
    }
    asked = resource_names(used)
    used["Parameters"] = {name: declared for name, declared in template["Parameters"].items() if name in asked}
    return Holdings(used, {name: value for name, value in parameters.items() if name in asked})
