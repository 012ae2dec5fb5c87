"""Make a release: one zip for all stages, a template and parameters for each, and release.json, which names them.

    python -m scripts.package --stage staging --stage production --out build/release
    python -m scripts.package --stage staging --explain Process        where each property came from
    python -m scripts.package --stage dev --target local               a zip for this machine

Says what the templates use of CloudFormation's limits. `python -m scripts.deploy STAGE --release FOLDER` deploys it.

Exit code 0: written; 1: a template or the zip is refused, with every reason; 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from scripts.packaging.assemble import assemble
from scripts.packaging.explain import as_text, explain
from scripts.packaging.output import package
from scripts.packaging.problems import PackagingError
from scripts.packaging.project import PROJECT, stages
from scripts.packaging.targets import TARGETS


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m scripts.package", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--stage", required=True, action="append", choices=stages(PROJECT), help="whose template; repeatable"
    )
    parser.add_argument("--out", type=Path, help="folder to write to; build/STAGE unless given")
    parser.add_argument(
        "--version",
        type=version_name,
        help="the release's name; time and commit, such as 20261123T080000Z-1a2b3c4, unless given",
    )
    parser.add_argument(
        "--target",
        choices=sorted(TARGETS),
        default="aws",
        help="where the zip is to run; local is this machine's Python",
    )
    parser.add_argument("--explain", metavar="LOGICAL_ID", help="write nothing; say where each property came from")
    parser.add_argument("--json", action="store_true", help="one JSON document instead of text")
    return parser.parse_args(argv)


def version_name(text: str) -> str:
    """As the template's parameter Version takes it."""
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not of letters, digits, dots, underscores and hyphens")
    return text


def main(argv: list[str] | None = None) -> int:
    options = arguments(argv)
    progress = Progress()
    try:
        if options.explain:
            rows = explain(assemble(options.stage[0]), options.explain)
            print(json.dumps(rows, indent=2) if options.json else as_text(rows))
            return 0
        stages = list(dict.fromkeys(options.stage))
        out = options.out or PROJECT / "build" / "-".join(stages)
        release = package(stages, target=options.target, out=out, say=progress, version=options.version)
        progress("")
        print(json.dumps(release, indent=2) if options.json else _summary(out, release))
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


class Progress:
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


def _summary(out: Path, release: dict[str, Any]) -> str:
    archive = release["zip"]
    lines = [f"{out}/release.json  version {release['version']}"]
    for name, stage in release["stages"].items():
        template = stage["template"]
        too_large = "; too large to be passed directly, deploy it from a bucket" if template["needs_bucket"] else ""
        lines.append(f"{out}/{name}/template.json  {template['bytes']:,} bytes{too_large}")
        lines += [
            f"  {what:<14} {use['used']:>9,} of {use['limit']:>9,}  {use['used'] / use['limit']:>4.0%}"
            for what, use in template["limits"].items()
        ]
    unzipped = f"{archive['bytes_unzipped'] / 1e6:.1f} MB unzipped"
    lines.append(f"{out}/deployment.zip  {archive['bytes'] / 1e6:.1f} MB, {unzipped}")
    packages = len(archive["distributions"])
    lines.append(f"  for {release['target']}, {packages} packages, sha256 {archive['sha256']}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
