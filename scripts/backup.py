"""Back up a stage's stores, now.

python -m scripts.backup local
python -m scripts.backup production --store redis
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from scripts.backups.catalogue import Backup, Catalogue
from scripts.backups.command import INTERRUPTED, MORE_CODES, command, reach
from scripts.backups.taking import back_up, told
from scripts.deployment.command import ended
from scripts.deployment.console import Console

EPILOG = f"""
Besides this, a stage on AWS is backed up by itself: RDS and DynamoDB can go back to any second, ElastiCache takes a
snapshot a night, buckets keep their versions, and AWS Backup copies all but Redis into a locked vault
(cfn/backup.yaml). A backup by hand is for before something daring, and stays until somebody deletes it.

What it makes: a snapshot of the RDS instance and one of the ElastiCache group; a backup of each DynamoDB table; a list
of the versions in the bucket of raw observations. On a laptop: a dump of PostgreSQL, a snapshot file of Redis, backups
of the tables in the AWS APIs that run there, the objects' content. Nothing that serves is held up.

What it writes down: what each store held (records, a checksum, the newest), so that scripts.restore can compare.
RDS and ElastiCache cannot be looked into from outside of their VPC.

A backup that was broken off is gone on with by the same command.

examples:
  python -m scripts.backup local                          everything
  python -m scripts.backup production --store dynamodb    before a script that changes rules
  python -m scripts.backup production --list              which there are
{MORE_CODES}"""


def parser() -> argparse.ArgumentParser:
    options = command("backup", "Back up the stores of a stage, now.", more=EPILOG)
    options.add_argument("--list", action="store_true", help="the backups that there are, the newest first")
    return options


def run(arguments: argparse.Namespace) -> int:
    stores, catalogue, wanted = reach(arguments)
    console = Console(json=arguments.json)
    if arguments.list:
        return list_backups(catalogue, as_json=arguments.json)
    if arguments.dry_run:
        console.line(f"would back up {', '.join(wanted)} of {arguments.stage}")
        if arguments.json:
            print(json.dumps({"stage": arguments.stage, "wanted": wanted}))
        return 0
    backup = back_up(stores, wanted, catalogue, say=console.step, restart=arguments.restart)
    if arguments.json:
        print(json.dumps(backup.as_json()))
    else:
        console.title(f"backup {backup.id}\n\n  python -m scripts.restore {arguments.stage} --to {backup.id} --dry-run")
    return 0


def list_backups(catalogue: Catalogue, *, as_json: bool) -> int:
    backups = catalogue.backups()
    if as_json:
        print(json.dumps([backup.as_json() for backup in backups]))
        return 0
    for backup in backups:
        print("\n".join(lines(backup)))
    if not backups:
        print(f"no backups of {catalogue.stage} yet")
    return 0


def lines(backup: Backup) -> list[str]:
    state = "" if backup.finished else "  not finished: the same command goes on with it"
    return [f"{backup.id}{state}", *(f"  {name:<11} {told(kept)}" for name, kept in backup.stores.items())]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("backup", lambda: run(arguments), as_json=arguments.json, interrupted=INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main())
