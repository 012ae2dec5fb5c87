"""What is wrong with a template, said so that the reader knows where to look and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """``where`` is the file and line, ``subject`` the logical id and property, ``what`` names the remedy."""

    where: str
    subject: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.subject}: {self.what}"


class PackagingError(Exception):
    """Nothing is written. ``problems`` holds everything that was found, not only the first."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
