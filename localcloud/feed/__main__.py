"""``python -m localcloud.feed``: the recorded DefiLlama alone."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
from datetime import UTC, datetime

from localcloud.feed.server import RecordedFeed
from localcloud.feed.tape import DEFAULT_START, RECORDED, Tape

EPILOG = """\
worth seeing:
  --from 2021-09-06               the crash of 7 September 2021: prices, TVL of chains and protocols, stablecoins
  --from 2022-05-07 --speed 3600  Terra: 28.2 billion dollars on the chain on 7 May, 1.0 billion on 13 May
  --from 2023-03-10 --speed 600   USDC at 0.961 on 12 March 2023, and back
  --from 2025-08-01 --speed 3600  yields of 236 pools
  --from 2026-01-05 --speed 60    hourly prices

then, with the URL that is printed:
  curl URL/protocols    curl URL/v2/chains    curl URL/stablecoins?includePrices=true    curl URL/pools
  curl URL/prices/current/coingecko:bitcoin,coingecko:ethereum    curl URL/_tape

The figures are recorded (localcloud/feed/data/ATTRIBUTION.md says by whom); between recorded points they are linear
and every record says so: "source": "recorded-interpolated". What was not recorded for a day is absent on that day.
"""


def moment(text: str) -> datetime:
    """``2022-05-07`` or ``2022-05-07T12:00``, in UTC."""
    try:
        parsed = datetime.fromisoformat(text)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError) as error:  # the second: a zone that leads out of all years
        raise argparse.ArgumentTypeError(f"{text!r} is not a date like 2022-05-07 or 2022-05-07T12:00") from error


def recorded_moment(text: str) -> datetime:
    """A moment that is on the tape."""
    parsed, tape = moment(text), Tape.load()
    if tape.first <= parsed.timestamp() <= tape.last:
        return parsed
    first, last = (f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d}" for stamp in (tape.first, tape.last))
    raise argparse.ArgumentTypeError(f"{text} is not from {first} to {last}, UTC; recorded are\n{ranges(tape)}")


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m localcloud.feed",
        description="Serve recorded DeFi figures as DefiLlama does, on this machine only.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument("--port", type=int, default=0, help="port on 127.0.0.1 (default: any free one)")
    options.add_argument(
        "--speed", type=float, default=60.0, help="tape seconds per second; 3600 plays an hour a second (default: 60)"
    )
    options.add_argument(
        "--from",
        dest="start",
        type=recorded_moment,
        default=DEFAULT_START,
        metavar="DATE",
        help=f"where the tape starts, UTC (default: {DEFAULT_START.date()})",
    )
    return options


def ranges(tape: Tape) -> str:
    """What is recorded, one line a feed."""
    return "\n".join(f"  {kind:<12} {tape.count(kind):>4}  {_spans(tape, kind)}" for kind in RECORDED)


def _spans(tape: Tape, kind: str) -> str:
    days = ([f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d}" for stamp in span] for span in tape.spans(kind))
    return ", ".join(" to ".join(span) for span in days)


async def serve(feed: RecordedFeed) -> None:
    """Serve until SIGINT or SIGTERM."""
    stopped = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stopped.set)
    await feed.start()
    print(f"recorded DefiLlama at {feed.url} from {feed.begins:%Y-%m-%d %H:%M} UTC, {feed.speed:g} times as fast")
    print(f"recorded:\n{ranges(feed.tape)}", flush=True)
    try:
        await stopped.wait()
    finally:
        await feed.stop()


def main() -> None:
    options = parser()
    arguments = options.parse_args()
    try:
        feed = RecordedFeed(speed=arguments.speed, start=arguments.start, port=arguments.port)
    except ValueError as error:
        options.error(str(error))
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(feed))
    except OSError as error:
        options.exit(1, f"cannot listen on port {arguments.port}: {error.strerror or error}\n")


if __name__ == "__main__":
    main()
