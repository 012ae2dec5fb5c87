"""The template as CloudFormation sees it: after the SAM macro, and with a stage's parameters and conditions decided."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from samtranslator.model.exceptions import InvalidDocumentException
from samtranslator.parser.parser import Parser
from samtranslator.translator.arn_generator import ArnGenerator
from samtranslator.translator.translator import Translator

from scripts.packaging.intrinsics import ABSENT, Evaluator
from scripts.packaging.problems import PackagingError, Problem

REGION = "us-east-1"
ACCOUNT = "123456789012"  # AWS's own example; nothing depends on it
logging.getLogger("samtranslator").setLevel(logging.ERROR)  # it warns of feature toggles that it lacks itself
_SUFFIXES = {"aws-cn": "amazonaws.com.cn"}


def transform(template: Mapping[str, Any], parameters: Mapping[str, str], region: str = REGION) -> dict[str, Any]:
    """Pure CloudFormation, as the macro AWS::Serverless makes it; ``template`` is left alone.

    Raises PackagingError with everything that the macro refuses.
    """
    # What the macro does with a region is to pick the partition for ARNs of its own; it asks nothing of AWS.
    session = SimpleNamespace(region_name=region)
    translator = Translator({}, Parser(), boto_session=session)
    try:
        return dict(translator.translate(copy.deepcopy(dict(template)), parameter_values=dict(parameters)))
    except InvalidDocumentException as error:
        raise PackagingError([Problem("SAM", "template", cause.message) for cause in error.causes]) from None
    finally:
        ArnGenerator.BOTO_SESSION_REGION_NAME = None


def resolve(template: Mapping[str, Any], parameters: Mapping[str, str], region: str = REGION) -> dict[str, Any]:
    """What would be deployed with these parameters in this region.

    Absent resources and outputs are gone, and what is known is folded in. What refers to a resource stays
    ``{"Ref": id}``, ``{"Fn::GetAtt": [id, attribute]}`` or ``{"Fn::Sub": text}`` with only resources in its braces.
    """
    evaluator = evaluator_of(template, parameters, region)
    resolved: dict[str, Any] = {"AWSTemplateFormatVersion": "2010-09-09"}
    for section in ("Resources", "Outputs"):
        resolved[section] = {
            name: _without_condition(evaluator.value({**entry}))
            for name, entry in template.get(section, {}).items()
            if "Condition" not in entry or evaluator.holds(entry["Condition"])
        }
    for resource in resolved["Resources"].values():
        _drop_absent_dependencies(resource, resolved["Resources"])
    return resolved


def evaluator_of(template: Mapping[str, Any], parameters: Mapping[str, str], region: str = REGION) -> Evaluator:
    """Knows the parameters' values (given or default, typed as declared), the pseudo parameters and the conditions."""
    values = {}
    for name, declared in template.get("Parameters", {}).items():
        value = parameters.get(name, declared.get("Default"))
        if value is not None and not str(declared["Type"]).startswith("AWS::SSM::"):
            values[name] = _typed(value, declared["Type"])
    return Evaluator(
        parameters=values,
        pseudo=_pseudo(region, str(parameters.get("Stage", "stack"))),
        conditions=template.get("Conditions", {}),
        mappings=template.get("Mappings", {}),
    )


def _typed(value: Any, kind: str) -> Any:
    if kind == "CommaDelimitedList" or kind.startswith("List<"):
        return [item.strip() for item in str(value).split(",")]
    if kind == "Number":
        return float(value) if "." in str(value) else int(value)
    return str(value)


def _pseudo(region: str, stage: str) -> dict[str, Any]:
    partition = {"cn": "aws-cn", "us-gov": "aws-us-gov"}.get(region.rsplit("-", 2)[0], "aws")
    name = f"defi-stream-{stage}"
    return {
        "AWS::Region": region,
        "AWS::Partition": partition,
        "AWS::AccountId": ACCOUNT,
        "AWS::URLSuffix": _SUFFIXES.get(partition, "amazonaws.com"),
        "AWS::StackName": name,
        "AWS::StackId": f"arn:{partition}:cloudformation:{region}:{ACCOUNT}:stack/{name}/id",
        "AWS::NotificationARNs": [],
    }


def _without_condition(entry: Any) -> dict[str, Any]:
    return {} if entry is ABSENT else {key: value for key, value in entry.items() if key != "Condition"}


def _drop_absent_dependencies(resource: dict[str, Any], present: Mapping[str, Any]) -> None:
    named = resource.get("DependsOn")
    if named is None:
        return
    kept = [name for name in ([named] if isinstance(named, str) else named) if name in present]
    resource["DependsOn"] = kept
    if not kept:
        del resource["DependsOn"]
