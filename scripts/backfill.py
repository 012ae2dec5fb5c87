"""Load the past from DefiLlama into the history.

python -m scripts.backfill --queue-url URL                                   # a stage on AWS
python -m scripts.backfill --database postgresql://defi_stream@127.0.0.1:5432/postgres --from-recorded
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import urllib3

from chalicelib.adapters.defillama import DefiLlama
from chalicelib.adapters.defillama.fetcher import Fetcher
from chalicelib.adapters.sqs import Queue
from chalicelib.domain.observations import Observation
from chalicelib.domain.topics import is_topic
from chalicelib.errors import DefiStreamError, SourceError
from chalicelib.ports import FeedKind, FeedState
from chalicelib.settings import DEFAULT_COINS
from localcloud.feed.process import FeedProcess
from localcloud.feed.tape import Tape
from scripts.backfilling.charts import KINDS, PERIODS_S, Charts, Hosts, Kind, Topic
from scripts.backfilling.progress import Bar, Progress
from scripts.backfilling.sinks import DatabaseSink, QueueSink, Sink
from scripts.keys import credentials

EPILOG = """\
Every observation has the id that it had or would have had if it was polled, so loading twice changes nothing. A run
that is broken off goes on where it was; --restart begins again. Without --from-recorded DefiLlama itself is asked: one
request for a protocol, chain, pool or 500 prices of a coin, at most --per-second of them. What is older than the stage
keeps (its parameter HistoryMonths) is not recorded: raise that first.

examples:
  python -m scripts.backfill --dry-run --from-recorded --kinds chains     how much there is
  python -m scripts.backfill --database postgresql://postgres@127.0.0.1:PORT/postgres --from-recorded --since 2021-01-01
                                                                          into localcloud, which prints the address
  python -m scripts.backfill --queue-url "$HISTORY_QUEUE_URL"             into a stage
