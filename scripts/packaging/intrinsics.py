"""Evaluate CloudFormation's intrinsic functions as far as they can be before anything is deployed.

Parameters, pseudo parameters, mappings and conditions are known; what refers to a resource stays as it is.
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any

ABSENT = object()  # AWS::NoValue
VARIABLE = re.compile(r"\$\{(!?)([^}!]+)\}")


class Evaluator:
    """``parameters`` and ``pseudo`` hold values, ``conditions`` and ``mappings`` the template's sections."""

    def __init__(
        self,
        *,
        parameters: Mapping[str, Any],
        pseudo: Mapping[str, Any],
        conditions: Mapping[str, Any],
        mappings: Mapping[str, Any],
    ) -> None:
        self._known = {**pseudo, **parameters}
        self._conditions = conditions
        self._mappings = mappings
        self._region = str(pseudo["AWS::Region"])
        self._functions: dict[str, Callable[[Any], Any]] = {
            "Ref": self._ref,
            "Fn::If": self._if,
            "Fn::Sub": self._sub,
            "Fn::Join": self._join,
            "Fn::Select": self._select,
            "Fn::Split": self._split,
            "Fn::FindInMap": self._find_in_map,
            "Fn::GetAZs": self._zones,
            "Fn::Cidr": self._cidr,
            "Fn::Base64": self._base64,
            "Fn::GetAtt": lambda argument: {"Fn::GetAtt": _split_attribute(argument)},
        }

    def value(self, node: Any) -> Any:
        """``node`` with all that is known folded in; ABSENT for AWS::NoValue."""
        if isinstance(node, list):
            return [inner for inner in map(self.value, node) if inner is not ABSENT]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            name, argument = next(iter(node.items()))
            if name in self._functions:
                return self._functions[name](argument)
        folded = ((key, self.value(inner)) for key, inner in node.items())
        return {key: inner for key, inner in folded if inner is not ABSENT}

    def holds(self, condition: Any) -> bool:
        """Whether a condition, by name or as an expression, is true. Raises KeyError for a name that is not there."""
        if isinstance(condition, str):
            return self.holds(self._conditions[condition])
        name, argument = next(iter(condition.items()))
        if name == "Condition":
            return self.holds(argument)
        if name == "Fn::Equals":
            left, right = map(self.value, argument)
            return _text(left) == _text(right)
        if name == "Fn::Not":
            return not self.holds(argument[0])
        if name in ("Fn::And", "Fn::Or"):
            return (all if name == "Fn::And" else any)(map(self.holds, argument))
        raise KeyError(f"{name} is no condition function")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return ABSENT
        return self._known.get(name, {"Ref": name})

    def _if(self, argument: list[Any]) -> Any:
        condition, yes, no = argument
        return self.value(yes if self.holds(condition) else no)

    def _sub(self, argument: Any) -> Any:
        text, given = (argument, {}) if isinstance(argument, str) else argument
        values = {name: self.value(inner) for name, inner in given.items()}
        kept: dict[str, Any] = {}
        folded = VARIABLE.sub(lambda match: self._variable(match, values, kept), text)
        if kept:
            return {"Fn::Sub": [folded, kept]}
        unknown = any(not bang for bang, _ in VARIABLE.findall(folded))
        return {"Fn::Sub": folded} if unknown else folded.replace("${!", "${")

    def _variable(self, match: re.Match[str], values: Mapping[str, Any], kept: dict[str, Any]) -> str:
        literal, name = match.groups()
        if literal:
            return match.group()
        value = values.get(name, self._known.get(name))
        if value is None:
            return match.group()
        if isinstance(value, dict) and "Ref" in value:
            return f"${{{value['Ref']}}}"
        if isinstance(value, dict) and "Fn::GetAtt" in value:
            return f"${{{'.'.join(value['Fn::GetAtt'])}}}"
        if isinstance(value, dict | list):
            kept[name] = value
            return match.group()
        return _text(value)

    def _join(self, argument: list[Any]) -> Any:
        delimiter, items = argument[0], self.value(argument[1])
        if isinstance(items, list) and not any(isinstance(item, dict | list) for item in items):
            return str(delimiter).join(map(_text, items))
        return {"Fn::Join": [delimiter, items]}

    def _select(self, argument: list[Any]) -> Any:
        index, items = self.value(argument[0]), self.value(argument[1])
        if isinstance(items, list) and not isinstance(index, dict):
            return items[int(index)]
        return {"Fn::Select": [index, items]}

    def _split(self, argument: list[Any]) -> Any:
        text = self.value(argument[1])
        return text.split(argument[0]) if isinstance(text, str) else {"Fn::Split": [argument[0], text]}

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = map(self.value, argument[:3])
        return self.value(self._mappings[name][_text(first)][_text(second)])

    def _zones(self, argument: Any) -> Any:
        region = self.value(argument) or self._region
        return [f"{region}{letter}" for letter in "abc"]

    def _cidr(self, argument: list[Any]) -> Any:
        block, count, bits = self.value(argument[0]), int(self.value(argument[1])), int(self.value(argument[2]))
        if isinstance(block, dict):
            return {"Fn::Cidr": [block, count, bits]}
        network = ipaddress.ip_network(block)
        subnets = network.subnets(new_prefix=network.max_prefixlen - bits)
        return [str(next(subnets)) for _ in range(count)]

    def _base64(self, argument: Any) -> Any:
        text = self.value(argument)
        return base64.b64encode(text.encode()).decode() if isinstance(text, str) else {"Fn::Base64": text}


def _split_attribute(argument: Any) -> list[Any]:
    return argument.split(".", 1) if isinstance(argument, str) else list(argument)


def _text(value: Any) -> str:
    """As CloudFormation writes a value into a text."""
    return str(value).lower() if isinstance(value, bool) else str(value)
