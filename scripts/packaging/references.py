"""Find what a piece of a template refers to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scripts.packaging.intrinsics import VARIABLE
from scripts.packaging.parts import Location


@dataclass(frozen=True, slots=True)
class Reference:
    """``by`` is Ref, Fn::GetAtt, Fn::Sub, Fn::FindInMap, Condition or DependsOn; ``attribute`` None but for GetAtt."""

    location: Location
    by: str
    name: str
    attribute: str | None = None


def references(node: Any, location: Location = ()) -> Iterator[Reference]:
    """Every reference under ``node`` to a parameter, resource or mapping; conditions are left to ``conditions_in``."""
    if isinstance(node, list):
        for index, inner in enumerate(node):
            yield from references(inner, (*location, index))
    elif isinstance(node, dict) and len(node) == 1 and next(iter(node)) in _READERS:
        name, argument = next(iter(node.items()))
        yield from _READERS[name](argument, (*location, name))
    elif isinstance(node, dict):
        for key, inner in node.items():
            yield from references(inner, (*location, key))


def conditions_in(node: Any, location: Location = ()) -> Iterator[Reference]:
    """Every condition that an ``Fn::If`` under ``node`` asks for."""
    if isinstance(node, list | dict):
        for key, inner in node.items() if isinstance(node, dict) else enumerate(node):
            if key == "Fn::If" and isinstance(inner, list) and isinstance(inner[0], str):
                yield Reference((*location, key), "Fn::If", inner[0])
            yield from conditions_in(inner, (*location, key))


def resource_names(node: Any) -> set[str]:
    """The names that ``node`` refers to; SAM's ``Fn.Alias`` and ``Fn.Version`` count as Fn."""
    return {reference.name.partition(".")[0] for reference in references(node)}


def _ref(argument: Any, location: Location) -> Iterator[Reference]:
    yield Reference(location, "Ref", str(argument))


def _get_att(argument: Any, location: Location) -> Iterator[Reference]:
    name, attribute = argument if isinstance(argument, list) else argument.split(".", 1)
    if isinstance(attribute, dict):  # {"Fn::GetAtt": ["Database", {"Ref": "Which"}]}
        yield from references(attribute, location)
        attribute = None
    yield Reference(location, "Fn::GetAtt", str(name), attribute)


def _sub(argument: Any, location: Location) -> Iterator[Reference]:
    text, given = (argument, {}) if isinstance(argument, str) else argument
    yield from references(given, location)
    for literal, variable in VARIABLE.findall(text):
        if not literal and variable not in given:
            name, _, attribute = variable.partition(".") if not variable.startswith("AWS::") else (variable, "", "")
            yield Reference(location, "Fn::Sub", name, attribute or None)


def _find_in_map(argument: Any, location: Location) -> Iterator[Reference]:
    yield Reference(location, "Fn::FindInMap", str(argument[0]))
    yield from references(list(argument[1:]), location)


_READERS = {"Ref": _ref, "Fn::GetAtt": _get_att, "Fn::Sub": _sub, "Fn::FindInMap": _find_in_map}
