"""Watch topics from a terminal: ``python -m defistream --help``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from defistream import Event, Stream, StreamError, Update, connect

_HELP = """\
topics
  price:ethereum          a coin, by its CoinGecko id (or price:base:0x... by chain and address)
  tvl:protocol:aave-v3    the value locked in a protocol         tvl:chain:Ethereum    or on a chain
  peg:usd-coin            a stablecoin's price                   yield:<pool>          a pool's APY
  feed:prices             how fresh a source is
  price:*                 a trailing * is every topic below it

examples
  python -m defistream ws://127.0.0.1:8080 'price:*'
  python -m defistream wss://host 'tvl:protocol:*' --min-change 1 --rate 5s --key "$KEY"
  python -m defistream wss://host price:bitcoin --json | jq .value

Without a key the server gives an anonymous token, whose fastest rate is usually 5s.
Ctrl-C stops; the last line says how many updates came, and whether any were missed.
exit codes: 0 stopped or done, 1 no connection, 2 wrong usage, 3 refused by the server
"""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="python -m defistream",
        description="Watch DeFi prices, TVL, pegs and yields as they change.",
        epilog=_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = arguments.add_argument
    add("url", help="ws:// or wss:// and the host; the path is /ws unless given")
    add("topics", nargs="+", metavar="topic", help="topics and wildcards (quote the *)")
    add(
        "--rate",
        default=None,
        choices=["realtime", "1s", "5s", "15s", "60s"],
        help="at most one update per topic and interval (default: realtime with a key or token, else 5s)",
    )
    add("--min-change", choices=["0.5", "1", "2", "5", "10"], help="only moves of at least so many percent")
    add("--no-snapshot", action="store_true", help="only changes, not the present values first")
    add("--newest", action="store_true", help="leave out an update that is older than one shown already")
    add("--key", default=os.environ.get("DEFISTREAM_KEY"), help="API key (or the variable DEFISTREAM_KEY)")
    add("--token", help="a token from POST /v1/tokens, good for one connection")
    add("--json", action="store_true", help="one JSON object a line instead of a table")
    add("--count", type=int, default=0, help="stop after so many updates")
    add("--seconds", type=float, default=None, help="stop after so long")
    return arguments  # fmt: skip


def as_json(update: Update) -> str:
    """One line; decimals as strings, times as RFC 3339, with ``delay_ms``."""
    return json.dumps({**asdict(update), "delay_ms": round(update.delay_ms, 3)}, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def as_row(update: Update) -> str:
    change = "snapshot" if update.snapshot else "" if update.change_pct is None else f"{update.change_pct:+.3f} %"
    return f"{update.topic:<40.40} {update.value:>24f} {change:>12} {update.delay_ms:>8.0f} ms"


async def watch(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print updates until told to stop; the exit code."""

    def tell(event: Event) -> None:
        err.write(f"# {event.name} {event.topic or ''} {event.message}".rstrip() + "\n")

    stream = connect(
        options.url,
        api_key=options.key,
        token=options.token,
        order="newest" if options.newest else "arrival",
        on_event=tell,
    )
    try:
        async with asyncio.timeout(options.seconds), stream:
            await _print(stream, options, out)
    except TimeoutError:
        pass
    except StreamError as error:
        err.write(f"error: {error}\n")
        return 1 if error.temporary else 3
    finally:
        err.write(f"# {stream.stats}\n")
    return 0


async def _print(stream: Stream, options: argparse.Namespace, out: TextIO) -> None:
    rate = options.rate or ("realtime" if options.key or options.token else "5s")
    await stream.subscribe(
        *options.topics, rate=rate, min_change_pct=options.min_change, snapshot=not options.no_snapshot
    )
    shown = 0
    async for update in stream:
        out.write((as_json(update) if options.json else as_row(update)) + "\n")
        out.flush()
        shown += 1
        if shown == options.count:
            return


def main(argv: Sequence[str] | None = None) -> int:
    options = parser().parse_args(argv)
    try:
        return asyncio.run(watch(options, sys.stdout, sys.stderr))
    except ValueError as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
