"""Rotate a stage's secrets now, and see that what was live before is good for a while yet.

python -m scripts.rotate_secrets local list
python -m scripts.rotate_secrets production rotate token
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from scripts.deployment.command import ended
from scripts.deployment.waiting import Waiting
from scripts.operations.command import count, either_side, operating, tell
from scripts.operations.place import Place
from scripts.operations.secrets import Secret, Secrets

MORE = """
examples:
  python -m scripts.rotate_secrets production list                  which there are, how and when each was changed
  python -m scripts.rotate_secrets production rotate token --dry-run
  python -m scripts.rotate_secrets production rotate token          tokens signed with the old key stay good meanwhile
  python -m scripts.rotate_secrets production rotate all            one after another, never both origin secrets

Secrets Manager calls the function rotate, four steps; an origin header takes the minutes in which CloudFront brings it
everywhere. Afterwards both values of a secret are read and compared with those before, as digests: the new one is
current, the old one previous. The database's password, which RDS keeps, has one value only; connections that are open
stay. A rotation that is under way is followed, not begun again. On this machine the script takes the steps that Secrets
Manager would take. A stolen key is good as the previous value until the next rotation: rotate twice.

exit code 5: still going on after --minutes; the same command follows it
"""
HOW = {"function": "four steps of ours", "rds": "by RDS", "hand": "no rotation here"}


def parser() -> argparse.ArgumentParser:
    options = operating("rotate_secrets", "List a stage's secrets and rotate them now.", more=MORE)
    commands = options.add_subparsers(dest="command", required=True, metavar="list | rotate")
    listing = commands.add_parser("list", help="which there are")
    rotate = commands.add_parser("rotate", help="change one, or all that can be")
    rotate.add_argument("name", metavar="NAME", help="of the list, or all")
    rotate.add_argument("--minutes", type=count, default=60, metavar="N", help="to wait for each (default: 60)")
    rotate.add_argument("--dry-run", action="store_true", help="say which would be changed, and change none")
    either_side(listing, rotate)
    return options


def run(arguments: argparse.Namespace, secrets: Secrets) -> int:
    if arguments.command == "list":
        found = secrets.all()
        rows = [{"name": one.name, "how": one.how, "rotated": one.rotated} for one in found]
        tell(arguments, {"secrets": rows}, "\n".join(map(line, found)))
        return 0
    chosen = _chosen(arguments.name, secrets)
    if arguments.dry_run:
        names = [one.name for one in chosen]
        tell(arguments, {"rotated": [], "would_rotate": names}, f"would rotate {', '.join(names)}")
        return 0
    done = [secrets.rotate(one) for one in chosen]
    lines = [f"{one.name}: rotated; live: {' and '.join(one.live)}" for one in done]
    tell(arguments, {"rotated": [one.as_json() for one in done]}, "\n".join(lines))
    return 0


def _chosen(name: str, secrets: Secrets) -> list[Secret]:
    if name != "all":
        return [secrets.named(name)]
    return [one for one in secrets.all() if one.how != "hand"]


def line(secret: Secret) -> str:
    return f"{secret.name:<14}{HOW[secret.how]:<22}{f'last {secret.rotated}' if secret.rotated else 'never rotated'}"


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)

    def work() -> int:
        waiting = Waiting(every_s=5.0, limit_s=60.0 * getattr(arguments, "minutes", 60))
        place = Place.of(arguments.stage, arguments.port)
        return run(arguments, Secrets(place, waiting=waiting, say=lambda text: print(f"  {text}", file=sys.stderr)))

    return ended(
        "rotate_secrets", work, as_json=arguments.json, interrupted="The same command again follows the rotation"
    )


if __name__ == "__main__":
    sys.exit(main())
