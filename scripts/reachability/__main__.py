"""Print what may reach what in a stage's VPC, or explain one connection.

python -m scripts.reachability --stage production
python -m scripts.reachability --stage production --from Poll --to Redis --port 6379
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence

from scripts.packaging.assemble import assemble
from scripts.packaging.problems import PackagingError
from scripts.packaging.transform import resolve, transform
from scripts.reachability.matrix import Matrix
from scripts.reachability.rules import PROTOCOLS, NotModelledError
from scripts.reachability.table import lines

STAGES = ("dev", "staging", "production")
LAST_PORT = 65535


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.reachability",
        description="Print which ports everything in a stage's VPC can reach, read from the packaged template. "
        "With --from, --to and --port, say whether that connection works and what decides; the exit code is 1 if not.",
    )
    options.add_argument("--stage", choices=STAGES, default="production", help="default: production")
    options.add_argument(
        "--from", dest="source", metavar="NAME", help="a name of the table, or a function's logical id"
    )
    options.add_argument("--to", dest="target", metavar="NAME")
    options.add_argument("--port", type=_port, help="0 to 65535")
    options.add_argument("--protocol", choices=PROTOCOLS, default="tcp")
    options.add_argument("--json", action="store_true", help="one object: cells by source and target, or the verdict")
    return options


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)


def main(argv: Sequence[str] | None = None) -> int:
    options = parser()
    said = options.parse_args(argv)
    asked = [said.source, said.target, said.port]
    if any(value is not None for value in asked) and None in asked:
        options.error("--from, --to and --port go together")
    try:
        matrix = read(said.stage)
    except (PackagingError, NotModelledError) as error:
        print(error, file=sys.stderr)
        return 2
    if said.source is None:
        print(json.dumps(cells(matrix), indent=2) if said.json else "\n".join(lines(matrix)))
        return 0
    for name in (said.source, said.target):
        if name not in matrix.nodes:
            options.error(f"there is no {name!r}; there are {', '.join(matrix.nodes)}")
    verdict = matrix.can_connect(said.source, said.target, said.port, said.protocol)
    opened = {"open": verdict.open, "why": verdict.why}
    print(json.dumps(opened) if said.json else f"{'open' if verdict.open else 'closed'}: {verdict.why}")
    return 0 if verdict.open else 1


def read(stage: str) -> Matrix:
    """The stage's matrix. Raises PackagingError for a broken template, NotModelledError for one not understood."""
    made = assemble(stage)
    return Matrix(resolve(transform(made.template, made.parameters), made.parameters)["Resources"])


def cells(matrix: Matrix) -> dict[str, dict[str, str]]:
    """The TCP ports of every cell, as text."""
    return {
        source: {target: str(matrix.cell(source, target)) for target in matrix.nodes if matrix.concerns(source, target)}
        for source in matrix.nodes
    }


if __name__ == "__main__":
    sys.exit(main())
