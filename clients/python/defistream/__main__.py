"""Watch topics from a terminal: ``defistream --help``."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import TextIO

from defistream import Alert, Event, RefusedError, Stats, Stream, StreamError, Update, connect

_RATES = ("realtime", "1s", "5s", "15s", "60s")
_RATE_TOO_FAST = 2005

_HELP = """\
topics
  price:ethereum          a coin, by its CoinGecko id (or price:base:0x... by chain and address)
  tvl:protocol:aave-v3    the value locked in a protocol         tvl:chain:Ethereum    or on a chain
  peg:usd-coin            a stablecoin's price                   yield:<pool>          a pool's APY
  feed:prices             how fresh a source is
  alerts:me               the alerts of your own rules (needs a key; the rate does not matter)
  price:*                 a trailing * is every topic below it

examples
  defistream ws://127.0.0.1:8080 'price:*'
  defistream wss://host 'tvl:protocol:*' --min-change 1 --rate 5s --key "$KEY"
  defistream wss://host price:bitcoin --json | jq .value

Without a key the server gives an anonymous token, whose fastest rate is usually 5s.
The delay of a snapshot is not shown: its value was waiting here before anybody asked.
Ctrl-C stops; the last line says how many updates came, and whether any were missed.
exit codes: 0 stopped or done, 1 no connection, 2 wrong usage, 3 refused by the server
"""


def parser() -> argparse.ArgumentParser:
    arguments = argparse.ArgumentParser(
        prog="defistream",
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
        choices=_RATES,
        help="at most one update per topic and interval (default: the fastest allowed)",
    )
    add("--min-change", choices=["0.5", "1", "2", "5", "10"], help="only moves of at least so many percent")
    add("--no-snapshot", action="store_true", help="only changes, not the present values first")
    add("--newest", action="store_true", help="leave out an update that is older than one shown already")
    add("--key", "--api-key", default=os.environ.get("DEFISTREAM_KEY"), help="API key (or the variable DEFISTREAM_KEY)")
    add("--token", help="a token from POST /v1/tokens, good for one connection")
    add("--json", action="store_true", help="one JSON object a line instead of a table")
    add("--count", type=int, default=0, help="stop after so many updates")
    add("--seconds", type=float, default=None, help="stop after so long")
    return arguments  # fmt: skip


def as_json(update: Update) -> str:
    """One line; decimals as strings, times as RFC 3339, with ``delay_ms`` (null for a snapshot)."""
    told = asdict(update)
    if update.alert is None:
        del told["alert"]
    told["delay_ms"] = None if update.snapshot else round(update.delay_ms, 3)
    return json.dumps(told, default=_plain)


def _plain(value: object) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def as_row(update: Update) -> str:
    if update.alert is not None:
        return _as_alert(update.alert)
    change = "snapshot" if update.snapshot else "" if update.change_pct is None else f"{update.change_pct:+.3f} %"
    delay = "\N{EN DASH}" if update.snapshot else f"{update.delay_ms:.0f} ms"
    return f"{update.topic:<40.40} {update.value:>24f} {change:>12} {delay:>11}"


def _as_alert(alert: Alert) -> str:
    figure = "" if alert.value is None else f" is {alert.value:f}"
    return f"{alert.at:%H:%M:%S} {alert.state.upper():<12} {alert.name}: {alert.topic}{figure} ({alert.condition})"


def as_line(event: Event) -> str:
    """What happened to the stream, for a person."""
    if event.name == "connected":
        return "connected again, going on from where it broke" if event.message == "again" else "connected"
    name = "not connected" if event.name == "disconnected" else event.name.replace("_", " ")
    return " ".join(part for part in (name, event.topic) if part) + (f": {event.message}" if event.message else "")


def as_summary(stats: Stats) -> str:
    """The last line: what came, and whether anything is missing."""
    lost = stats.not_recovered
    said = [
        _count(stats.updates, "update received"),
        f"updates missed on {_count(lost, 'topic')}" if lost else "none missed",
    ]
    happened = {
        "reconnect": stats.reconnects,
        "gap": stats.gaps,
        "duplicate dropped": stats.duplicates,
        "frame not understood": stats.malformed,
    }
    said += [_count(count, what) for what, count in happened.items() if count]
    return ", ".join(said)


def _count(count: int, what: str) -> str:
    one, _, rest = what.partition(" ")
    return f"{count:,} {one}{'' if count == 1 else 's'}{' ' + rest if rest else ''}"


async def watch(options: argparse.Namespace, out: TextIO, err: TextIO) -> int:
    """Print updates until told to stop; the exit code. Raises BrokenPipeError if nobody reads ``out`` any more."""

    def tell(event: Event) -> None:
        seen.add(event.name)
        if event.name == "alert":
            return  # it has a row
        err.write(f"# {as_line(event)}\n")

    seen: set[str] = set()
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
        if "connected" not in seen:
            err.write(f"error: no connection within {options.seconds:g} s\n")
            return 1
    except StreamError as error:
        err.write(f"error: {error}{_advice(error)}\n")
        if not stream.stats.updates:
            seen.clear()  # there is nothing to sum up
        return 1 if error.temporary else 3
    except BrokenPipeError:
        seen.clear()  # who reads us has had enough
        raise
    finally:
        if "connected" in seen:
            err.write(f"# {as_summary(stream.stats)}\n")
    return 0


def _advice(error: StreamError) -> str:
    too_fast = isinstance(error, RefusedError) and error.code == _RATE_TOO_FAST
    return "; choose that or a slower one with --rate, or leave --rate out" if too_fast else ""


async def _subscribe(stream: Stream, options: argparse.Namespace) -> None:
    """At the rate asked for; else at the fastest that the token names, or that the server takes."""
    named = options.rate or stream.fastest_rate
    for rate in (named,) if named else _RATES:
        try:
            await stream.subscribe(
                *options.topics, rate=rate, min_change_pct=options.min_change, snapshot=not options.no_snapshot
            )
        except RefusedError as refused:
            if refused.code != _RATE_TOO_FAST or rate in (named, _RATES[-1]):
                raise
        else:
            return


async def _print(stream: Stream, options: argparse.Namespace, out: TextIO) -> None:
    await _subscribe(stream, options)
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
    except BrokenPipeError:  # such as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # else Python fails flushing it at its end
        return 0


if __name__ == "__main__":
    sys.exit(main())
