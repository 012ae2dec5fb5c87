"""What a deployment is asked for, and what came of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from scripts.deployment.changes import Change
from scripts.deployment.drift import DriftReport
from scripts.deployment.records import Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How to deploy. ``parameters`` go over the release's own.

    ``role`` is the ARN of the role in whose name CloudFormation works, unless it is the caller's own affair. Without
    ``shifts_traffic`` every alias moves at once, unverified and unwatched.
    """

    parameters: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    dry_run: bool = False
    allow_replace: Collection[str] = ()
    accept_drift: bool = False
    monitor_minutes: int = 10
    shifts_traffic: bool = True
    checks_drift: bool = True
    yes: bool = False
    verbose: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What came of it; ``record`` is None of a dry run."""

    outcome: str
    record: Record | None = None
    changes: Sequence[Change] = ()
    drift: DriftReport | None = None
    outputs: Mapping[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "outcome": self.outcome,
            "version": self.record.version if self.record else None,
            "record": self.record.as_json() if self.record else None,
            "changes": [change.as_json() for change in self.changes],
            "drift": asdict(self.drift) if self.drift else None,
            "outputs": dict(self.outputs),
        }
