"""Run the project's workflows on this machine, and see what they do.

    python -m scripts.workflows                  all of it
    python -m scripts.workflows test scan        the checks of a pull request
    python -m scripts.workflows stories          a merge deploys staging, a promotion, a bad version is rolled back

Nothing leaves this machine and nothing is left on it but build/workflows: act runs every step of .github's workflows
here, in a clone of the repository with what is not committed yet, against an AWS account on loopback
(`python -m localcloud.account`), whose minutes last a few seconds. What cannot be done here is listed at the end.

exit codes: 0 everything was shown; 1 something was not; 2 wrong arguments; 130 interrupted
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from botocore.exceptions import ClientError

from scripts.scanning.findings import PROJECT
from scripts.workflows import checks, stories
from scripts.workflows.account import running
from scripts.workflows.act import Log
from scripts.workflows.repository import Repository
from scripts.workflows.world import World

PARTS = ("test", "scan", "stories")
MINUTE = "5s"


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.workflows", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("part", nargs="*", type=_known, metavar="PART", help=", ".join(PARTS))
    options.add_argument("--minute", default=MINUTE, metavar="TIME", help=f"of alarms and canaries (default: {MINUTE})")
    options.add_argument("--out", type=Path, default=PROJECT / "build" / "workflows", help="(default: build/workflows)")
    options.add_argument("--json", action="store_true", help="one JSON object at the end; progress to standard error")
    return options


def _known(name: str) -> str:  # argparse refuses none at all where there are choices
    if name not in PARTS:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(PARTS)}")
    return name


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    options.out.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    started = time.monotonic()

    def say(text: str) -> None:
        where = sys.stderr if options.json else sys.stdout
        print("\n".join(_timed(line, time.monotonic() - started) for line in text.split("\n")), file=where, flush=True)

    with (options.out / "log.txt").open("w") as file, tempfile.TemporaryDirectory(prefix="workflows-") as folder:
        Path(folder).chmod(0o755)  # PostgreSQL's own user must be able to enter it
        world = World(Path(folder), options.out.resolve(), Repository(Path(folder)), Log(file, say))
        try:
            _run(world, options.part or list(PARTS), options.minute)
        except KeyboardInterrupt:
            print("workflows: interrupted; nothing is left running", file=sys.stderr)
            return 130
        except (RuntimeError, OSError, ValueError, AssertionError, ClientError) as error:
            world.claim("The run itself", "goes to its end", False, str(error))
    summary = world.report.as_markdown(time.monotonic() - started)
    (options.out / "summary.md").write_text(summary)
    told = {"ok": world.report.ok, **asdict(world.report)}
    print(json.dumps(told) if options.json else f"\n{summary}")
    return 0 if world.report.ok else 1


def _run(world: World, parts: Sequence[str], minute: str) -> None:
    commit = world.repository.take(PROJECT)
    world.log.tell(f"  a clone with what is not committed yet: {commit[:7]}")
    if "test" in parts:
        checks.a_pull_request_is_tested(world)
    if "scan" in parts:
        checks.a_pull_request_is_scanned(world)
    if "stories" in parts:
        with running(world.repository.work, world.folder, minute=minute) as account:
            world.report.differences += account.differences
            stages = stories.first_deployments(world, account)
            version = stories.a_merge_deploys_staging(stages)
            if version:
                stories.a_promotion(stages, version)
                stories.a_bad_version(stages)
            else:
                world.report.not_run += [
                    f"{story}: staging runs nothing new" for story in (stories.PROMOTION, stories.BAD)
                ]


def _timed(line: str, seconds: float) -> str:
    return f"{seconds:6.0f} s{line}" if line.strip() else line


if __name__ == "__main__":
    sys.exit(main())
