"""Issue, list and revoke API keys.

python -m scripts.keys --table TABLE issue --tier pro --name "market maker"
python -m scripts.keys --table TABLE list
python -m scripts.keys --table TABLE revoke 3f9a1c2e
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import BotoCoreError

from chalicelib.adapters.dynamodb import DynamoKeys
from chalicelib.domain.topics import is_topic
from chalicelib.errors import DefiStreamError
from chalicelib.services.keys import SHOWN_HASH, KeyRing
from chalicelib.settings import DEFAULT_TIERS

EPILOG = """\
localcloud prints the whole command for issuing a key on this machine; its AWS APIs take any credentials, so none are
needed for an --endpoint-url on a loopback address. On AWS your own count, from the environment or a profile.
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.keys",
        description="Issue, list and revoke API keys. A key is shown once, when it is issued; only its hash is kept.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_shared(options, table=None, endpoint_url=None, region="us-east-1", json=False)
    commands = options.add_subparsers(dest="command", required=True, metavar="issue | list | revoke")
    issue = commands.add_parser("issue", help="make a key and show it")
    issue.add_argument("--tier", choices=sorted(DEFAULT_TIERS), required=True)
    issue.add_argument("--name", type=_name, required=True, help="what it is for; shown in lists")
    issue.add_argument("--user", type=_user, help="whom it belongs to (default: a new user)")
    listing = commands.add_parser("list", help="show every key's owner, tier, name and the start of its hash")
    revoke = commands.add_parser("revoke", help="make a key useless for new connections")
    revoke.add_argument("hash", help="the first 8 or more characters of its hash, from list")
    for command in (issue, listing, revoke):  # may stand on either side of the command
        _add_shared(command)
    return options


def _add_shared(options: argparse.ArgumentParser, **defaults: object) -> None:
    def add(flag: str, **how: Any) -> None:
        name = flag.removeprefix("--").replace("-", "_")
        options.add_argument(flag, default=defaults.get(name, argparse.SUPPRESS), **how)

    add("--table", help="DynamoDB table of the keys (the stack's output KeysTable); required")
    add("--endpoint-url", metavar="URL", help="the AWS API to talk to (default: AWS)")
    add("--region", help="AWS region (default: us-east-1)")
    add("--json", action="store_true", help="one JSON object a line, for machines")


def _name(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError("must not be empty")
    return text.strip()


def _user(text: str) -> str:
    """Alerts are told on a topic that bears the name."""
    name = _name(text)
    if not is_topic(f"alerts:{name}"):
        raise argparse.ArgumentTypeError("must be up to 121 characters that a topic may have: letters, digits, . _ - @")
    return name


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    options = parser()
    arguments = options.parse_args(argv)
    if not arguments.table:
        options.error("--table is required: localcloud prints it, on AWS it is the stack's output KeysTable")
    return arguments


def credentials(endpoint_url: str | None, env: Mapping[str, str]) -> dict[str, str]:
    """localcloud's own for an address of this machine, where the environment has none; else what boto3 finds."""
    if not endpoint_url or not _is_loopback(endpoint_url) or env.keys() & {"AWS_ACCESS_KEY_ID", "AWS_PROFILE"}:
        return {}
    from localcloud.ministack import ACCESS_KEY, SECRET_KEY

    return {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": SECRET_KEY}


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def run(arguments: argparse.Namespace, ring: KeyRing) -> list[dict[str, object]]:
    """What a command has to say, a row a key. Raises DefiStreamError."""
    if arguments.command == "issue":
        key, kept = ring.issue(tier=arguments.tier, name=arguments.name, user=arguments.user)
        return [{"key": key, **asdict(kept)}]
    if arguments.command == "revoke":
        return [asdict(ring.revoke(arguments.hash))]
    return [asdict(key) for key in ring.list()]


def show(row: Mapping[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(row))
        return
    state = f"revoked {row['revoked_at']}" if row["revoked_at"] else "live"
    print(f"{str(row['hash'])[:SHOWN_HASH]}  {row['tier']:<10}  {row['user']:<20}  {state:<10}  {row['name']}")
    if "key" in row:
        print(f"\n  {row['key']}\n\nKeep it: it is not shown again.")


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parse(argv)
    url = arguments.endpoint_url
    try:
        secrets = credentials(url, os.environ)
        client = boto3.client("dynamodb", endpoint_url=url, region_name=arguments.region, **secrets)
        ring = KeyRing(keys=DynamoKeys(client, arguments.table), tiers=DEFAULT_TIERS, now=lambda: datetime.now(UTC))
        rows = run(arguments, ring)
    except (DefiStreamError, BotoCoreError, ValueError) as error:  # the last two: a URL or a region that is none
        print(f"keys: {error}", file=sys.stderr)
        return 1
    for row in rows:
        show(row, as_json=arguments.json)
    return 0


if __name__ == "__main__":
    sys.exit(main())
