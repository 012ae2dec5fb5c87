"""Made-up topics that move: a load whose every change is known, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from chalicelib.domain.observations import Observation, observation_id

SOURCE = "load-test"
# Percent; each is above every kind's publish threshold, and together they pass all filter rungs up to 5 %.
MOVES = tuple(map(Decimal, ("0.3", "0.6", "1.2", "2.5", "6")))
YIELD_MOVES = tuple(map(Decimal, ("6", "8", "12")))
CHAINS = ("Ethereum", "Solana", "Base", "Arbitrum")


@dataclass(slots=True)
class Line:
    """One topic's value and what it began with."""

    topic: str
    value: Decimal
    origin: Decimal
    chains: tuple[str, ...] = ()
    category: str | None = None


class Market:
    """``topics`` topics of four kinds: of ten, six prices, two TVLs, a peg and a yield."""

    def __init__(self, topics: int, seed: int) -> None:
        self._random = random.Random(seed)
        self._lines = [_line(number) for number in range(topics)]

    @property
    def topics(self) -> list[str]:
        return [line.topic for line in self._lines]

    def opening(self, at: datetime | None = None) -> list[Observation]:
        """The first value of every topic."""
        return [_observation(line, at or datetime.now(UTC)) for line in self._lines]

    def moves(self, count: int, at: datetime | None = None) -> list[Observation]:
        """``count`` changes of as many topics, or of all if there are fewer. Values stay near where they began."""
        lines = self._random.sample(self._lines, min(count, len(self._lines)))
        return [self._moved(line, at or datetime.now(UTC)) for line in lines]

    def _moved(self, line: Line, at: datetime) -> Observation:
        percent = self._random.choice(YIELD_MOVES if line.topic.startswith("yield:") else MOVES)
        up = line.value < line.origin or (line.value == line.origin and self._random.random() < 0.5)
        factor = 1 + percent / 100 if up else 1 - percent / 100
        line.value = (line.value * factor).quantize(Decimal("0.000001"))
        return _observation(line, at)


def _line(number: int) -> Line:
    chain, value = CHAINS[number % len(CHAINS)], Decimal(100 + number)
    match number % 10:
        case 6:
            return Line(f"tvl:protocol:load-{number:04}", value * 10**7, value * 10**7, (chain,), "Dexs")
        case 7:
            return Line(f"tvl:chain:Load-{number:04}", value * 10**9, value * 10**9)
        case 8:
            return Line(f"peg:load-{number:04}", Decimal(1), Decimal(1))
        case 9:
            return Line(f"yield:load-{number:04}", Decimal(8), Decimal(8), (chain,))
        case _:
            return Line(f"price:load-{number:04}", value, value)


def _observation(line: Line, at: datetime) -> Observation:
    token = at.isoformat()
    return Observation(
        observation_id(line.topic, token, line.value),
        line.topic,
        line.value,
        at,
        SOURCE,
        chains=line.chains,
        category=line.category,
    )


def of_kind(topics: Sequence[str], kind: str) -> list[str]:
    return [topic for topic in topics if topic.startswith(f"{kind}:")]
