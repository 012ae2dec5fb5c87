"""Issue, list and revoke API keys.

python -m scripts.keys --table TABLE issue --tier pro --name "market maker"
python -m scripts.keys --table TABLE list
python -m scripts.keys --table TABLE revoke 3f9a1c2e
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime

import boto3

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.errors import DefiStreamError
from chalicelib.services.keys import SHOWN_HASH, KeyRing
from chalicelib.settings import DEFAULT_TIERS


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.keys",
        description="Issue, list and revoke API keys. A key is shown once, when it is issued; only its hash is kept.",
        epilog="localcloud prints its --table and --endpoint-url. On AWS your credentials count.",
    )
    options.add_argument("--table", required=True, help="DynamoDB table of the keys (the stack's output KeysTable)")
    options.add_argument("--endpoint-url", help="the AWS API to talk to (default: AWS)")
    options.add_argument("--region", default="us-east-1", help="AWS region (default: us-east-1)")
    options.add_argument("--json", action="store_true", help="one JSON object a line, for machines")
    commands = options.add_subparsers(dest="command", required=True, metavar="issue | list | revoke")
    issue = commands.add_parser("issue", help="make a key and show it")
    issue.add_argument("--tier", choices=sorted(DEFAULT_TIERS), required=True)
    issue.add_argument("--name", required=True, help="what it is for; shown in lists")
    issue.add_argument("--user", help="whom it belongs to (default: a new user)")
    commands.add_parser("list", help="show every key's owner, tier, name and the start of its hash")
    revoke = commands.add_parser("revoke", help="make a key useless for new connections")
    revoke.add_argument("hash", help="the first 8 or more characters of its hash, from list")
    return options


def run(arguments: argparse.Namespace, ring: KeyRing) -> list[dict[str, object]]:
    """What a command has to say, a row a key. Raises DefiStreamError."""
    if arguments.command == "issue":
        key, kept = ring.issue(tier=arguments.tier, name=arguments.name, user=arguments.user)
        return [{"key": key, **asdict(kept)}]
    if arguments.command == "revoke":
        return [asdict(ring.revoke(arguments.hash))]
    return [asdict(key) for key in ring.list()]


def main() -> int:
    arguments = parser().parse_args()
    client = boto3.client("dynamodb", endpoint_url=arguments.endpoint_url, region_name=arguments.region)
    ring = KeyRing(keys=DynamoKeys(client, arguments.table), tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
    try:
        rows = run(arguments, ring)
    except DefiStreamError as error:
        print(f"keys: {error}", file=sys.stderr)
        return 1
    for row in rows:
        if arguments.json:
            print(json.dumps(row))
        else:
            state = f"revoked {row['revoked_at']}" if row["revoked_at"] else "live"
            print(f"{str(row['hash'])[:SHOWN_HASH]}  {row['tier']:<10}  {row['user']:<20}  {state:<10}  {row['name']}")
            if "key" in row:
                print(f"\n  {row['key']}\n\nKeep it: it is not shown again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
