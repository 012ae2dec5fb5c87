"""An AWS account on this machine, until Ctrl-C.

python -m localcloud.account
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from localcloud.account.account import LEAST_MINUTE_S, LocalAccount
from localcloud.account.clock import MINUTE_S
from localcloud.durations import duration, spoken

EPILOG = """
Whoever has set the variables that it prints deploys to it as to AWS: the same commands, templates and parameters.
CloudFormation, Lambda with weighted aliases, CodeDeploy with its canaries and hooks, CloudWatch with the alarms of the
deployed stacks, API Gateway, SQS, SNS, DynamoDB and S3 answer; Redis and PostgreSQL are real. With --minute 2s a canary
of five minutes takes ten seconds, and an alarm on three minutes fires after six.

examples:
  python -m localcloud.account
  python -m localcloud.account --minute 2s --state account.json
  eval "$(python -m localcloud.account --from account.json)" && python -m scripts.deploy staging

exit codes: 0 ended by Ctrl-C, 1 it could not be started, 2 wrong arguments
"""


def described(account: LocalAccount) -> dict[str, Any]:
    """The account for a program."""
    return {
        "env": account.env,
        "pid": os.getpid(),
        "url": account.url,
        "bucket": account.bucket,
        "minute_s": account.minute_s,
        "differences": [{"what": each.what, "here": each.here, "why": each.why} for each in account.differences],
    }


def exports(env: dict[str, str]) -> str:
    """For a shell to evaluate."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in env.items())


async def serve(arguments: argparse.Namespace) -> int:
    """Until Ctrl-C."""
    ended = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, ended.set)
    given = {"minute_s": arguments.minute, "patience": arguments.patience, "port": arguments.port}
    async with LocalAccount(**given) as account:
        told = described(account)
        if arguments.state:
            write_whole(arguments.state, json.dumps(told, indent=2) + "\n")
        print(json.dumps(told) if arguments.json else spoken_of(account), flush=True)
        try:
            await ended.wait()
        finally:
            if arguments.state:
                with contextlib.suppress(FileNotFoundError):
                    arguments.state.unlink()
    return 0


def spoken_of(account: LocalAccount) -> str:
    lines = [exports(account.env), ""]
    lines += [f"# bucket of releases: {account.bucket}; a minute lasts {spoken(account.minute_s)}"]
    lines += ["# Otherwise here than in AWS:"]
    lines += [f"#   {each.what:<24} {each.here}  ({each.why})" for each in account.differences]
    return "\n".join([*lines, "# Ctrl-C ends it, and nothing is left."])


def write_whole(path: Path, text: str) -> None:
    """Whoever waits for the file finds all of it, and only its owner."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m localcloud.account",
        description="An AWS account on this machine, to deploy stages to.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--state", type=Path, metavar="FILE", help="write what it prints there too, as JSON")
    options.add_argument(
        "--minute", type=duration, default=MINUTE_S, metavar="TIME", help="how long one lasts here: 2s; default: 1m"
    )
    options.add_argument(
        "--patience",
        type=float,
        default=1.0,
        metavar="N",
        help="alarms on time fire at N times their threshold; default: 1",
    )
    options.add_argument("--port", type=int, default=0, help="of its APIs; default: a free one")
    options.add_argument("--json", action="store_true", help="one JSON object instead of lines for a shell")
    options.add_argument(
        "--from", dest="source", type=Path, metavar="FILE", help="start nothing; print the variables of a running one"
    )
    return options


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    arguments = options.parse_args(argv)
    if arguments.minute < LEAST_MINUTE_S:
        options.error(f"--minute lasts at least {spoken(LEAST_MINUTE_S)}")
    if not arguments.patience >= 1.0:
        options.error("--patience is at least 1")
    try:
        if arguments.source:
            print(exports(json.loads(arguments.source.read_text())["env"]))
            return 0
        return asyncio.run(serve(arguments))
    except (RuntimeError, OSError, ValueError, KeyError) as error:
        print(f"localcloud.account: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
