"""CloudFormation's functions, given a value without a stack.

Parameters have their defaults or what is given. A resource has the name that it states; one without has no name yet,
so ``Ref`` of it is its logical id and ``Fn::GetAtt`` is ``LogicalId.Attribute``, and an import is the name of the
export, unless a name is given for it; recorded data points use the same names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.cloudwatch.errors import TemplateError

_PLACE = re.compile(r"\$\{(!?)([^}]+)\}")
_PSEUDO: Mapping[str, Any] = {
    "AWS::AccountId": "000000000000",
    "AWS::NotificationARNs": [],
    "AWS::Partition": "aws",
    "AWS::Region": "us-east-1",
    "AWS::StackId": "arn:aws:cloudformation:us-east-1:000000000000:stack/stack/0",
    "AWS::StackName": "stack",
    "AWS::URLSuffix": "amazonaws.com",
}
# What Ref of a resource gives where its name is its id: the property that states it.
_NAMED_BY = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CloudWatch::CompositeAlarm": "AlarmName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::ElastiCache::CacheCluster": "ClusterName",
    "AWS::ElastiCache::ReplicationGroup": "ReplicationGroupId",
    "AWS::Events::Rule": "Name",
    "AWS::Kinesis::Stream": "Name",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::RDS::DBCluster": "DBClusterIdentifier",
    "AWS::RDS::DBInstance": "DBInstanceIdentifier",
    "AWS::S3::Bucket": "BucketName",
    "AWS::Serverless::Function": "FunctionName",
    "AWS::Serverless::SimpleTable": "TableName",
}
_NO_VALUE = object()


class Intrinsics:
    """The values of one template. ``given`` are parameters by name, and resources as ``Ref`` or GetAtt names them."""

    def __init__(self, template: Mapping[str, Any], given: Mapping[str, str]) -> None:
        self._resources = template.get("Resources", {})
        self._conditions = template.get("Conditions", {})
        self._mappings = template.get("Mappings", {})
        parameters = template.get("Parameters", {})
        defaults = {name: each["Default"] for name, each in parameters.items() if "Default" in each}
        self._names: dict[str, Any] = {**_PSEUDO, **defaults, **given}
        for name in parameters.keys() & self._names.keys():
            self._names[name] = _parameter(str(parameters[name].get("Type")), self._names[name])

    def value(self, node: Any) -> Any:
        """The node without intrinsics; what is ``AWS::NoValue`` is left out. Raises TemplateError."""
        if isinstance(node, list):
            return [item for item in map(self.value, node) if item is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            if key in self._functions:
                try:
                    return self._functions[key](self, argument)
                except (TypeError, ValueError, LookupError, AttributeError) as error:
                    if isinstance(error, TemplateError):
                        raise
                    raise TemplateError(f"{key} makes nothing of {json.dumps(argument, default=str):.120}") from error
            if key.startswith("Fn::"):
                raise TemplateError(f"{key} has no value here")
        resolved = {key: self.value(item) for key, item in node.items()}
        return {key: item for key, item in resolved.items() if item is not _NO_VALUE}

    def holds(self, condition: str) -> bool:
        """Whether a condition of the template is true. Raises TemplateError."""
        if condition not in self._conditions:
            raise TemplateError(f"no condition {condition!r}")
        try:
            return self._truth(self._conditions[condition])
        except (TypeError, LookupError, AttributeError, RecursionError) as error:
            raise TemplateError(f"the condition {condition} is none that can be evaluated") from error

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
                left, right = (_text(self.value(item)) for item in argument)
                return left == right
        raise TemplateError(f"not a condition: {node!r}")

    def _ref(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in self._names:
            return self._names[name]
        if name not in self._resources:
            raise TemplateError(
                f"{name} is no resource, and a parameter without a value; give it one (--parameter {name}=VALUE)"
            )
        stated = self._stated(name, _NAMED_BY.get(self._resources[name].get("Type", ""), ""))
        return name if stated is _NO_VALUE else stated

    def _stated(self, name: str, key: str) -> Any:
        """A property of a resource as the template has it."""
        properties = self._resources[name].get("Properties", {})
        return self.value(properties[key]) if key in properties else _NO_VALUE

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
        # Where an attribute is a property too (QueueName, TopicName), what the template states is what AWS returns.
        stated = self._stated(name, attribute)
        return path if stated is _NO_VALUE else stated

    def _import(self, argument: Any) -> Any:
        export = str(self.value(argument))
        return self._names.get(export, export)

    def _sub(self, argument: str | list[Any]) -> str:
        text, local = (argument, {}) if isinstance(argument, str) else (argument[0], self.value(argument[1]))

        def filled(match: re.Match[str]) -> str:
            literal, name = match[1], match[2].strip()
            if literal:
                return f"${{{name}}}"
            return _text(local[name] if name in local else self._get_att(name) if "." in name else self._ref(name))

        return _PLACE.sub(filled, text)

    def _join(self, argument: list[Any]) -> str:
        return str(argument[0]).join(_text(item) for item in self.value(argument[1]))

    def _if(self, argument: list[Any]) -> Any:
        condition, when_true, when_false = argument
        return self.value(when_true if self.holds(condition) else when_false)

    def _select(self, argument: list[Any]) -> Any:
        index = int(self.value(argument[0]))
        if index < 0:
            raise IndexError(index)  # from the end, to Python; nothing, to CloudFormation
        return self.value(argument[1])[index]

    def _split(self, argument: list[Any]) -> list[str]:
        return str(self.value(argument[1])).split(argument[0])

    def _find_in_map(self, argument: list[Any]) -> Any:
        name, first, second = (_text(self.value(item)) for item in argument[:3])
        found = self._mappings.get(name, {}).get(first, {})
        if second in found:
            return self.value(found[second])
        if len(argument) > 3 and "DefaultValue" in argument[3]:
            return self.value(argument[3]["DefaultValue"])
        raise TemplateError(f"nothing in the mapping {name} at {first}, {second}")

    _functions: Mapping[str, Callable[[Intrinsics, Any], Any]] = {
        "Ref": _ref,
        "Fn::GetAtt": _get_att,
        "Fn::Sub": _sub,
        "Fn::Join": _join,
        "Fn::If": _if,
        "Fn::Select": _select,
        "Fn::Split": _split,
        "Fn::FindInMap": _find_in_map,
        "Fn::ImportValue": _import,
    }


def _parameter(kind: str, value: Any) -> Any:
    """A parameter's value as Ref gives it: a list for the types that are lists, else as it is written."""
    is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
    return [item.strip() for item in str(value).split(",")] if is_list and not isinstance(value, list) else value


def _text(value: Any) -> str:
    """As CloudFormation compares and joins it: what YAML reads as a truth is the word again."""
    return str(value).lower() if isinstance(value, bool) else str(value)
