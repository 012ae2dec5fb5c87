"""What a change set would do, in words: what is added, changed, replaced and deleted, and why.

CloudFormation says "Conditional" of a replacement that depends on a value it does not know yet. So does every resource
that names an attribute of one that is changed at all: with a release's new tag on a key, a database encrypted by it
would be "conditionally" replaced. A conditional replacement counts as one, unless nothing that could cause it is left:
by the resource type's own schema the property can be changed in place, or its value is what names a resource (its ARN,
its id) which this change set leaves where it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from scripts.packaging.schemas import replacing_properties

# Attributes by which others know a resource: they last as long as it does.
IDENTITIES = frozenset(
    {
        "AlarmArn",
        "Alias",
        "AllocationId",
        "Arn",
        "DomainName",
        "Endpoint.Address",
        "GroupId",
        "Id",
        "KeyId",
        "Name",
        "PrimaryEndPoint.Address",
        "QueueName",
        "QueueUrl",
        "RegionalDomainName",
        "RestApiId",
        "RootResourceId",
        "TableName",
        "TopicArn",
        "TopicName",
        "VpcId",
    }
)


class Fate(StrEnum):
    """What becomes of a resource."""

    ADDED = "added"
    CHANGED = "changed"
    TAGGED = "tags only"
    SAME = "as it was"  # looked at by CloudFormation because of what it names, which stays
    REPLACED = "replaced"
    PERHAPS = "perhaps replaced"
    DELETED = "deleted"


VERSION = "AWS::Lambda::Version"
_FOLDED = (Fate.TAGGED, Fate.SAME)
_TAGS = ("Tags", "ResourceTags")


@dataclass(frozen=True, slots=True)
class Cause:
    """Why one property changes. ``entity`` is ``Resource.Attribute`` or a parameter, if it is not the text itself."""

    property: str
    recreates: bool
    is_certain: bool
    entity: str = ""
    source: str = ""

    def is_answered(self, staying: set[str]) -> bool:
        """Whether it can be ruled out that the value changes, given the resources that are not replaced."""
        resource, _, attribute = self.entity.partition(".")
        names_it = self.source == "ResourceReference" or (
            self.source == "ResourceAttribute" and attribute in IDENTITIES
        )
        return not self.is_certain and names_it and resource in staying

    def __str__(self) -> str:
        return f"{self.property} ({self.entity})" if self.entity else self.property


@dataclass(frozen=True, slots=True)
class Change:
    """One resource in a change set. ``policy`` is what becomes of the old one, such as Retain, if that is said."""

    fate: Fate
    logical_id: str
    type: str
    causes: Sequence[Cause] = ()
    policy: str = ""

    @property
    def replaces(self) -> bool:
        return self.fate in (Fate.REPLACED, Fate.PERHAPS)

    @property
    def properties(self) -> list[str]:
        """Which change; of a replacement those that cause it. Tags only where there is nothing else to tell."""
        decisive = [cause for cause in self.causes if cause.property not in _TAGS]
        if self.replaces:
            decisive = [cause for cause in decisive if cause.recreates]
        return list(dict.fromkeys(str(cause) for cause in decisive or self.causes))

    def as_json(self) -> dict[str, Any]:
        told = {"fate": str(self.fate), "resource": self.logical_id, "type": self.type, "because": self.properties}
        return {**told, **({"policy": self.policy} if self.policy else {})}


def read_changes(listed: Iterable[Mapping[str, Any]]) -> list[Change]:
    """Of ``Changes`` as DescribeChangeSet gives them."""
    return decided([_read(one["ResourceChange"]) for one in listed if "ResourceChange" in one])


def decided(changes: Sequence[Change]) -> list[Change]:
    """With every "perhaps" taken back that is answered by what stays, and what depends on those in turn."""
    now = list(changes)
    while True:
        leaving = {change.logical_id for change in now if change.replaces or change.fate is Fate.DELETED}
        staying = {change.logical_id for change in now} - leaving
        settled = [_settled(change, staying) for change in now]
        if settled == now:
            return now
        now = settled


def _settled(change: Change, staying: set[str]) -> Change:
    if change.fate not in (Fate.PERHAPS, Fate.CHANGED) or not change.causes:
        return change
    left = tuple(cause for cause in change.causes if not cause.is_answered(staying))
    if change.fate is Fate.PERHAPS and any(_may_replace(change.type, cause) for cause in left):
        return change
    return replace(change, causes=left, fate=_in_place(left))


def _may_replace(kind: str, cause: Cause) -> bool:
    """By what CloudFormation says, and by the schema of the type, if there is one."""
    replacing = replacing_properties(kind) if cause.recreates else set()
    return cause.recreates and (replacing is None or cause.property in replacing)


def _in_place(causes: Sequence[Cause]) -> Fate:
    if not causes:
        return Fate.SAME
    return Fate.TAGGED if all(cause.property in _TAGS for cause in causes) else Fate.CHANGED


def _read(change: Mapping[str, Any]) -> Change:
    causes = [cause for detail in change.get("Details", []) if (cause := _cause(detail)) is not None]
    what = change["LogicalResourceId"], change["ResourceType"], tuple(causes), change.get("PolicyAction", "")
    match change["Action"], change.get("Replacement"):
        case "Add" | "Import", _:
            return Change(Fate.ADDED, *what)
        case "Remove", _:
            return Change(Fate.DELETED, *what)
        case _, "True":
            return Change(Fate.REPLACED, *what)
        case "Dynamic", _:  # CloudFormation itself cannot tell what it will do
            return Change(Fate.PERHAPS, *what)
        case _, "Conditional":
            return Change(Fate.PERHAPS, *what)
        case _:
            return Change(_in_place(causes) if causes else Fate.CHANGED, *what)


def _cause(detail: Mapping[str, Any]) -> Cause | None:
    """None for one whose value is the same before and after."""
    target = detail.get("Target", {})
    before, after = target.get("BeforeValue"), target.get("AfterValue")
    if before is not None and before == after:
        return None
    attribute = target.get("Attribute", "")
    return Cause(
        property=target.get("Name") or attribute,
        recreates=target.get("RequiresRecreation", "Never") != "Never",
        is_certain=detail.get("Evaluation") != "Dynamic",
        entity=detail.get("CausingEntity", ""),
        source=detail.get("ChangeSource", ""),
    )


def as_text(changes: Sequence[Change], *, verbose: bool = False) -> list[str]:
    """A line for each that matters: what is replaced and deleted first.

    Unless ``verbose``, tags are counted, and the versions that every release brings and leaves are summed up.
    """
    published = [one for one in changes if one.type == VERSION and one.fate is Fate.ADDED]
    left = [one for one in changes if one.type == VERSION and one.fate is Fate.DELETED and "Retain" in one.policy]
    order = (Fate.DELETED, Fate.REPLACED, Fate.PERHAPS, Fate.ADDED, Fate.CHANGED, *_FOLDED)
    listed = list(changes) if verbose else [one for one in changes if one not in (*published, *left)]
    lines = []
    if published and not verbose:
        functions = sorted(one.logical_id.rpartition("Version")[0] for one in published)
        lines.append(f"{'new version':<17} {', '.join(functions)}")
    if left and not verbose:
        lines.append(f"{'kept in Lambda':<17} {len(left)} versions that leave the stack")
    for fate in order:
        of_fate = sorted((one for one in listed if one.fate is fate), key=lambda one: (one.type, one.logical_id))
        if fate in _FOLDED and of_fate and not verbose:
            lines.append(f"{fate:<17} {len(of_fate)} resources")
            continue
        lines += [_line(one) for one in of_fate]
    return lines


def _line(change: Change) -> str:
    because = f": {', '.join(change.properties)}" if change.properties else ""
    kept = f" [{change.policy}]" if change.policy else ""
    return f"{change.fate:<17} {change.type} {change.logical_id}{because}{kept}"


def counted(changes: Sequence[Change]) -> str:
    """In a few words, such as "3 added, 12 changed"."""
    numbers = [(sum(one.fate is fate for one in changes), fate) for fate in Fate]
    return ", ".join(f"{number} {fate}" for number, fate in numbers if number) or "nothing"
