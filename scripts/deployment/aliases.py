"""Which version of each function serves, and how to make it another one at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from scripts.deployment.errors import RefusedError, StackError
from scripts.deployment.records import Record
from scripts.deployment.stack import StackResource

ALIAS = "AWS::Lambda::Alias"
KEPT_RELEASES = 10  # whose versions stay, to go back to
LOOK_S = 5.0
STARTING_S = 300.0  # for environments that are kept warm: one to two minutes, AWS says


@dataclass(frozen=True, slots=True)
class Pointer:
    """An alias: the version that it names, and the share of calls that go to another one."""

    function: str
    alias: str
    version: str
    weights: Mapping[str, float]

    def __str__(self) -> str:
        shares = [f"{share:.0%} to {version}" for version, share in self.weights.items()]
        return f"{self.function} {', '.join([f'version {self.version}', *shares])}"


class Aliases:
    """Those of one stack's functions."""

    def __init__(
        self, client: Any, resources: Iterable[StackResource], *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._sleep = sleep
        self.names = [_named(each.physical_id) for each in resources if each.type == ALIAS and each.physical_id]

    def read(self) -> list[Pointer]:
        """All of them, as they are now."""
        return self._each(self._read, self.names)

    def serving(self) -> dict[str, str]:
        """The version of each function."""
        return {pointer.function: pointer.version for pointer in self.read()}

    def move(self, wanted: Mapping[str, str]) -> list[Pointer]:
        """Point the aliases of these functions to these versions, all at once, with all of their traffic.

        Guarantees: before the first is moved, every version is known to be there; afterwards each alias is read and
        points where it should. Raises RefusedError in the first case, StackError in the second.

        Where environments are kept warm Lambda itself keeps calls on the version before, by weights, until as many of
        the other have started: that is waited for.
        """
        moving = [(function, alias, wanted[function]) for function, alias in self.names if function in wanted]
        missing = [name for name in self._each(self._missing, moving) if name]
        if missing:
            raise RefusedError(f"these versions are gone, so nothing was moved: {', '.join(missing)}")
        self._each(self._move, moving)
        pointers = self._settled(wanted)
        wrong = [str(one) for one in pointers if one.version != wanted[one.function] or one.weights]
        if wrong:
            raise StackError(f"moved, and moved again by somebody else: {'; '.join(wrong)}")
        return pointers

    def _settled(self, wanted: Mapping[str, str]) -> list[Pointer]:
        """The functions' aliases, once none of those that point where they should has weights; or after STARTING_S."""
        for _ in range(int(STARTING_S / LOOK_S)):
            pointers = [pointer for pointer in self.read() if pointer.function in wanted]
            if not any(one.weights and one.version == wanted[one.function] for one in pointers):
                break
            self._sleep(LOOK_S)
        return pointers

    def prune(self, history: Sequence[Record]) -> list[str]:
        """Delete versions that nothing points to and none of the last releases brought; returns what was deleted.

        A version takes up the account's 75 GB of code until it is deleted.
        """
        kept = _kept(history)
        serving = {pointer.function: {pointer.version, *pointer.weights} for pointer in self.read()}
        deleted: list[str] = []
        for function, versions in serving.items():
            for version in self._versions(function):
                if version not in versions | kept.get(function, set()) and int(version) < min(map(int, versions)):
                    self._client.delete_function(FunctionName=function, Qualifier=version)
                    deleted.append(f"{function}:{version}")
        return deleted

    def withdraw(self, held: Iterable[StackResource]) -> list[str]:
        """Delete the versions that a release published before it was taken back; returns what was deleted.

        They are newer than all that serves, and none of those that the stack holds. Lambda publishes no version of what
        is like the newest: CloudFormation could not make the same release again while they are there.
        """
        kept = {one.physical_id.rpartition(":function:")[2] for one in held}
        deleted: list[str] = []
        for pointer in self.read():
            newest = max(map(int, [pointer.version, *pointer.weights]))
            for version in self._versions(pointer.function):
                name = f"{pointer.function}:{version}"
                if int(version) > newest and name not in kept:
                    self._client.delete_function(FunctionName=pointer.function, Qualifier=version)
                    deleted.append(name)
        return deleted

    def _versions(self, function: str) -> list[str]:
        pages = self._client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        found = [one["Version"] for page in pages for one in page["Versions"]]
        return [version for version in found if version.isdigit()]

    def _read(self, name: tuple[str, str]) -> Pointer:
        function, alias = name
        answer = self._client.get_alias(FunctionName=function, Name=alias)
        weights = (answer.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        return Pointer(function, alias, answer["FunctionVersion"], weights)

    def _missing(self, moving: tuple[str, str, str]) -> str | None:
        function, _, version = moving
        try:
            self._client.get_function_configuration(FunctionName=function, Qualifier=version)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ResourceNotFoundException":
                return f"{function}:{version}"
            raise
        return None

    def _move(self, moving: tuple[str, str, str]) -> None:
        function, alias, version = moving
        self._client.update_alias(
            FunctionName=function,
            Name=alias,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": {}},
        )

    @staticmethod
    def _each(call: Callable[[Any], Any], items: Collection[Any]) -> list[Any]:
        with ThreadPoolExecutor(max_workers=max(1, len(items))) as pool:
            return list(pool.map(call, items))


def _named(physical_id: str) -> tuple[str, str]:
    """Function and alias of ``arn:…:function:NAME:ALIAS``."""
    *_, function, alias = physical_id.split(":")
    return function, alias


def _kept(history: Sequence[Record]) -> dict[str, set[str]]:
    """By function, what the last releases served with, before and after."""
    kept: dict[str, set[str]] = {}
    for record in history[:KEPT_RELEASES]:
        for function, moved in record.aliases.items():
            kept.setdefault(function, set()).update(moved.values())
    return kept
