"""How much a laptop traces: everything, what the template's sampling rules say, or nothing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from localcloud.holdings import PARTS, STAGE, UNNAMED
from localcloud.xray.sampling import EVERYTHING, NOTHING, Rule, Sampler
from scripts.packaging.parts import read_part

CHOICES = ("all", "template", "none")
_RULE = "AWS::XRay::SamplingRule"


def sampler_of(choice: str) -> Sampler:
    """The sampler of one of CHOICES. Raises PackagingError for a template that cannot be read."""
    match choice:
        case "all":
            return Sampler([EVERYTHING])
        case "template":
            return Sampler(template_rules(PARTS, STAGE))
        case "none":
            return Sampler([NOTHING])
    raise ValueError(f"tracing is one of {', '.join(CHOICES)}, not {choice!r}")


def template_rules(parts: Path, stage: str) -> list[Rule]:
    """The sampling rules of a stage, from the template's hand-written parts."""
    from scripts.packaging.transform import resolve  # the SAM translator, half a second, for this choice alone

    template: dict[str, dict[str, Any]] = {"Parameters": {}, "Mappings": {}, "Conditions": {}, "Resources": {}}
    for path in sorted(parts.glob("*.yaml")):
        body = read_part(path).body
        for section, entries in template.items():
            entries.update(body.get(section, {}))
    resources = template["Resources"].items()
    template["Resources"] = {name: entry for name, entry in resources if (entry or {}).get("Type") == _RULE}
    values = json.loads((parts / "parameters" / f"{stage}.json").read_text())
    resolved = resolve(template, {"Stage": stage, **values, **UNNAMED})
    return [_rule(entry["Properties"]["SamplingRule"]) for entry in resolved["Resources"].values()]


def _rule(said: Mapping[str, Any]) -> Rule:
    return Rule(
        name=str(said["RuleName"]),
        priority=int(said["Priority"]),
        rate=float(said["FixedRate"]),
        reservoir=int(said["ReservoirSize"]),
        service=said.get("ServiceName", "*"),
        kind=said.get("ServiceType", "*"),
        arn=said.get("ResourceARN", "*"),
        host=said.get("Host", "*"),
        method=said.get("HTTPMethod", "*"),
        path=said.get("URLPath", "*"),
    )
