"""Take a stage back to a release that served it before.

python -m scripts.rollback production
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence

from scripts.deployment.account import Account
from scripts.deployment.command import GOES_ON, add_shared, artifacts_of, ended
from scripts.deployment.console import Console
from scripts.deployment.deploying import Deploying
from scripts.deployment.errors import EXIT_CODES, RefusedError
from scripts.deployment.going_back import GoingBack, Plan

EPILOG = f"""
What happens: a change that is going on is cancelled, and CodeDeploy's shift of traffic with it; then the alias of every
function is pointed to the version that the release had, all at once and within seconds; then the stack is brought to
the release's template, without a canary and without an alarm that could take that back.

Without --to: the release before the current one, leaving out those whose smoke test failed or that were left by a
rollback. `python -m scripts.releases STAGE` lists them.

The database's schema stays as it is. So it is refused to go back to a release whose code does not work with it: by
default past the second change of the schema, see `oldest_code` in chalicelib/migrations. It says which revision forbids
it; the way out is a release that works with the schema.

examples:
  python -m scripts.rollback production --dry-run
  python -m scripts.rollback production --to 20261123T080000Z-1a2b3c4 --yes

{EXIT_CODES}"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.rollback",
        description="Take a stage back to a release that served it: its traffic within a minute, then its stack.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_shared(options)
    options.add_argument("--to", metavar="VERSION", help="which release (default: the one before)")
    options.add_argument("--dry-run", action="store_true", help="say which version each function would serve, and stop")
    options.add_argument(
        "--allow-replace",
        action="append",
        default=[],
        metavar="LOGICAL_ID",
        help="a stateful resource that the stack's change may replace or delete; repeatable",
    )
    options.add_argument("--yes", action="store_true", help="do not ask")
    return options


def roll_back(arguments: argparse.Namespace) -> int:
    account = Account.of_environment()
    console = Console(json=arguments.json)
    artifacts = artifacts_of(account, arguments.stage, arguments.bucket)
    deploying = Deploying(account, artifacts, arguments.stage, console=console)
    going_back = GoingBack(deploying)
    started = time.monotonic()
    plan = going_back.plan(arguments.to)
    show(console, deploying, plan)
    if arguments.dry_run:
        if arguments.json:
            print(json.dumps({"ok": True, "outcome": "dry-run", "version": plan.to.version, "versions": plan.versions}))
        return 0
    if not arguments.yes and not console.agrees(f"Take {arguments.stage} back to release {plan.to.version}?"):
        raise RefusedError("not agreed to; nothing was changed")
    result = going_back.run(plan, allow_replace=arguments.allow_replace)
    seconds = round(time.monotonic() - started, 1)
    if arguments.json:
        print(json.dumps({"ok": True, "stage": arguments.stage, "seconds": seconds, **result.as_json()}), flush=True)
    console.title(f"{arguments.stage}: back at release {plan.to.version} in {seconds:.0f} s")
    return 0


def show(console: Console, deploying: Deploying, plan: Plan) -> None:
    serving = deploying.aliases().serving()
    now = f", from release {plan.current.version}" if plan.current else ""
    console.title(f"Back to release {plan.to.version} of {plan.to.started[:16]}{now}:")
    for function, version in sorted(plan.versions.items()):
        console.line(f"{function:<40} version {serving.get(function, '-')} -> {version}")
    for function in sorted(serving.keys() - plan.versions.keys()):
        console.line(f"{function:<40} was not there then: left alone until the stack is changed")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended("rollback", lambda: roll_back(arguments), as_json=arguments.json, interrupted=GOES_ON)


if __name__ == "__main__":
    sys.exit(main())
