"""How often a stage is deployed, how often that goes well, and how fast it is well again.

python -m scripts.release_stats production
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from scripts.deployment.account import Account
from scripts.deployment.command import add_shared, artifacts_of, ended
from scripts.deployment.statistics import PER_WEEK_MIN, RECOVERY_MAX, SUCCESS_MIN, Statistics, statistics
from scripts.operations.command import count
from scripts.packaging.project import PROJECT

EPILOG = """
Of the records that every deployment leaves in the bucket of releases (python -m scripts.releases shows them). A
deployment went well if it was deployed and its smoke test did not fail. Recovery is from a bad deployment to the end
of what mended it; of what a person rolled back, from the rollback's beginning to its end. The lead time is from the
commit, which git has to know here, to the end of its deployment.

exit codes: 0 told, 1 the bucket cannot be read, 2 wrong arguments, 3 no bucket is known
"""
RECORDS_MAX = 1000


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.release_stats",
        description="Deployment frequency, success rate, lead time and time to recovery of a stage.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared(options)
    options.add_argument("--days", type=count, default=28, metavar="N", help="how far to look back (default: 28)")
    return options


def committed(commit: str) -> datetime | None:
    """By git, if it knows the commit here."""
    asked = ["git", "show", "--no-patch", "--format=%cI", "--end-of-options", commit]
    try:
        done = subprocess.run(asked, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return datetime.fromisoformat(done.stdout.strip()) if done.returncode == 0 and done.stdout.strip() else None


def text(found: Statistics) -> str:
    """A line a figure, with what it has to reach."""
    rate, recovery = found.success_rate, found.recovery
    rows = [
        (
            "deployments",
            f"{found.deployments} in {found.days} days, {found.per_week:.1f} a week",
            _target(found, "week"),
        ),
        ("went well", "-" if rate is None else f"{rate:.0%} ({found.succeeded})", _target(found, "success")),
        ("commit to deployed", _span(found.lead_time), "the median"),
        ("recovery", _span(recovery), _target(found, "recovery")),
    ]
    lines = [f"{found.stage}", *(f"  {name:<20}{value:<34}{goal}" for name, value, goal in rows)]
    if found.failures:
        lines += ["", "what went wrong:"]
    for failure in found.failures:
        lines.append(f"  {failure.began:%F %H:%M}  {failure.version:<26} {failure.why:<18} {_lasted(failure.lasted)}")
    return "\n".join(lines)


def reached(found: Statistics) -> dict[str, bool | None]:
    """Whether each figure is where it has to be; None where there is nothing to judge."""
    rate, recovery = found.success_rate, found.recovery
    return {
        "week": found.per_week >= PER_WEEK_MIN,
        "success": None if rate is None else rate > SUCCESS_MIN,
        "recovery": None if recovery is None else recovery < RECOVERY_MAX,
    }


def _target(found: Statistics, name: str) -> str:
    goals = {
        "week": f"goal: {PER_WEEK_MIN:.0f} or more a week",
        "success": f"goal: above {SUCCESS_MIN:.0%}",
        "recovery": f"goal: below {_span(RECOVERY_MAX)}",
    }
    words = {True: "reached", False: "NOT reached", None: "nothing to judge"}
    return f"{goals[name]}: {words[reached(found)[name]]}"


def _span(span: timedelta | None) -> str:
    if span is None:
        return "-"
    minutes = span.total_seconds() / 60
    for size, name in ((1440, "days"), (60, "hours")):
        if minutes >= 2 * size:
            return f"{minutes / size:.1f} {name}"
    return f"{minutes:.0f} minutes" if minutes >= 1 else f"{span.total_seconds():.0f} seconds"


def _lasted(span: timedelta | None) -> str:
    return "not mended yet" if span is None else f"well again after {_span(span)}"


def document(found: Statistics) -> dict[str, object]:
    """For a program; spans in seconds."""

    def seconds(span: timedelta | None) -> float | None:
        return None if span is None else span.total_seconds()

    return {
        "stage": found.stage,
        "days": found.days,
        "deployments": found.deployments,
        "succeeded": found.succeeded,
        "per_week": round(found.per_week, 2),
        "success_rate": found.success_rate,
        "lead_time_s": seconds(found.lead_time),
        "recovery_s": seconds(found.recovery),
        "goals": {
            "per_week": PER_WEEK_MIN,
            "success_rate": SUCCESS_MIN,
            "recovery_s": RECOVERY_MAX.total_seconds(),
            "reached": reached(found),
        },
        "failures": [
            {
                "version": each.version,
                "why": each.why,
                "began": each.began.isoformat(),
                "lasted_s": seconds(each.lasted),
            }
            for each in found.failures
        ],
    }


def report(arguments: argparse.Namespace) -> int:
    account = Account.of_environment()
    artifacts = artifacts_of(account, arguments.stage, arguments.bucket)
    history = artifacts.history(arguments.stage, at_most=RECORDS_MAX)
    found = statistics(arguments.stage, history, days=arguments.days, now=datetime.now(UTC), committed=committed)
    print(json.dumps(document(found)) if arguments.json else text(found))
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("release_stats", lambda: report(arguments), as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
