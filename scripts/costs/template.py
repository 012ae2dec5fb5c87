"""What the model asks of a resolved template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

Properties = Mapping[str, Any]


@dataclass(frozen=True)
class Template:
    """The resources of a stage: conditions decided, parameters folded in, references left."""

    resources: Mapping[str, Mapping[str, Any]]

    def of_type(self, kind: str) -> dict[str, Properties]:
        """Properties by logical id, in alphabetical order."""
        found = {name: body.get("Properties", {}) for name, body in self.resources.items() if body["Type"] == kind}
        return dict(sorted(found.items()))

    def has(self, kind: str) -> bool:
        return bool(self.of_type(kind))

    @cached_property
    def functions(self) -> dict[str, Properties]:
        return self.of_type("AWS::Lambda::Function")

    @cached_property
    def readers(self) -> dict[str, Properties]:
        """Event source mappings by the logical id of the function that reads, through its alias or not."""
        return {self._function_of(body): body for body in self.of_type("AWS::Lambda::EventSourceMapping").values()}

    def _function_of(self, mapping: Properties) -> str:
        name = str(mapping["FunctionName"]["Ref"])
        aliases = self.of_type("AWS::Lambda::Alias")
        return str(aliases[name]["FunctionName"]["Ref"]) if name in aliases else name


def handler_of(function: Properties) -> str:
    """The handler's name in app.py, `deliver` say; `app` is the REST API."""
    return str(function["Handler"]).rpartition(".")[2]
