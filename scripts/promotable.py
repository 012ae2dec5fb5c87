"""Whether a version may go to production: staging has to have run it. Prints the SHA-256 of its zip.

    python -m scripts.releases staging --json | python -m scripts.promotable 20261123T090000Z-1a2b3c4

exit codes: 0 it may; 1 it may not, and why; 2 wrong arguments
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

DEPLOYED, BAD = "deployed", "failed"


class NotPromotableError(Exception):
    """The text says why, and what could be promoted instead."""


def zip_of(version: str, records: Sequence[Mapping[str, Any]]) -> str:
    """SHA-256 of the zip with which staging ran ``version``. Raises NotPromotableError.

    ``records`` are those of every deployment, the newest first, as `scripts.releases` gives them.
    """
    of_version = [record for record in records if record["version"] == version]
    if of_version and of_version[0].get("smoke") == BAD:
        raise NotPromotableError(f"staging's smoke test of {version} failed")
    zips = {record["zip"]["sha256"] for record in of_version if record["outcome"] == DEPLOYED}
    if len(zips) == 1:
        return zips.pop()
    if zips:
        raise NotPromotableError(f"staging ran {version} with {len(zips)} different zips; package it again")
    others = list(dict.fromkeys(record["version"] for record in records if record["outcome"] == DEPLOYED))
    instead = f"; it has run {', '.join(others[:5])}" if others else "; it has run nothing yet"
    if of_version:
        raise NotPromotableError(f"staging did not keep {version} ({of_version[0]['outcome']}){instead}")
    raise NotPromotableError(f"staging has never run {version}{instead}")


def main(argv: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m scripts.promotable", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    options.add_argument("version")
    version = options.parse_args(argv).version
    try:
        print(zip_of(version, json.load(sys.stdin)["records"]))
    except NotPromotableError as error:
        print(f"promotable: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
