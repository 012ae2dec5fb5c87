"""Chain names: /protocols and /pools still use some old ones, /v2/chains the new."""

from __future__ import annotations

from collections.abc import Iterable

MAX_CHAINS = 40  # the longest lists belong to exchanges; an observation stays small
MAX_NAME = 64

NEW_NAMES = {
    "Binance": "BSC",
    "xDai": "Gnosis",
    "Optimism": "OP Mainnet",
    "OKExChain": "OKTChain",
    "Terra": "Terra Classic",
    "Kucoin": "KCC",
    "Elrond": "MultiversX",
    "RSK": "Rootstock",
    "Op_Bnb": "opBNB",
    "zkSync Era": "ZKsync Era",
}


def chain_name(name: str) -> str:
    """The name in use today, with single spaces."""
    name = " ".join(name.split())
    return NEW_NAMES.get(name, name)


def chain_names(names: Iterable[str | None]) -> tuple[str, ...]:
    """Today's names, each once, the first MAX_CHAINS: the source puts the largest first."""
    found = dict.fromkeys(chain_name(name) for name in names if name and len(name) <= MAX_NAME)
    return tuple(list(found)[:MAX_CHAINS])
