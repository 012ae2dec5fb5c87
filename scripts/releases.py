"""What was deployed to a stage, the newest first.

python -m scripts.releases production
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from scripts.deployment import records
from scripts.deployment.account import Account
from scripts.deployment.command import add_shared, artifacts_of, ended
from scripts.deployment.records import Record

EPILOG = """
* is the release that serves. A line tells when it was begun, how it ended, its version and commit, the revision of the
database that its code was written for, and by whom it was deployed.

exit codes: 0 listed, 1 the bucket cannot be read, 2 wrong arguments, 3 no bucket is known
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.releases",
        description="List the deployments of a stage, the newest first.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared(options)
    options.add_argument("--last", type=int, default=20, metavar="N", help="how many (default: 20)")
    return options


def list_releases(arguments: argparse.Namespace) -> int:
    account = Account.of_environment()
    history = artifacts_of(account, arguments.stage, arguments.bucket).history(arguments.stage, at_most=arguments.last)
    serving = records.serving(history)
    if arguments.json:
        current = serving.version if serving else None
        print(json.dumps({"stage": arguments.stage, "current": current, "records": [one.as_json() for one in history]}))
        return 0
    for record in history:
        print(line(record, serves=record is serving))
    if not history:
        print(f"nothing was deployed to {arguments.stage} yet")
    return 0


def line(record: Record, *, serves: bool) -> str:
    how = f"{record.kind} {record.outcome}{', smoke test failed' if record.smoke == records.BAD else ''}"
    mark = "*" if serves else " "
    return (
        f"{mark} {record.started[:16]}  {how:<24} {record.version:<26} {record.commit[:7]}  "
        f"{record.revision:<8} {record.who}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("releases", lambda: list_releases(arguments), as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
