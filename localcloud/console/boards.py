"""The dashboards of the template, as CloudWatch would get them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from localcloud.cloudwatch.errors import TemplateError
from localcloud.cloudwatch.intrinsics import Intrinsics

COLUMNS = 24
DEFAULT_PERIOD_S = 300  # CloudWatch's, for a widget without one


@dataclass(frozen=True, slots=True)
class Dashboard:
    """``widgets`` are those of its JSON, untouched."""

    name: str
    widgets: Sequence[Mapping[str, Any]]


def read_dashboards(template: Mapping[str, Any], parameters: Mapping[str, str]) -> list[Dashboard]:
    """Every dashboard of a template, in its order. Raises TemplateError for a body that is no JSON."""
    intrinsics = Intrinsics(template, parameters)
    return list(_dashboards(template, intrinsics))


def _dashboards(template: Mapping[str, Any], intrinsics: Intrinsics) -> Iterator[Dashboard]:
    for logical_id, resource in template["Resources"].items():
        if resource.get("Type") != "AWS::CloudWatch::Dashboard":
            continue
        if "Condition" in resource and not intrinsics.holds(resource["Condition"]):
            continue
        properties = intrinsics.value(resource["Properties"])
        try:
            body = json.loads(properties["DashboardBody"])
            yield Dashboard(str(properties.get("DashboardName", logical_id)), body["widgets"])
        except (ValueError, KeyError, TypeError) as error:
            raise TemplateError(f"{logical_id}: its DashboardBody is not a dashboard: {error!r}") from error