"""

FEEDS: dict[Kind, FeedKind] = {
    "prices": "prices",
    "protocols": "protocols",
    "chains": "chains",
    "pegs": "stablecoins",
    "yields": "yields",
}


@dataclass(slots=True)
class Done:
    """What a run came to, for people and machines."""

    topics: int = 0
    observations: int = 0
    skipped: int = 0  # of topics: nothing newer than the last run
    failed: int = 0
    seconds: float = 0.0


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m scripts.backfill",
        description="Load the past of prices, TVL, pegs and yields from DefiLlama into the history.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    into = options.add_mutually_exclusive_group(required=True)
    into.add_argument("--queue-url", help="the stack's output HistoryQueueUrl: record takes it from there")
    into.add_argument("--database", metavar="URL", help="postgresql://user@host:port/name, straight into it")
    into.add_argument("--dry-run", action="store_true", help="read everything, keep nothing, say how much there is")
    options.add_argument("--endpoint-url", help="the address of the AWS APIs, for localcloud")
    options.add_argument("--region", default="us-east-1")
    options.add_argument("--from-recorded", action="store_true", help="the figures recorded in localcloud/feed/data")
    options.add_argument("--kinds", type=_kinds, default=KINDS, help=f"some of {','.join(KINDS)} (default: all)")
    options.add_argument("--coins", help="DefiLlama ids of coins, separated by commas (default: those that are polled)")
    options.add_argument("--limit", type=int, default=100, help="so many of each kind but prices, largest first (100)")
    options.add_argument("--since", type=_day, default=_day("2019-01-01"), metavar="DAY", help="first day (2019-01-01)")
    options.add_argument("--until", type=_day, metavar="DAY", help="first day that is not loaded (now)")
    options.add_argument("--period", choices=sorted(PERIODS_S), default="1d", help="distance of two prices (1d)")
    options.add_argument("--per-second", type=float, default=5.0, help="requests to DefiLlama at most (5)")
    options.add_argument("--state", type=Path, help="file of how far it is (default: build/backfill/…)")
    options.add_argument("--restart", action="store_true", help="forget how far it was: for a new, empty database")
    options.add_argument("--json", action="store_true", help="what it came to, as one JSON object")
    return options


def _day(text: str) -> datetime:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: expected a day like 2021-09-06, in UTC") from error


def _kinds(text: str) -> tuple[Kind, ...]:
    wanted = tuple(part.strip() for part in text.split(","))
    if unknown := set(wanted) - set(KINDS):
        raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: not among {', '.join(KINDS)}")
    return tuple(kind for kind in KINDS if kind in wanted)


class _Nowhere:
    def take(self, observations: Sequence[Observation]) -> None:
        pass


def sink_of(options: argparse.Namespace) -> Sink:
    if options.dry_run:
        return _Nowhere()
    if options.database:
        return DatabaseSink(options.database)
    import boto3

    client = boto3.client(
        "sqs",
        region_name=options.region,
        endpoint_url=options.endpoint_url,
        **credentials(options.endpoint_url, os.environ),
    )
    return QueueSink(Queue(client, options.queue_url))


class Backfill:
    """One run: every topic of every kind, each from where the last run left it."""

    def __init__(self, options: argparse.Namespace, sink: Sink, progress: Progress) -> None:
        self._options = options
        self._sink = sink
        self._progress = progress
        self.done = Done()
        now = lambda: datetime.now(UTC)  # noqa: E731 - as the container has it
        self._fetcher = Fetcher(http=urllib3.PoolManager(), sleep=time.sleep, random=random.random, now=now)

    def load(self, kind: Kind, hosts: Hosts, coins: Sequence[str]) -> None:
        """Raises SourceError if not even the list of topics can be had, StoreDownError if the sink takes no more."""
        topics = self.topics(kind, hosts, coins)
        charts = Charts(self._fetcher, hosts, period=self._options.period)
        print(f"{kind}: {len(topics)} topics", file=sys.stderr)
        bar = Bar(len(topics))
        for topic in topics:
            bar.step(self._load(topic, charts), topic.like.topic)
        bar.end()

    def topics(self, kind: Kind, hosts: Hosts, coins: Sequence[str]) -> list[Topic]:
        """What the current feed names, the largest first."""
        source = DefiLlama(
            api_url=hosts.api,
            coins_url=hosts.coins,
            stablecoins_url=hosts.stablecoins,
            yields_url=hosts.yields,
            timeout_s=60.0,
            coins_per_request=50,
            yield_min_tvl_usd=Decimal(1_000_000),
        )
        now = datetime.now(UTC)
        if kind == "prices":  # asked for by name: a coin that is silent now has a past all the same
            likes = [Observation("", f"price:{coin}", Decimal(1), now) for coin in coins]
            return [Topic(kind, like) for like in likes if is_topic(like.topic)]
        found = source.fetch(FEEDS[kind], FeedState(), coins=(), scheduled_at=now).observations
        if kind in ("protocols", "chains"):  # of prices and yields the largest are not the ones that matter most
            found = sorted(found, key=lambda seen: seen.value, reverse=True)
        return [Topic(kind, like) for like in found[: self._options.limit]]

    def _load(self, topic: Topic, charts: Charts) -> int:
        """How many observations; a topic that fails is told and left, the others go on."""
        options, name = self._options, topic.like.topic
        last = self._progress.after(name)
        since = max(options.since, last + timedelta(seconds=1)) if last else options.since
        self.done.topics += 1
        if since >= options.until:
            self.done.skipped += 1
            return 0
        try:
            found = charts.read(topic, since, options.until)
        except SourceError as error:
            self.done.failed += 1
            print(f"\n{name}: {error}", file=sys.stderr)
            return 0
        if not options.from_recorded:
            time.sleep(1 / options.per_second)
        self._sink.take(found)
        if found and not options.dry_run:
            self._progress.done(name, found[-1].observed_at)
        self.done.skipped += not found
        self.done.observations += len(found)
        return len(found)


async def load_recorded(run: Backfill, kinds: Sequence[Kind], coins: Sequence[str] | None) -> None:
    """From the recorded DefiLlama, standing at the last day on which each kind was recorded."""
    tape = await asyncio.to_thread(Tape.load)
    known = coins or sorted({coin for table in ("prices_daily", "prices_hourly") for (coin,) in tape.keys(table)})
    with tempfile.TemporaryDirectory() as directory:
        for kind in kinds:
            last = max(end for _, end in tape.spans(FEEDS[kind]))
            feed = FeedProcess(Path(directory) / "feed.log", speed=1.0, begins=datetime.fromtimestamp(last, UTC))
            await feed.start()
            try:
                await asyncio.to_thread(run.load, kind, Hosts(*[feed.url] * 4), known)
            finally:
                await feed.stop()


def state_path(options: argparse.Namespace) -> Path:
    """One for each place to load into and each period: they are not equally far."""
    if options.state:
        return Path(options.state)
    into = f"{options.queue_url} {options.database} {options.period} {options.from_recorded}"
    return Path("build/backfill") / f"{hashlib.sha256(into.encode()).hexdigest()[:12]}.json"


def main(arguments: Sequence[str] | None = None) -> int:
    options = parser().parse_args(arguments)
    options.until = options.until or datetime.now(UTC)
    began = time.monotonic()
    try:
        state = state_path(options)
        progress = Progress(state, restart=options.restart)
        is_resumed = bool(progress.topics)
        run = Backfill(options, sink_of(options), progress)
        coins = options.coins.split(",") if options.coins else None
        if options.from_recorded:
            asyncio.run(load_recorded(run, options.kinds, coins))
        else:
            for kind in options.kinds:
                run.load(kind, Hosts(), coins or DEFAULT_COINS.split(","))
    except KeyboardInterrupt:
        print("\nBroken off: the same command goes on from here.", file=sys.stderr)
        return 130
    except (DefiStreamError, ValueError, RuntimeError) as error:
        print(f"\n{error}\nThe same command goes on from here.", file=sys.stderr)
        return 1
    done = replace(run.done, seconds=round(time.monotonic() - began, 1))
    told = f"{done.observations:,} observations of {done.topics - done.skipped - done.failed} topics"
    rest = f"{done.skipped} had nothing new, {done.failed} failed, in {done.seconds} s"
    print(json.dumps(asdict(done)) if options.json else f"{told}; {rest}")
    if is_resumed and not done.observations:
        print(f"{state} says that all of it was loaded before; for a new database: --restart", file=sys.stderr)
    return 1 if done.failed else 0


if __name__ == "__main__":
    sys.exit(main())
