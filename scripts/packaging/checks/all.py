"""Run every check: first on what was written, then, if that is in order, on what it makes."""

from __future__ import annotations

from collections.abc import Mapping

from scripts.packaging.checks.cycles import check_cycles
from scripts.packaging.checks.invocations import check_aliases, check_event_sources
from scripts.packaging.checks.limits import check_limits, uses
from scripts.packaging.checks.parameters import check_parameters
from scripts.packaging.checks.references import check_present, check_references
from scripts.packaging.checks.spelling import check_spelling
from scripts.packaging.merge import Merged
from scripts.packaging.problems import PackagingError, Problem
from scripts.packaging.transform import resolve, transform

# CloudFront's own resources exist in the first only, so each is another template.
REGIONS = ("us-east-1", "eu-central-1")


def check_sources(merged: Merged, parameters: Mapping[str, str], parameters_file: str) -> list[Problem]:
    """What is wrong with the merge, its references and the stage's values, each with its file and line."""
    declared = merged.template.get("Parameters", {})
    return [
        *merged.problems,
        *check_references(merged),
        *check_spelling(merged),
        *check_parameters(declared, parameters, parameters_file, merged.owners),
    ]


def check_result(merged: Merged, parameters: Mapping[str, str]) -> list[Problem]:
    """What is wrong with what CloudFormation would make of a template whose sources are in order."""
    try:
        transformed = transform(merged.template, parameters)
    except PackagingError as error:
        return list(error.problems)
    absent = [
        problem
        for region in REGIONS
        for problem in check_present(merged, resolve(transformed, parameters, region), region)
    ]
    resolved = resolve(transformed, parameters)
    return [
        *absent,
        *check_cycles(transformed, merged.owners),
        *check_aliases(resolved, merged.owners),
        *check_event_sources(resolved, merged.owners),
        *check_limits(uses(merged.template, transformed)),
    ]
