"""A stage's queues: how full they are, what lies in them, and dead letters sent back or deleted.

python -m scripts.queues local list
python -m scripts.queues production redrive history-dead-letters --limit 100 --dry-run
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts.deployment.command import ended
from scripts.deployment.errors import RefusedError
from scripts.operations.command import count, either_side, operating, tell
from scripts.operations.place import Place
from scripts.operations.queues import Queue, Queues

BODY_SHOWN = 160
MORE = """
examples:
  python -m scripts.queues production list                               all of them, those with dead letters marked
  python -m scripts.queues production peek events-dead-letters           the oldest five, left where they are
  python -m scripts.queues production redrive events-dead-letters --dry-run
  python -m scripts.queues production redrive history-dead-letters --limit 1000 --per-second 50
  python -m scripts.queues production redrive observations-dead-letters --to events
  python -m scripts.queues production purge deliveries-dead-letters --yes

A queue is named without the stage. Whatever the stack holds is listed, without this being told of it. A redrive
sends a message first and deletes it afterwards: broken off, it loses none, and may bring one twice, which every
function here takes for one. A peek counts as a receive; at a queue that is at work it hides what it shows for a moment,
and so is refused unless --at-work is said.
"""


def parser() -> argparse.ArgumentParser:
    what = "List a stage's queues, look into them, send dead letters back or delete them."
    options = operating("queues", what, more=MORE)
    commands = options.add_subparsers(dest="command", required=True, metavar="list | peek | redrive | purge")
    listing = commands.add_parser("list", help="how many messages wait and are in flight, and the age of the oldest")
    listing.add_argument("--dead", action="store_true", help="only dead letters; exit code 1 if there are any")
    peek = commands.add_parser("peek", help="show messages and leave them where they are")
    peek.add_argument("queue", metavar="QUEUE")
    peek.add_argument("--limit", type=count, default=5, metavar="N", help="how many (default: 5)")
    peek.add_argument("--at-work", action="store_true", help="also at a queue that a function reads")
    redrive = commands.add_parser("redrive", help="send dead letters back to the queue that they come from")
    redrive.add_argument("queue", metavar="QUEUE", help="of dead letters")
    redrive.add_argument("--to", metavar="QUEUE", help="elsewhere (default: where they come from)")
    redrive.add_argument("--limit", type=count, metavar="N", help="at most so many (default: as there are now)")
    redrive.add_argument("--per-second", type=count, default=10, metavar="N", help="at most (default: 10)")
    redrive.add_argument("--dry-run", action="store_true", help="say what would be sent where, and change nothing")
    purge = commands.add_parser("purge", help="delete dead letters, for good")
    purge.add_argument("queue", metavar="QUEUE", help="of dead letters")
    purge.add_argument("--yes", action="store_true", help="do it; without it only what would go is said")
    either_side(listing, peek, redrive, purge)
    return options


def table(queues: Sequence[Queue]) -> str:
    """A line a queue; ! is before dead letters."""
    rows = [f"  {'queue':<28}{'waiting':>9}{'in flight':>11}{'delayed':>9}{'oldest':>10}  dead letters go to"]
    for queue in queues:
        mark = "!" if queue.is_for_dead_letters and queue.waiting + queue.in_flight else " "
        rows.append(
            f"{mark} {queue.name:<28}{queue.waiting:>9,}{queue.in_flight:>11,}{queue.delayed:>9,}"
            f"{age(queue):>10}  {queue.dead_letters or ''}".rstrip()
        )
    return "\n".join(rows)


def age(queue: Queue) -> str:
    if queue.oldest_s is None or not queue.waiting + queue.in_flight:
        return "-"
    for size, letter in ((86400, "d"), (3600, "h"), (60, "min")):
        if queue.oldest_s >= size:
            return f"{queue.oldest_s / size:.1f} {letter}"
    return f"{queue.oldest_s} s"


def run(arguments: argparse.Namespace, queues: Queues) -> int:
    match arguments.command:
        case "list":
            return _list(arguments, queues)
        case "peek":
            return _peek(arguments, queues)
        case "redrive":
            return _redrive(arguments, queues)
    return _purge(arguments, queues)


def _list(arguments: argparse.Namespace, queues: Queues) -> int:
    found = [queue for queue in queues.all() if queue.is_for_dead_letters or not arguments.dead]
    tell(arguments, {"queues": [queue.as_json() for queue in found]}, table(found))
    return int(arguments.dead and any(queue.waiting + queue.in_flight for queue in found))


def _peek(arguments: argparse.Namespace, queues: Queues) -> int:
    queue = queues.named(arguments.queue)
    if not queue.is_for_dead_letters and not arguments.at_work:
        raise RefusedError(
            f"{queue.name} is at work: what a peek shows, its function gets later. Say --at-work to do it"
        )
    messages = queues.peek(queue, arguments.limit)
    lines = [f"{one.sent:%F %T}  received {one.receives} times  {one.id}\n    {_cut(one.body)}" for one in messages]
    told = {"queue": queue.name, "messages": [one.as_json() for one in messages]}
    tell(arguments, told, "\n".join(lines) or f"{queue.name} is empty")
    return 0


def _redrive(arguments: argparse.Namespace, queues: Queues) -> int:
    dead = queues.named(arguments.queue)
    if not dead.is_for_dead_letters:
        raise RefusedError(f"{dead.name} is no queue of dead letters")
    if not (goal := arguments.to or dead.source):
        raise RefusedError(
            f"{dead.name} comes from a topic, not from a queue: say --to which queue its messages shall go"
        )
    to = queues.named(goal)
    many = dead.waiting if arguments.limit is None else min(dead.waiting, arguments.limit)
    told = {"from": dead.name, "to": to.name, "waiting": dead.waiting, "dry_run": arguments.dry_run}
    if arguments.dry_run:
        took = f"{many / arguments.per_second:,.0f} s at {arguments.per_second} a second"
        tell(arguments, {**told, "moved": 0}, f"would send {many:,} messages from {dead.name} to {to.name}, {took}")
        return 0
    moved = queues.redrive(
        dead,
        to,
        limit=many,
        per_s=arguments.per_second,
        moved=lambda n: print(f"  {n:,} of {many:,}", file=sys.stderr, flush=True),
    )
    tell(arguments, {**told, "moved": moved}, f"{moved:,} messages went from {dead.name} back to {to.name}")
    return 0


def _purge(arguments: argparse.Namespace, queues: Queues) -> int:
    queue = queues.named(arguments.queue)
    if not queue.is_for_dead_letters:
        raise RefusedError(f"{queue.name} is at work: only dead letters are purged")
    told = {"queue": queue.name, "waiting": queue.waiting, "purged": arguments.yes}
    if not arguments.yes:
        tell(arguments, told, f"would delete {queue.waiting:,} messages of {queue.name}, for good: say --yes to do it")
        return 0
    queues.purge(queue)
    tell(arguments, told, f"{queue.waiting:,} messages of {queue.name} are deleted; SQS takes up to a minute for it")
    return 0


def _cut(body: str) -> str:
    return body if len(body) <= BODY_SHOWN else f"{body[:BODY_SHOWN]}… ({len(body):,} characters; --json shows all)"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    return ended(
        "queues", lambda: run(arguments, Queues(Place.of(arguments.stage, arguments.port))), as_json=arguments.json
    )


if __name__ == "__main__":
    sys.exit(main())
