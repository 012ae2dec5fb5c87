"""Merge the hand-written parts over Chalice's template, and know of every property which file it came from.

- A name belongs to one file: defining a parameter, condition, mapping, output or resource twice is an error.
- A resource without ``Type`` is an *overlay*: it changes one that Chalice wrote, only ``OVERLAY`` may hold any, and
  one that meets no resource is an error. Mappings merge key by key, everything else takes the old value's place, but
  never a list's without ``!Replace``; ``!Remove`` takes out a property, a resource or an output.
- Metadata lists (the groups in which the console shows parameters) are joined in the order of the files.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from scripts.packaging.origins import Origins
from scripts.packaging.parts import Location, Part, Remove, Replace
from scripts.packaging.problems import Problem

OVERLAY = "functions.yaml"  # the only file that knows Chalice's logical ids
NAMED_SECTIONS = ("Parameters", "Mappings", "Conditions", "Rules", "Outputs", "Resources")
OTHER_SECTIONS = ("AWSTemplateFormatVersion", "Description", "Metadata", "Globals", "Transform")


@dataclass(slots=True)
class Merged:
    """``problems`` is what would make a wrong template; ``owners``: (section, name) -> file that defines it."""

    source: str
    template: dict[str, Any]
    origins: Origins = field(default_factory=Origins)
    owners: dict[tuple[str, str], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def complain(self, where: str, location: Location, what: str) -> None:
        self.problems.append(Problem(where, ".".join(map(str, location[1:] or location)), what))

    def record(self, location: Location, value: Any, source: str) -> None:
        """Everything under ``location`` now comes from ``source``."""
        for old in self.origins.under(location):
            del self.origins[old]
        for leaf, _ in leaves(value, location):
            self.origins[leaf] = source


def leaves(value: Any, location: Location) -> Iterable[tuple[Location, Any]]:
    """Each scalar, empty container and intrinsic function under ``value``: what has one origin."""
    if isinstance(value, dict) and value and not is_intrinsic(value):
        for key, inner in value.items():
            yield from leaves(inner, (*location, key))
    elif isinstance(value, list) and value:
        for index, inner in enumerate(value):
            yield from leaves(inner, (*location, index))
    else:
        yield location, value


def is_intrinsic(value: Any) -> bool:
    """A call of a CloudFormation function, which is replaced as a whole and never merged into."""
    return isinstance(value, dict) and len(value) == 1 and (next(iter(value)) in ("Ref", "Condition") or _is_fn(value))


def _is_fn(value: dict[str, Any]) -> bool:
    return next(iter(value)).startswith("Fn::")


def merge(base: dict[str, Any], source: str, parts: Iterable[Part]) -> Merged:
    """``base`` is changed. What is wrong is gathered in ``problems``; the template then holds what could be merged."""
    merged = Merged(source, base)
    merged.record((), base, source)
    for section in NAMED_SECTIONS:
        merged.owners.update({(section, name): source for name in base.get(section, {})})
    for part in parts:
        for section, content in part.body.items():
            if section in NAMED_SECTIONS and not isinstance(content, dict | None):
                merged.complain(part.where((section,)), (section,), "must be a mapping from names")
            elif section in NAMED_SECTIONS:
                for name, value in (content or {}).items():
                    _add_named(merged, part, (section, name), value)
            elif section in OTHER_SECTIONS:
                _add_other(merged, part, section, content)
            else:
                merged.complain(part.where((section,)), (section,), "is no section of a template")
    return merged


def _add_named(merged: Merged, part: Part, location: tuple[str, str], value: Any) -> None:
    section, name = location
    where = part.where(location)
    existing = merged.template.setdefault(section, {})
    owner = merged.owners.get(location)
    is_overlay = isinstance(value, Remove | Replace) or (section == "Resources" and "Type" not in (value or {}))
    if not isinstance(value, dict | Remove | Replace):
        merged.complain(where, location, "must be a mapping; there is nothing in it, or no key")
    elif is_overlay and part.name.rpartition("/")[2] != OVERLAY:
        merged.complain(where, location, f"has no Type; only {OVERLAY} may change what Chalice wrote")
    elif is_overlay and owner != merged.source:
        merged.complain(where, location, _hits_nothing(merged, section, name))
    elif is_overlay:
        _overlay(merged, part, existing, location, value)
    elif owner is not None:
        merged.complain(where, location, f"is defined by {owner} too; rename one (an overlay has no Type)")
    else:
        merged.owners[location] = where.partition(":")[0]
        existing[name] = _plain(merged, part, location, value)
        _record_part(merged, part, location, existing[name])


def _hits_nothing(merged: Merged, section: str, name: str) -> str:
    written = [known for (kind, known), owner in merged.owners.items() if kind == section and owner == merged.source]
    close = difflib.get_close_matches(name, written, n=3, cutoff=0.5) or sorted(written)
    return f"hits nothing: Chalice writes no such {section[:-1].lower()}; there is {', '.join(close)}"


def _add_other(merged: Merged, part: Part, section: str, content: Any) -> None:
    if section == "AWSTemplateFormatVersion":
        return  # the same in all
    there = merged.template.get(section)
    if section == "Metadata":
        merged.template[section] = _join(there or {}, content)
    elif there is not None and there != content:
        merged.complain(part.where((section,)), (section,), "is set by another file already; keep it in one")
        return
    else:
        merged.template[section] = _plain(merged, part, (section,), content)
    _record_part(merged, part, (section,), content)


def _join(there: Any, added: Any) -> Any:
    if isinstance(there, dict) and isinstance(added, dict):
        return {**there, **{key: _join(there[key], new) if key in there else new for key, new in added.items()}}
    return there + added if isinstance(there, list) and isinstance(added, list) else added


def _overlay(merged: Merged, part: Part, holder: dict[Any, Any], location: Location, value: Any) -> None:
    """Apply ``value`` to ``holder[key]``, key being the location's last."""
    key, where = location[-1], part.where(location)
    there = holder.get(key)
    if isinstance(value, Remove | Replace) and key not in holder:
        merged.complain(where, location, "there is nothing here to remove or to replace; leave the tag out")
    elif isinstance(value, Remove):
        del holder[key]
        merged.record(location, {}, where)
        del merged.origins[location]
    elif isinstance(value, Replace):
        holder[key] = _plain(merged, part, location, value.value)
        _record_part(merged, part, location, holder[key])
    elif isinstance(value, dict) and isinstance(there, dict) and not is_intrinsic(value) and not is_intrinsic(there):
        for inner in value:
            _overlay(merged, part, there, (*location, inner), value[inner])
    elif isinstance(there, list | dict) and there and not is_intrinsic(there) and there != value:
        kind = "list" if isinstance(there, list) else "mapping"
        merged.complain(where, location, f"would silently replace Chalice's {kind}; write !Replace if that is meant")
    else:
        holder[key] = _plain(merged, part, location, value)
        _record_part(merged, part, location, holder[key])


def _plain(merged: Merged, part: Part, location: Location, value: Any) -> Any:
    """``value`` without tags of ours, which have no meaning in what is new."""
    if isinstance(value, Remove | Replace):
        merged.complain(part.where(location), location, "there is nothing here to remove or to replace")
        return value.value if isinstance(value, Replace) else None
    if isinstance(value, dict):
        return {key: _plain(merged, part, (*location, key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_plain(merged, part, (*location, index), inner) for index, inner in enumerate(value)]
    return value


def _record_part(merged: Merged, part: Part, location: Location, value: Any) -> None:
    merged.record(location, value, part.where(location))
    for leaf, _ in leaves(value, location):
        merged.origins[leaf] = part.where(leaf)
