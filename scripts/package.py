"""Make the template and the zip of a stage, and say what they use of CloudFormation's limits.

    python -m scripts.package --stage production --out build/production
    python -m scripts.package --stage staging --explain Process        where each property came from
    python -m scripts.package --stage dev --out build/dev --target local    a zip for this machine

Exit code 0: written; 1: the template or the zip is refused, with every reason; 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from scripts.packaging.assemble import PROJECT, assemble
from scripts.packaging.chalice_output import stages
from scripts.packaging.explain import as_text, explain
from scripts.packaging.output import package
from scripts.packaging.problems import PackagingError
from scripts.packaging.targets import TARGETS


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", required=True, choices=stages(PROJECT), help="whose parameters and settings")
    parser.add_argument("--out", type=Path, help="folder to write to; build/STAGE unless given")
    parser.add_argument(
        "--target",
        choices=sorted(TARGETS),
        default="aws",
        help="where the zip is to run; local is this machine's Python",
    )
    parser.add_argument("--explain", metavar="LOGICAL_ID", help="write nothing; say where each property came from")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    progress = _Progress()
    try:
        if options.explain:
            rows = explain(assemble(options.stage), options.explain)
            print(json.dumps(rows, indent=2) if options.json else as_text(rows))
            return 0
        out = options.out or PROJECT / "build" / options.stage
        manifest = package(options.stage, target=options.target, out=out, say=progress)
        progress("")
        print(json.dumps(manifest, indent=2) if options.json else _summary(out, manifest))
    except PackagingError as error:
        progress("")
        count = len(error.problems)
        print(f"package: {count} problem{'s' * (count > 1)}\n{error}", file=sys.stderr)
        return 1
    except OSError as error:  # the folder to write to, the sources to read
        progress("")
        print(f"package: {error}", file=sys.stderr)
        return 1
    return 0


class _Progress:
    """What it is at: on one line of a terminal, with details; in a log only a line for each new step."""

    def __init__(self) -> None:
        self._step = ""

    def __call__(self, text: str) -> None:
        step = text.partition(":")[0]
        if sys.stderr.isatty():
            print(f"\r\033[K{text[:100]}", end="", file=sys.stderr, flush=True)
        elif step and step != self._step:
            print(step, file=sys.stderr, flush=True)
        self._step = step


def _summary(out: Path, manifest: dict[str, Any]) -> str:
    template, archive = manifest["template"], manifest["zip"]
    limits = [
        f"  {name:<14} {use['used']:>9,} of {use['limit']:>9,}  {use['used'] / use['limit']:>4.0%}"
        for name, use in template["limits"].items()
    ]
    too_large = "; too large to be passed directly, deploy it from a bucket" if template["needs_bucket"] else ""
    return "\n".join(
        [
            f"{out}/template.json   {template['bytes']:,} bytes{too_large}",
            *limits,
            f"{out}/deployment.zip  {archive['bytes'] / 1e6:.1f} MB, {archive['bytes_unzipped'] / 1e6:.1f} MB unzipped",
            f"  for {manifest['target']}, {len(archive['distributions'])} packages, sha256 {archive['sha256']}",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
