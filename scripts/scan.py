"""Look for weaknesses: in what is shipped, in the code, in the template, in what was written down, in the workflows.

    python -m scripts.scan                       all of them
    python -m scripts.scan secrets workflows     some
    python -m scripts.scan sbom                  build/sbom.cdx.json, CycloneDX: what the Lambda zip carries

exit codes: 0 nothing was found; 1 something was, and is above; 2 wrong arguments; 3 a scan could not be made
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts.scanning import code, dependencies, secrets, template, workflows
from scripts.scanning.findings import CannotScanError

SCANS = {
    "dependencies": dependencies.scan,
    "code": code.scan,
    "template": template.scan,
    "secrets": secrets.scan,
    "workflows": workflows.scan,
}
KNOWN = (*SCANS, "sbom")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.scan", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("scan", nargs="*", type=_known, metavar="SCAN", help=", ".join(KNOWN))
    return options


def main(argv: Sequence[str] | None = None) -> int:
    wanted = parser().parse_args(argv).scan or list(SCANS)
    return max([_one(name) for name in wanted])


def _known(name: str) -> str:  # argparse refuses none at all where there are choices
    if name not in KNOWN:
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(KNOWN)}")
    return name


def _one(name: str) -> int:
    try:
        if name == "sbom":
            print(f"sbom: {dependencies.bill_of_materials()}", flush=True)
            return 0
        found = SCANS[name]()
    except CannotScanError as error:
        print(f"{name}: cannot be made: {error}", flush=True)
        return 3
    for line in found:
        print(line)
    print(f"{name}: {len(found) or 'nothing'} found", flush=True)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
