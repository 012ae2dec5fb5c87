"""Which requests are traced: sampling rules and the decision, as X-Ray's developer guide describes them.

Rules are asked in the order of their priority; the first that matches decides. It takes its reservoir's number of
requests each second and its fixed rate of the others. Rule ``Default`` matches everything: one a second and 5 %.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

FUNCTION = "AWS::Lambda::Function"
STAGE = "AWS::ApiGateway::Stage"
INTERVAL_S = 10  # how often the SDK is told to report


@dataclass(frozen=True, slots=True)
class Rule:
    """An AWS::XRay::SamplingRule without its attributes; patterns have ``*`` and ``?``."""

    name: str
    priority: int
    rate: float
    reservoir: int
    service: str = "*"
    kind: str = "*"
    arn: str = "*"
    host: str = "*"
    method: str = "*"
    path: str = "*"

    def matches(self, *request: str) -> bool:
        """Whether it decides for a request: its service, kind, ARN, host, method and path."""
        patterns = (self.service, self.kind, self.arn, self.host, self.method, self.path)
        return all(map(fnmatchcase, request, patterns))

    def record(self) -> dict[str, Any]:
        """As GetSamplingRules answers it."""
        rule = {
            "RuleName": self.name,
            "ResourceARN": self.arn,
            "Priority": self.priority,
            "FixedRate": self.rate,
            "ReservoirSize": self.reservoir,
            "ServiceName": self.service,
            "ServiceType": self.kind,
            "Host": self.host,
            "HTTPMethod": self.method,
            "URLPath": self.path,
            "Version": 1,
            "Attributes": {},
        }
        return {"SamplingRule": rule, "CreatedAt": 0, "ModifiedAt": 0}


DEFAULT = Rule("Default", priority=10_000, rate=0.05, reservoir=1)
EVERYTHING = Rule("Default", priority=10_000, rate=1.0, reservoir=1)
NOTHING = Rule("Default", priority=10_000, rate=0.0, reservoir=0)


class Sampler:
    """Decides by rules; ``Default`` is added where it is missing."""

    def __init__(
        self,
        rules: Iterable[Rule] = (EVERYTHING,),
        *,
        now: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        given = {DEFAULT.name: DEFAULT} | {rule.name: rule for rule in rules}
        self.rules = sorted(given.values(), key=lambda rule: (rule.priority, rule.name))
        self._now = now
        self._chance = chance
        self._taken: dict[str, tuple[int, int]] = {}  # by rule: a second, and how many it took in it

    def decide(
        self, *, service: str, arn: str = "", kind: str = FUNCTION, host: str = "", method: str = "", path: str = ""
    ) -> bool:
        """Whether to trace a request that nobody has decided about; that of a function has no host and no path."""
        rule = next(rule for rule in self.rules if rule.matches(service, kind, arn, host, method, path))
        return self._from_reservoir(rule) or self._chance() < rule.rate

    def targets(self, names: Iterable[str]) -> list[dict[str, Any]]:
        """As GetSamplingTargets answers, for one client that gets the whole reservoir."""
        ends = int(self._now()) + INTERVAL_S
        wanted = set(names)
        return [
            {
                "RuleName": rule.name,
                "FixedRate": rule.rate,
                "ReservoirQuota": rule.reservoir,
                "ReservoirQuotaTTL": ends,
                "Interval": INTERVAL_S,
            }
            for rule in self.rules
            if rule.name in wanted
        ]

    def _from_reservoir(self, rule: Rule) -> bool:
        second = int(self._now())
        at, taken = self._taken.get(rule.name, (second, 0))
        taken = taken if at == second else 0
        if taken >= rule.reservoir:
            return False
        self._taken[rule.name] = (second, taken + 1)
        return True
