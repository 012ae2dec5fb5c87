"""Who is connected to a stage: counted, listed, closed.

python -m scripts.connections local count
python -m scripts.connections production list --topic price:ethereum
python -m scripts.connections production close Zk3xRdXnoAMCJ8Q=
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from scripts.deployment.command import ended
from scripts.operations.command import count, either_side, operating, tell
from scripts.operations.connections import Connections
from scripts.operations.place import Place

MORE = """
examples:
  python -m scripts.connections production count                          in all, by tier, the busiest users and topics
  python -m scripts.connections production list --user market-maker       whose they are, until when, to what subscribed
  python -m scripts.connections production list --topic price:ethereum    by wildcard too
  python -m scripts.connections production close ID --dry-run             whether the gateway still knows it
  python -m scripts.connections production close ID

Redis, where connections are kept, is reached by nobody outside the VPC: the function sweep is asked. On AWS that takes
lambda:InvokeFunction on it; closing takes execute-api:ManageConnections. One whose client vanished is listed until a
frame is sent to it, two hours at most. A client that is closed comes back at once, unless its key was revoked before
(python -m scripts.keys revoke).
"""


def parser() -> argparse.ArgumentParser:
    options = operating("connections", "Count, list and close the connections to a stage.", more=MORE)
    commands = options.add_subparsers(dest="command", required=True, metavar="count | list | close")
    counting = commands.add_parser("count", help="how many, by tier, user and topic")
    counting.add_argument("--top", type=count, default=10, metavar="N", help="users and topics to name (default: 10)")
    listing = commands.add_parser("list", help="which")
    listing.add_argument("--user")
    listing.add_argument("--tier")
    listing.add_argument("--topic", help="those that get this topic, also by a wildcard")
    listing.add_argument("--limit", type=count, default=50, metavar="N", help="at most so many (default: 50)")
    close = commands.add_parser("close", help="end some")
    close.add_argument("ids", nargs="+", metavar="ID")
    close.add_argument("--dry-run", action="store_true", help="say which are open, and close none")
    either_side(counting, listing, close)
    return options


def run(arguments: argparse.Namespace, connections: Connections) -> int:
    match arguments.command:
        case "count":
            found = connections.count(arguments.top)
            tell(arguments, found, counted(found))
        case "list":
            narrowed = {name: getattr(arguments, name) for name in ("user", "tier", "topic")}
            rows = connections.find(arguments.limit, **narrowed)
            tell(arguments, {"connections": rows}, "\n".join(map(line, rows)) or "none")
        case "close":
            return _close(arguments, connections)
    return 0


def _close(arguments: argparse.Namespace, connections: Connections) -> int:
    look = connections.is_open if arguments.dry_run else connections.close
    done = {name: look(name) for name in arguments.ids}
    words = {True: "open" if arguments.dry_run else "closed", False: "not open any more"}
    told = {"connections": {name: words[was] for name, was in done.items()}, "dry_run": arguments.dry_run}
    tell(arguments, told, "\n".join(f"{name}  {words[was]}" for name, was in done.items()))
    return 0


def counted(found: Mapping[str, Any]) -> str:
    lines = [f"{found['connections']:,} connections, {found['subscriptions']:,} subscriptions"]
    for what in ("tiers", "users", "topics"):
        if found[what]:
            lines += ["", what, *(f"  {name:<40}{count:>9,}" for name, count in found[what].items())]
    return "\n".join(lines)


def line(row: Mapping[str, Any]) -> str:
    session, names = row["session"], sorted(row["subscriptions"])
    ends = datetime.fromtimestamp(session["ends_ms"] / 1000, UTC)
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return (
        f"{row['connection']:<18}{session['tier']:<12}{session['user']:<24}until {ends:%H:%M} UTC  "
        f"{', '.join(names[:3]) or 'subscribed to nothing'}{more}"
    )


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    def work() -> int:
        return run(arguments, Connections(Place.of(arguments.stage, arguments.port)))

    return ended("connections", work, as_json=arguments.json)


if __name__ == "__main__":
    sys.exit(main())
