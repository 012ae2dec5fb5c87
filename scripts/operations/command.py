"""What the operator's commands share: the stage, options on either side of a subcommand, the output."""

from __future__ import annotations

import argparse
import json

from scripts.operations.place import EPILOG, add_stage

EXIT_CODES = "\nexit codes: 0 done, 1 failed, 2 wrong arguments, 3 refused and nothing was changed, 130 interrupted\n"


def operating(program: str, description: str, *, more: str) -> argparse.ArgumentParser:
    """A parser with STAGE, --port and --json; ``more`` is said after what these are."""
    options = argparse.ArgumentParser(
        prog=f"python -m scripts.{program}",
        description=description,
        epilog=EPILOG + more + EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_stage(options)
    return options


def either_side(*commands: argparse.ArgumentParser) -> None:
    """Let --port and --json stand behind the subcommand, too."""
    for command in commands:
        command.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        command.add_argument("--port", default=argparse.SUPPRESS, help=argparse.SUPPRESS)


def count(text: str) -> int:
    """A number from 1 on, as an option takes it."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return int(text)


def tell(arguments: argparse.Namespace, document: object, text: str) -> None:
    """For a program, or for a person."""
    print(json.dumps(document) if arguments.json else text)
