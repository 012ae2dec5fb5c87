"""The alarms of a CloudFormation template, in JSON or YAML."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, ClassVar

import yaml  # type: ignore[import-untyped]

from localcloud.cloudwatch.alarms import Alarm, is_alarm, read_alarm, watched_by
from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.intrinsics import Intrinsics

_OF_NAMES = ("Parameters", "Mappings", "Conditions", "Resources")


def load_template(*paths: Path) -> dict[str, Any]:
    """A template as CloudFormation reads it, short forms (``!Ref``) written out; or the parts of one, put together.

    Raises OSError, TemplateError.
    """
    whole: dict[str, Any] = {}
    for path in paths:
        for section, entries in _part(path).items():
            if not isinstance(entries, dict):
                whole[section] = entries
                continue
            known = whole.setdefault(section, {})
            if twice := known.keys() & entries.keys() if section in _OF_NAMES else None:
                raise TemplateError(f"{path}: {', '.join(sorted(twice))}, of another part too")
            known.update(entries)
    if "Resources" not in whole:
        raise TemplateError(f"{', '.join(map(str, paths))} is no template: it has no Resources")
    return whole


def _part(path: Path) -> dict[str, Any]:
    try:
        template = _parsed(path.read_text(encoding="utf-8-sig"))
    except (ValueError, TypeError, yaml.YAMLError) as error:
        raise TemplateError(f"{path} is a template in neither JSON nor YAML: {error}") from error
    if not isinstance(template, dict) or not isinstance(template.get("Resources", {}), dict):
        raise TemplateError(f"{path} is no template: it has no Resources")
    for logical_id, resource in template.get("Resources", {}).items():
        if not isinstance(resource, dict):
            raise TemplateError(f"{path}: {logical_id} is no resource (Fn::ForEach is not expanded here)")
    return template


def _parsed(text: str) -> Any:
    """JSON is nearly all YAML too, but read far faster as what it is."""
    try:
        return json.loads(text)
    except ValueError:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


def assumed(template: Mapping[str, Any], given: Collection[str]) -> dict[str, str]:
    """What stands for the parameters that have neither a default nor a given value: the first allowed value, else the
    parameter's own name, as a resource without a name has its logical id. Nothing can stand for a number.
    """
    lacking = {
        name: parameter
        for name, parameter in template.get("Parameters", {}).items()
        if "Default" not in parameter and name not in given
    }
    return {
        name: str(parameter["AllowedValues"][0]) if parameter.get("AllowedValues") else name
        for name, parameter in lacking.items()
        if parameter.get("AllowedValues") or "Number" not in str(parameter.get("Type"))
    }


def read_alarms(
    template: Mapping[str, Any], parameters: Mapping[str, str] | None = None, *, only: Collection[str] = ()
) -> list[Alarm]:
    """Every alarm whose condition holds, in the order of the template; or ``only`` those of these names or logical
    ids, and what they watch.

    Raises one TemplateError that names every alarm that cannot be evaluated.
    """
    intrinsics = Intrinsics(template, parameters or {})
    alarms: dict[str, Alarm] = {}
    wrong: dict[str, str] = {}
    for logical_id, resource in template["Resources"].items():
        try:
            if is_alarm(resource.get("Type", "")) and _is_made(resource, intrinsics):
                properties = intrinsics.value(resource.get("Properties") or {})
                alarms[logical_id] = read_alarm(resource["Type"], logical_id, properties)
        except TemplateError as error:
            wrong[logical_id] = str(error)
    if only:
        return _chosen(alarms, wrong, only)
    if wrong:
        by_reason: defaultdict[str, list[str]] = defaultdict(list)
        for logical_id, reason in wrong.items():
            by_reason[reason].append(logical_id)
        raise TemplateError("; ".join(f"{what} (in {', '.join(names)})" for what, names in by_reason.items()))
    return list(alarms.values())


def _is_made(resource: Mapping[str, Any], intrinsics: Intrinsics) -> bool:
    return "Condition" not in resource or intrinsics.holds(resource["Condition"])


def _chosen(alarms: Mapping[str, Alarm], wrong: Mapping[str, str], only: Collection[str]) -> list[Alarm]:
    by_name = {alarm.name: alarm for alarm in alarms.values()}
    found: dict[str, Alarm] = {}
    open_names = list(only)
    while open_names:
        name = open_names.pop()
        alarm = alarms.get(name) or by_name.get(name)
        if alarm is None:
            alike = get_close_matches(name, [*by_name, *wrong]) or sorted({*by_name, *wrong})
            known = ", ".join(alike) if alike else "none"
            raise TemplateError(f"{name}: {wrong.get(name) or f'no such alarm in the template; there is {known}'}")
        if alarm.name not in found:
            found[alarm.name] = alarm
            open_names += watched_by(alarm)
    return [alarm for alarm in alarms.values() if alarm.name in found]


class _Loader(yaml.SafeLoader):  # type: ignore[misc]
    """Plain data only, with CloudFormation's short forms, and with names that stay what they are.

    A condition may be called On, an account 012345678901: only true and false are truths, and every key is text.
    """

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, Any]]]] = {
        first: [(tag, form) for tag, form in forms if not (tag.endswith(":bool") and first in "yYnNoO")]
        for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[str, Any]:
        self.flatten_mapping(node)  # what << brings has keys too
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                key.tag = "tag:yaml.org,2002:str"
        return dict(super().construct_mapping(node, deep=deep))


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
