"""Nothing refers to what does not exist, in any stage."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from scripts.packaging.merge import Merged
from scripts.packaging.parts import Location
from scripts.packaging.problems import Problem
from scripts.packaging.references import Reference, conditions_in, references, resource_names
from scripts.packaging.schemas import attributes_match, schema_of

_SAM_REFERENCES = {  # what SAM makes of a resource and lets a template name after it
    "AWS::Serverless::Function": {"Alias": "AWS::Lambda::Alias", "Version": "AWS::Lambda::Version"},
    "AWS::Serverless::Api": {
        "Stage": "AWS::ApiGateway::Stage",
        "Deployment": "AWS::ApiGateway::Deployment",
        "DomainName": "AWS::ApiGateway::DomainName",
    },
}
_PSEUDO = {
    f"AWS::{name}"
    for name in ("AccountId", "NoValue", "NotificationARNs", "Partition", "Region", "StackId", "StackName", "URLSuffix")
}


def check_references(merged: Merged) -> Iterator[Problem]:
    """Ref, GetAtt (with its attribute), Sub, FindInMap, If, Condition and DependsOn of the merged template."""
    template = merged.template
    for section in ("Resources", "Outputs", "Conditions", "Rules", "Globals"):
        for name, entry in template.get(section, {}).items():
            for reference in _all(entry, (section, name)):
                what = _fault(template, reference, in_resource=section in ("Resources", "Outputs", "Globals"))
                if what:
                    yield Problem(origin(merged, reference.location), path(reference.location), what)


def check_present(merged: Merged, resolved: Mapping[str, Any], region: str) -> Iterator[Problem]:
    """With the conditions decided for this stage and region, nothing refers to a resource that is not made."""
    present = resolved["Resources"].keys()
    for section in ("Resources", "Outputs"):
        for name, entry in resolved[section].items():
            for missing in sorted(resource_names(entry) - present - _PSEUDO - _parameters(merged)):
                if missing in merged.template["Resources"]:
                    owner = merged.owners.get((section, name), "SAM")
                    condition = merged.template["Resources"][missing].get("Condition")
                    what = f"refers to {missing}, which {condition} leaves out in {region}; use Fn::If"
                    yield Problem(owner, name, what)


def _all(entry: Any, location: Location) -> Iterator[Reference]:
    if not isinstance(entry, dict):
        return
    yield from references(entry, location)
    yield from conditions_in(entry, location)
    if location[0] in ("Resources", "Outputs") and isinstance(entry.get("Condition"), str):
        yield Reference((*location, "Condition"), "Condition", entry["Condition"])
    if location[0] == "Conditions":
        yield from _named_conditions(entry, location)
    if location[0] == "Resources" and isinstance(entry.get("DependsOn"), str):
        yield Reference((*location, "DependsOn"), "DependsOn", entry["DependsOn"])
    elif location[0] == "Resources":
        for index, name in enumerate(entry.get("DependsOn", ())):
            yield Reference((*location, "DependsOn", index), "DependsOn", name)


def _named_conditions(node: Any, location: Location) -> Iterator[Reference]:
    if isinstance(node, dict | list):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "Condition":
                yield Reference((*location, key), "Condition", str(inner))
            yield from _named_conditions(inner, (*location, key))


def _fault(template: Mapping[str, Any], reference: Reference, *, in_resource: bool) -> str | None:
    name = reference.name
    if reference.by in ("Condition", "Fn::If"):
        return None if name in template.get("Conditions", {}) else f"there is no condition {name}"
    if reference.by == "Fn::FindInMap":
        return None if name in template.get("Mappings", {}) or name.startswith("{") else f"there is no mapping {name}"
    resources = template["Resources"]
    if reference.by == "DependsOn":
        return None if name in resources else f"DependsOn names {name}, which is no resource"
    if reference.by == "Fn::GetAtt" or reference.attribute:
        return _attribute_fault(resources, reference)
    if name in _PSEUDO or name in template.get("Parameters", {}):
        return None
    if not in_resource:
        return f"refers to {name}, which is no parameter; conditions and rules know nothing else"
    return _resource_fault(resources, template.get("Parameters", {}), name)


def _resource_fault(resources: Mapping[str, Any], parameters: Mapping[str, Any], name: str) -> str | None:
    logical_id, _, suffix = name.partition(".")
    if logical_id not in resources:
        close = difflib.get_close_matches(logical_id, [*resources, *parameters], n=3, cutoff=0.8)
        hint = f"; there is {', '.join(close)}" if close else ""
        return f"refers to {name}, which is no parameter and no resource{hint}"
    if suffix and suffix not in _SAM_REFERENCES.get(resources[logical_id]["Type"], ()):
        return f"refers to {name}, and SAM makes no {suffix} of an {resources[logical_id]['Type']}"
    return None


def _attribute_fault(resources: Mapping[str, Any], reference: Reference) -> str | None:
    name, attribute = reference.name, reference.attribute
    if name not in resources:
        return f"asks for {name}.{attribute}, and there is no resource {name}"
    kind = resources[name]["Type"]
    if attribute is None or attributes_match(kind, attribute):
        return None
    made, _, inner = attribute.partition(".")
    if reference.by == "Fn::Sub" and made in _SAM_REFERENCES.get(kind, ()) and not inner:
        return None
    if made in _SAM_REFERENCES.get(kind, ()) and attributes_match(_SAM_REFERENCES[kind][made], inner):
        return None  # Fn.Version.Version
    if schema_of(kind) is None:
        return None  # told where the type is written
    return f"asks {name} for {attribute}, which an {kind} does not have"


def _parameters(merged: Merged) -> set[str]:
    return set(merged.template.get("Parameters", {}))


def origin(merged: Merged, location: Location) -> str:
    """The file and line of the leaf at, above or below the location."""
    for end in range(len(location), 0, -1):
        if location[:end] in merged.origins:
            return merged.origins[location[:end]]
    return merged.owners.get((str(location[0]), str(location[1])), str(location[0]))


def path(location: Location) -> str:
    """A location as it is told: without its section."""
    return ".".join(map(str, location[1:]))
