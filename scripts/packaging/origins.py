"""Which file each property of a template came from."""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping

from scripts.packaging.parts import Location


class Origins(MutableMapping[Location, str]):
    """Location of a leaf -> file and line. Kept by section and name, since all questions are about one resource."""

    def __init__(self) -> None:
        self._groups: dict[Location, dict[Location, str]] = {}

    def under(self, location: Location) -> list[Location]:
        """The leaves at or below a location of at least section and name."""
        return [leaf for leaf in self._groups.get(location[:2], ()) if leaf[: len(location)] == location]

    def __getitem__(self, leaf: Location) -> str:
        return self._groups[leaf[:2]][leaf]

    def __setitem__(self, leaf: Location, source: str) -> None:
        self._groups.setdefault(leaf[:2], {})[leaf] = source

    def __delitem__(self, leaf: Location) -> None:
        del self._groups[leaf[:2]][leaf]

    def __iter__(self) -> Iterator[Location]:
        for group in self._groups.values():
            yield from group

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))
