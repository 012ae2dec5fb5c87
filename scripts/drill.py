"""Rehearse the loss of every store on a platform of this machine's own.

python -m scripts.drill
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from localcloud.cloud import LocalCloud
from localcloud.options import Options
from scripts.backups.drilling import Drill, Outcome, as_json
from scripts.deployment.command import ended
from scripts.deployment.console import Console

EPILOG = """
What happens: a platform is started on free ports and filled from the recorded feed, with a client connected; it is
backed up while it goes on writing. Then, one after the other, PostgreSQL's database is dropped, Redis flushed, every
DynamoDB table deleted and every version of every raw object deleted for good; each store is restored by the code of
scripts.restore, compared record by record with what was backed up, and made to serve. At last the client, on the socket
that it had all the time, must go on in new epochs without a gap.

Nothing else on this machine is touched, and nothing is left running. What its figures say is how long the steps take
here; on AWS a database of 30 GB takes RDS some 20 minutes to bring back.

exit codes: 0 all equal, 1 something is not, or failed, 2 wrong arguments, 130 interrupted
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.drill",
        description="Destroy and restore every store of a platform of this machine's own.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--json", action="store_true", help="one JSON object on the output, progress on the other")
    return options


async def rehearse(console: Console) -> list[Outcome]:
    with tempfile.TemporaryDirectory(prefix="defi-stream-drill-") as folder:
        async with LocalCloud(Options(poll_s=1.0), progress=console.step) as cloud:
            drill = await Drill.of(cloud, Path(folder), say=console.step)
            return await drill.run()


def table(outcomes: Sequence[Outcome]) -> str:
    rows = [f"{'store':<11} {'records':>8} {'equal':>6} {'lost':>8} {'recovered in':>13}"]
    for one in outcomes:
        equal = "yes" if one.equal else "NO"
        rows.append(
            f"{one.store:<11} {one.records:>8,} {equal:>6} {one.lost_s:>6.1f} s {one.recovery_s:>11.2f} s  {one.detail}"
        )
    return "\n".join(rows)


def run(arguments: argparse.Namespace) -> int:
    began = time.monotonic()
    console = Console(json=arguments.json)
    outcomes = asyncio.run(rehearse(console))
    found = as_json(outcomes, round(time.monotonic() - began, 1))
    if arguments.json:
        print(json.dumps(found))
    else:
        console.title(table(outcomes))
    return 0 if found["ok"] else 1


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("drill", lambda: run(arguments), as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
