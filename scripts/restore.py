"""Restore a stage's stores to a backup or a point in time.

python -m scripts.restore local --to newest --dry-run
python -m scripts.restore production --to 2026-11-23T02:30 --store dynamodb
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence

from scripts.backups.command import INTERRUPTED, MORE_CODES, command, reach
from scripts.backups.restoring import Restore, choose
from scripts.backups.store import Kept
from scripts.backups.taking import told
from scripts.deployment.command import ended
from scripts.deployment.console import Console

EPILOG = f"""
Three steps, and nothing that serves is touched before the third:
  restored   each store is brought back as something new: another database, instance, group, table, bucket
  verified   what that holds is compared with what was kept: records, checksums, the newest
  switched   only with --yes (or when asked and answered): the new takes the place of the old, which is kept

TIME is UTC unless it says otherwise. RDS, DynamoDB and S3 go back to the second; what has only snapshots (Redis, and
PostgreSQL and DynamoDB on a laptop) goes back to its last backup before it. The line of each store says how far.

A restore that was broken off is gone on with by the same command; so is one that was not switched. --discard removes
what was brought back instead.

What was written after the moment is lost to the store. Clients of the stream see new epochs and start from snapshots
again. Observations of the time between are in the bucket of raw observations, if that was not restored.

RDS and ElastiCache cannot be looked into from outside of their VPC: look yourself before --unverified.

examples:
  python -m scripts.restore local --to newest --dry-run
  python -m scripts.restore local --to newest --yes
  python -m scripts.restore production --to 2026-11-23T02:30 --store dynamodb
  python -m scripts.restore production --to 20261123T023000Z --store postgresql --unverified --yes
{MORE_CODES}, 7 what was brought back is not what was kept, and nothing was switched"""


def parser() -> argparse.ArgumentParser:
    options = command("restore", "Restore stores of a stage: into something new, compared, then switched.", more=EPILOG)
    options.add_argument(
        "--to", default="newest", metavar="TIME|BACKUP", help="like 2026-11-23T02:30 or a backup's id (default: newest)"
    )
    options.add_argument("--yes", action="store_true", help="switch without asking")
    options.add_argument("--unverified", action="store_true", help="switch what cannot be compared from here, too")
    options.add_argument("--discard", action="store_true", help="remove what was brought back and not switched")
    return options


def run(arguments: argparse.Namespace) -> int:
    stores, catalogue, wanted = reach(arguments)
    console = Console(json=arguments.json)
    restore = Restore(stores, catalogue, say=console.step)
    if arguments.discard:
        restore.discard()
        return 0
    chosen = choose(stores, wanted, arguments.to, catalogue)
    for name, kept in chosen.items():
        console.line(f"{name:<11} as of {kept.moment[:19]}, {told(kept)}")
    if arguments.dry_run:
        if arguments.json:
            print(json.dumps({"to": arguments.to, "stores": {name: kept.as_json() for name, kept in chosen.items()}}))
        return 0
    restore.begin(arguments.to, chosen, restart=arguments.restart)
    restore.run(switches=False, unverified=arguments.unverified)
    if not (arguments.yes or (console.asks and console.agrees(question(arguments.stage, chosen)))):
        console.title("Not switched: the same command with --yes does that, --discard removes what was brought back")
    else:
        restore.run(switches=True, unverified=arguments.unverified)
    if arguments.json:
        print(json.dumps(restore.as_json()))
    return 0


def question(stage: str, chosen: Mapping[str, Kept]) -> str:
    stores = ", ".join(f"{name} as of {kept.moment[:19]}" for name, kept in chosen.items())
    return f"Have these serve in {stage}: {stores}? What was written since is lost to them."


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("restore", lambda: run(arguments), as_json=arguments.json, interrupted=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
