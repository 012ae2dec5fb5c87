"""The database's schema, and the deployment that changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Migration:
    """The revision before and now (None: an empty database); ``ahead``: newer than was asked for, and left so."""

    before: str | None
    after: str | None
    ahead: bool = False


class Schema(Protocol):
    """The schema as a line of revisions. ``deadline`` is of ``time.monotonic()``."""

    def head(self) -> str:
        """The newest revision of this package."""
        ...

    def current(self, *, deadline: float) -> str | None: ...

    def upgrade(self, target: str, *, deadline: float) -> Migration:
        """Forwards to ``target``, all of it or nothing. Raises SchemaError."""
        ...


class CustomResources(Protocol):
    def answer(self, url: str, body: Mapping[str, object]) -> None:
        """Tell CloudFormation what became of its request. Raises StoreDownError if it did not take the answer."""
        ...
