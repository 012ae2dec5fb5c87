"""The alarms of a CloudFormation template, in JSON or YAML."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from localcloud.cloudwatch.alarms import Alarm, is_alarm, read_alarm
from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.intrinsics import Intrinsics


def load_template(path: Path) -> dict[str, Any]:
    """A template as CloudFormation reads it, short forms (``!Ref``) written out. Raises OSError, TemplateError."""
    text = path.read_text(encoding="utf-8")
    try:
        template = json.loads(text) if text.lstrip().startswith("{") else yaml.load(text, _Loader)  # noqa: S506 - safe
    except (ValueError, yaml.YAMLError) as error:
        raise TemplateError(f"{path} is neither JSON nor YAML: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
        raise TemplateError(f"{path} has no Resources")
    return template


def read_alarms(template: Mapping[str, Any], parameters: Mapping[str, str] | None = None) -> list[Alarm]:
    """Every alarm whose condition holds, in the order of the template.

    Raises one TemplateError that names every alarm that cannot be evaluated.
    """
    intrinsics = Intrinsics(template, parameters or {})
    alarms: list[Alarm] = []
    wrong: defaultdict[str, list[str]] = defaultdict(list)
    for logical_id, resource in template["Resources"].items():
        if not is_alarm(resource.get("Type", "")):
            continue
        try:
            if "Condition" in resource and not intrinsics.holds(resource["Condition"]):
                continue
            properties = intrinsics.value(resource.get("Properties", {}))
            alarms.append(read_alarm(resource["Type"], logical_id, properties))
        except TemplateError as error:
            wrong[str(error)].append(logical_id)
    if wrong:
        raise TemplateError("; ".join(f"{what} (in {', '.join(names)})" for what, names in wrong.items()))
    return alarms


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only, with CloudFormation's short forms."""


def _short_form(loader: yaml.SafeLoader, tag: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        argument: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        argument = loader.construct_sequence(node, deep=True)
    else:
        argument = loader.construct_mapping(node, deep=True)
    return {tag if tag in ("Ref", "Condition") else f"Fn::{tag}": argument}


_Loader.add_multi_constructor("!", _short_form)
# A date is text in a template (AWSTemplateFormatVersion).
_Loader.add_constructor("tag:yaml.org,2002:timestamp", yaml.SafeLoader.construct_yaml_str)
