"""What the recorded tables do not say: names, categories, symbols. Written by hand; no figure comes from here."""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from localcloud.feed.tape import DATA

Facts = Mapping[str, Any]


@dataclass(frozen=True)
class Catalog:
    """Facts by the tape's own keys; a key without facts is served with nulls."""

    protocols: Mapping[str, Facts]
    chains: Mapping[str, Facts]
    stablecoins: Mapping[str, Facts]
    coins: Mapping[str, str]
    pools: Mapping[str, Facts]

    @classmethod
    def load(cls, directory: Path = DATA) -> Catalog:
        labels = json.loads((directory / "labels.json").read_text())
        pools = json.loads(gzip.decompress((directory / "pools.json.gz").read_bytes()))
        return cls(labels["protocols"], labels["chains"], labels["stablecoins"], labels["coins"], pools)

    def is_parent(self, slug: str) -> bool:
        """Whether other protocols are parts of this one: a parent and its children must never be added up."""
        return slug in self._parents

    @cached_property
    def _parents(self) -> frozenset[str]:
        return frozenset(facts["parent"] for facts in self.protocols.values() if "parent" in facts)

    def chain_name(self, recorded: str) -> str:
        """The name that /v2/chains uses today (BSC) for one of the recorded table (Binance)."""
        return str(self.chains.get(recorded, {}).get("name", recorded))

    def symbol(self, coin: str) -> str:
        facts = self.stablecoins.get(coin, {})
        return self.coins.get(coin) or str(facts.get("symbol", coin.upper()))
