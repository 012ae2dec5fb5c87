"""What a subscription asks for beyond its topic: a rate and a filter. Subscriptions that ask the same are one group."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache


@dataclass(frozen=True, slots=True)
class Group:
    """A rate (seconds between updates, 0 is realtime), a rung (minimum change in percent, "" is every change) and
    the chains and categories of which a topic must have one. All must hold."""

    rate_s: int = 0
    rung: str = ""
    chains: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """``{rate}|{rung}|{chains},…|{categories},…``: the group's key in the store."""
        return f"{self.rate_s}|{self.rung}|{','.join(self.chains)}|{','.join(self.categories)}"

    def admits(self, chains: Sequence[str], category: str | None) -> bool:
        """Whether a topic with these attributes is covered by the filter."""
        if self.chains and not set(self.chains).intersection(chains):
            return False
        return not self.categories or category in self.categories


@lru_cache(maxsize=4096)
def parse_group(name: str) -> Group:
    """The inverse of ``Group.name``; names may hold neither "|" nor ",", which the protocol refuses."""
    rate, rung, chains, categories = name.split("|")
    return Group(
        rate_s=int(rate),
        rung=rung,
        chains=tuple(chains.split(",")) if chains else (),
        categories=tuple(categories.split(",")) if categories else (),
    )
