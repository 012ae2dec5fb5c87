"""What scripts.backup and scripts.restore share: arguments, and where a stage's stores are."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from scripts.backups.catalogue import Catalogue
from scripts.backups.store import NAMES, Store
from scripts.backups.stores import stores_of
from scripts.deployment.command import BUCKET_VARIABLE, artifacts_of
from scripts.operations.command import operating
from scripts.operations.place import LOCAL, Place

INTERRUPTED = "What was done is on record; the same command again goes on"
MORE_CODES = """
besides the exit codes below: 5 still going on, and the same command again follows it"""


def command(program: str, description: str, *, more: str) -> argparse.ArgumentParser:
    """A parser with what both commands take."""
    options = operating(program, description, more=more)
    options.add_argument(
        "--store",
        action="append",
        choices=NAMES,
        metavar="NAME",
        help=f"only this one of {', '.join(NAMES)}; repeatable (default: all)",
    )
    options.add_argument(
        "--bucket",
        default=os.environ.get(BUCKET_VARIABLE),
        help=f"where records are kept on AWS (or {BUCKET_VARIABLE}; default: the one the stack was deployed from)",
    )
    options.add_argument(
        "--folder",
        type=Path,
        help="where a laptop's backups are kept (default: the platform's own folder, which ends with it)",
    )
    options.add_argument("--restart", action="store_true", help="begin anew, whatever was broken off")
    options.add_argument("--dry-run", action="store_true", help="say what would be done, and stop")
    return options


def reach(arguments: argparse.Namespace) -> tuple[dict[str, Store], Catalogue, list[str]]:
    """The stage's stores, its records and which stores are meant. Raises StackError if the stage cannot be reached."""
    place = Place.of(arguments.stage, arguments.port)
    artifacts = None if arguments.stage == LOCAL else artifacts_of(place.account, arguments.stage, arguments.bucket)
    stores, catalogue = stores_of(place, artifacts, folder=arguments.folder)
    wanted = arguments.store or NAMES
    return stores, catalogue, [name for name in NAMES if name in wanted]
