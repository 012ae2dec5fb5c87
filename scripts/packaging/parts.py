"""Read a hand-written part of the template, remembering on which line each property stands.

Two tags of our own exist beside CloudFormation's short ones, since a merge alone can neither take a list's place nor
remove anything:

    Key: !Replace [a, b]     what Chalice wrote here gives way to this (needed for lists, and for whole mappings)
    Key: !Remove             what Chalice wrote here is taken out
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from scripts.packaging.problems import PackagingError, Problem

Location = tuple[str | int, ...]
_UNPREFIXED = {"Ref", "Condition"}
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where PyYAML has it, is ten times as fast
_STANDARD = "tag:yaml.org,2002:"


@dataclass(frozen=True, slots=True)
class Replace:
    """A value that takes the place of what is there; an error where nothing is."""

    value: Any


@dataclass(frozen=True, slots=True)
class Remove:
    """Takes away what is there; an error where nothing is."""


@dataclass(frozen=True, slots=True)
class Part:
    """One file, not to be changed. ``lines`` maps the location of every key and item to its line."""

    name: str
    body: dict[str, Any]
    lines: dict[Location, int] = field(default_factory=dict)

    def where(self, location: Location) -> str:
        while location and location not in self.lines:
            location = location[:-1]
        line = self.lines.get(location)
        return f"{self.name}:{line}" if line else self.name


def read_part(path: Path, name: str | None = None) -> Part:
    """Raises PackagingError for text that is no YAML, a key written twice (YAML would keep the last), a merge key."""
    try:
        return _parse(path.read_text(encoding="utf-8"), name or path.name)
    except UnicodeDecodeError as error:
        raise PackagingError([Problem(name or path.name, "not UTF-8", str(error))]) from None


@lru_cache(maxsize=64)  # the same parts make every stage
def _parse(text: str, name: str) -> Part:
    part = Part(name, {})
    try:
        node = yaml.compose(text, Loader=_LOADER)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise PackagingError([Problem(f"{part.name}:{line}", "not YAML", str(error.problem))]) from None
    except yaml.YAMLError as error:  # a character that YAML does not allow, which has no mark
        raise PackagingError([Problem(part.name, "not YAML", str(error).splitlines()[0])]) from None
    body = _Reader(part).value(node, ()) if node else {}
    if not isinstance(body, dict):
        raise PackagingError([Problem(part.name, "whole file", "must be a mapping with Resources, Parameters, ...")])
    part.body.update(body)
    return part


class _Reader:
    def __init__(self, part: Part) -> None:
        self._part = part
        self._scalars = yaml.SafeLoader("")

    def value(self, node: yaml.Node, location: Location) -> Any:
        self._part.lines.setdefault(location, node.start_mark.line + 1)
        if node.tag == "!Remove":
            return Remove()
        if node.tag == "!Replace":
            return Replace(self._plain(node, location))
        if node.tag.startswith("!"):
            return self._intrinsic(node, location)
        return self._plain(node, location)

    def _intrinsic(self, node: yaml.Node, location: Location) -> dict[str, Any]:
        name = node.tag[1:]
        key = name if name in _UNPREFIXED else f"Fn::{name}"
        inner = self._plain(node, (*location, key))
        if name == "GetAtt" and isinstance(inner, str):
            inner = inner.split(".", 1)
        return {key: inner}

    def _plain(self, node: yaml.Node, location: Location) -> Any:
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, location: Location) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            where = f"{self._part.name}:{line}"
            if key_node.tag == _STANDARD + "merge":
                raise PackagingError([Problem(where, "<<", "CloudFormation knows no merge keys: write it out")])
            if key in found:
                path = ".".join(map(str, (*location, key)))
                raise PackagingError([Problem(where, path, "is written twice; YAML would silently keep the last")])
            self._part.lines[(*location, key)] = line
            found[key] = self.value(value_node, (*location, key))
        return found

    def _scalar(self, node: yaml.Node) -> Any:
        tag = node.tag
        if tag.startswith("!"):  # the text of a short tag is typed as if the tag were not there
            tag = self._scalars.resolve(yaml.ScalarNode, node.value, (not node.style, False))
        if tag == _STANDARD + "timestamp":  # "Version: 2012-10-17" means the text
            return node.value
        return self._scalars.construct_object(yaml.ScalarNode(tag, node.value), deep=True)
