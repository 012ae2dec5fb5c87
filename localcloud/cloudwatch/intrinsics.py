"""CloudFormation's functions, given a value without a stack.

Parameters have their defaults or what is given. A resource has no name yet, so ``Ref`` of it is its logical id and
``Fn::GetAtt`` is ``LogicalId.Attribute``, unless a name is given for it; recorded data points use the same names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.cloudwatch.errors import TemplateError

_PLACE = re.compile(r"\$\{(!?)([^}]+)\}")
_PSEUDO = {
    "AWS::AccountId": "000000000000",
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
_NO_VALUE = object()


class Intrinsics:
    """The values of one template. ``given`` are parameters by name, and resources as ``Ref`` or GetAtt names them."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._resources = template.get("Resources", {})
        self._conditions = template.get("Conditions", {})
        self._mappings = template.get("Mappings", {})
        defaults = {
            name: parameter["Default"]
            for name, parameter in template.get("Parameters", {}).items()
            if "Default" in parameter
        }
        self._names: dict[str, Any] = {**_PSEUDO, **defaults, **given}

    def value(self, node: Any) -> Any:
        """The node without intrinsics; what is ``AWS::NoValue`` is left out. Raises TemplateError."""
        if isinstance(node, list):
            return [item for item in map(self.value, node) if item is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            if key in self._functions:
                return self._functions[key](self, argument)
            if key.startswith("Fn::"):
                raise TemplateError(f"{key} has no value here")
        resolved = {key: self.value(item) for key, item in node.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template is true."""
        if condition not in self._conditions:
            raise TemplateError(f"no condition {condition!r}")
        return self._truth(self._conditions[condition])

    def _truth(self, node: Any) -> bool:
        if isinstance(node, dict) and len(node) == 1:
            ((key, argument),) = node.items()
            if key == "Condition":
                return self.holds(argument)
            if key == "Fn::Not":
                return not self._truth(argument[0])
            if key in ("Fn::And", "Fn::Or"):
                return (all if key == "Fn::And" else any)(self._truth(item) for item in argument)
            if key == "Fn::Equals":
                left, right = (self.value(item) for item in argument)
                return str(left) == str(right)
        raise TemplateError(f"not a condition: {node!r}")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._names:
            return self._names[name]
        if name in self._resources:
            # An alarm's Ref is its name, by which composite alarms know it.
            return self.value(self._resources[name].get("Properties", {}).get("AlarmName", name))
        raise TemplateError(f"{name} is no resource, and a parameter without a value; give it one")

    def _get_att(self, argument: str | list[str]) -> Any:
        path = argument if isinstance(argument, str) else ".".join(argument)
        name, _, attribute = path.partition(".")
        if path in self._names:
            return self._names[path]
        if name not in self._resources:
            raise TemplateError(f"no resource {name!r}")
        if "CloudWatch" in self._resources[name].get("Type", "") and attribute == "Arn":
            return f"arn:aws:cloudwatch:{self._names['AWS::Region']}:{self._names['AWS::AccountId']}:alarm:" + str(
                self._ref(name)
            )
        return path

    def _sub(self, argument: str | list[Any]) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else (argument[0], self.value(argument[1]))

        def filled(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{name}}}"
            return str(local[name] if name in local else self._get_att(name) if "." in name else self._ref(name))

        return _PLACE.sub(filled, text)

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(str(item) for item in self.value(argument[1]))

    def _if(self, argument: list[Any]) -> Any:
        return self.value(argument[1] if self.holds(argument[0]) else argument[2])

    def _select(self, argument: list[Any]) -> Any:
        return self.value(argument[1])[int(self.value(argument[0]))]

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self.value(argument[1])).split(argument[0])

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = (str(self.value(item)) for item in argument[:3])
        try:
            return self.value(self._mappings[name][first][second])
        except KeyError as error:
            raise TemplateError(f"nothing in the mapping {name} at {first}, {second}") from error

    _functions: Mapping[str, Callable[[Intrinsics, Any], Any]] = {
        "Ref": _ref,
        "Fn::GetAtt": _get_att,
        "Fn::Sub": _sub,
        "Fn::Join": _join,
        "Fn::If": _if,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::FindInMap": _find_in_map,
    }
