"""What queries take: made by the product, kept by it, and asked for by hand in SQL.

    python -m benchmarks.query --json         over a year: 2021, of which most is recorded
    python -m benchmarks.query --growth       a month, a year and five years, one after the other
    python -m benchmarks.query --load 60      then for a minute at once, a few questions often: how many hit

Starts a PostgreSQL and a Redis of its own, makes the schema by our migrations and fills it with the recorded figures
(benchmarks/recorded.py). Each question of benchmarks/questions.py is asked of the product, of the product again, and of
Postgres in SQL written by hand, in turn, so that neither has the warmer cache; every round asks of other topics and
times. By hand there are two: ``by_hand`` ends where a client of the product does, with the rows as JSON; ``bare`` stops
at psycopg's rows, to be compared with ``statement``: the product's own SQL without cache and JSON. All have the
product's session (read-only, with a timeout); those by hand have none of its cache, bounds and
validation. Fails if the product has not as many rows as the SQL, or has to ask PostgreSQL again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec

from benchmarks.questions import QUESTIONS, Question, Stock
from benchmarks.recorded import load
from chalicelib.adapters.postgres.owner import Postgres
from chalicelib.adapters.postgres.queries import PostgresQueries
from chalicelib.adapters.postgres.session import READS, PostgresSession
from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.results import RedisDataVersions, RedisResults
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.domain.plans import Plan
from chalicelib.ports import Queries, Rows
from chalicelib.protocol.planning import QueryLimits, plan_of
from chalicelib.protocol.query import decode_query
from chalicelib.services.queries import AnswerQuery
from localcloud.stores import PostgresServer, RedisServer

GROWTH = (30, 365, 1826)  # days
MB = 1024 * 1024


class Login:
    """Of the owner, for the migrations."""

    def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
        return ['{"username": "postgres", "password": "any"}']


def migrate(server: PostgresServer) -> None:
    where = {"host": "127.0.0.1", "port": server.port, "name": "postgres", "sslmode": "disable"}
    schema = AlembicSchema(Postgres(**where, secrets=Login(), secret_id="owner"))  # type: ignore[arg-type]  # noqa: S106 - a name
    schema.upgrade(schema.head(), deadline=time.monotonic() + 60)


def session(server: PostgresServer) -> PostgresSession:
    where: dict[str, Any] = {"host": "127.0.0.1", "port": server.port, "name": "postgres", "sslmode": "disable"}
    return PostgresSession(**where, user="defi_stream_reader", application="benchmark", settings=READS)


def product(queries: Queries, redis_url: str, *, fresh_ms: int = 1000) -> AnswerQuery:
    def now() -> datetime:
        return datetime.now(UTC)

    times = {"fresh_ms": fresh_ms, "life_ms": 600_000, "stale_ms": 3600_000}
    sizes = {"answer_bytes": MB, "budget_bytes": 64 * MB, "of_party": 12, "of_all": 12, "of_nobody": 12}
    return AnswerQuery(
        queries=queries,
        results=RedisResults(Redis(redis_url), now=now, **times, **sizes),
        now=now,
        token=lambda: uuid4().hex,
        limits=QueryLimits(),
        timeout_s=5,
        wait_s=3,
    )


Asked = tuple[AnswerQuery, PostgresQueries, PostgresSession]


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return (time.perf_counter() - started) * 1000, result


def ask(question: Question, asked: Asked, chance: random.Random, stock: Stock) -> Any:
    """Cold, kept, the statement alone, by hand and bare, in milliseconds, of one instance of a question."""
    service, queries, by_hand = asked
    query, sql, values = question.make(chance, stock)
    body = msgspec.json.encode(query)
    plan = plan_of(decode_query(body), now=datetime.now(UTC), limits=QueryLimits())
    work: list[tuple[str, Callable[[], Any]]] = [
        ("cold", lambda: service.run(body, party="benchmark")),
        ("statement", lambda: queries.run(plan)),
        ("by_hand", lambda: as_json(by_hand.read("by hand", sql.encode(), values))),
        ("bare", lambda: by_hand.read("by hand", sql.encode(), values)),
    ]
    chance.shuffle(work)
    took = {name: timed(each) for name, each in work}
    took["kept"] = timed(lambda: service.run(body, party="benchmark"))
    rows = json.loads(took["cold"][1].body)["rows"]
    if len(rows) != len(took["bare"][1]) or took["kept"][1].body != took["cold"][1].body:
        raise SystemExit(f"{question.name}: {len(rows)} rows, {len(took['bare'][1])} by hand, or not kept")
    return {name: ms for name, (ms, _) in took.items()}


def as_json(rows: Sequence[Sequence[Any]]) -> str:
    return msgspec.json.encode(rows).decode()


def measure(server: PostgresServer, redis_url: str, args: Any, days: int) -> dict[str, Any]:
    migrate(server)
    loaded = load(server.url, args.until - timedelta(days=days), args.until)
    stock = Stock(loaded.topics, loaded.chains, args.until, days)
    queries, chance, by_hand = PostgresQueries(session(server)), random.Random(args.seed), session(server)
    asked, found = (product(queries, redis_url), queries, by_hand), dict[str, Any]()
    for question in QUESTIONS:
        ask(question, asked, chance, stock)  # what is loaded at a first use is no query's
        found[question.name] = [ask(question, asked, chance, stock) for _ in range(args.rounds)]
    size = {"days": days, "topics": len(loaded.topics), "recorded_points": loaded.points, "candles": loaded.candles}
    load_average = {"load_average": round(os.getloadavg()[0], 1), "rounds": args.rounds}
    result = {**size, **load_average, **summary(found)}
    return {**result, "under_load": under_load(server, redis_url, args, stock)} if args.load else result


def under_load(server: PostgresServer, redis_url: str, args: Any, stock: Stock) -> dict[str, Any]:
    """Questions of a dashboard's kind, the n-th asked 1/n as often as the first, while news of every topic comes."""
    chance, asked, until = random.Random(args.seed), Counted(), time.monotonic() + args.load
    bodies = [msgspec.json.encode(chance.choice(QUESTIONS).make(chance, stock)[0]) for _ in range(args.distinct)]
    weights = [1 / (place + 1) for place in range(len(bodies))]
    versions, took = RedisDataVersions(Redis(redis_url)), list[float]()

    def client(number: int) -> None:
        own = random.Random(args.seed + number)
        service = product(asked.around(PostgresQueries(session(server))), redis_url)
        while time.monotonic() < until:
            (body,) = own.choices(bodies, weights)
            took.append(timed(lambda: service.run(body, party=str(number)))[0])  # noqa: B023 - run at once
            time.sleep(own.expovariate(args.per_second / args.clients))

    def news() -> None:
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(args.news, left))
            versions.arrived(stock.topics)

    with ThreadPoolExecutor(args.clients + 1) as threads:
        done = [threads.submit(news), *(threads.submit(client, number) for number in range(args.clients))]
        for each in done:
            each.result()
    figures = {f"p{rank}_ms": round(percentile(took, rank), 2) for rank in (50, 95)}
    return {"asked": len(took), "distinct": args.distinct, "hit_rate": round(1 - asked.count / len(took), 3), **figures}


class Counted:
    """How many questions came to the database."""

    def __init__(self) -> None:
        self.count = 0

    def around(self, queries: Queries) -> Queries:
        counted = self

        class Around:
            def run(self, plan: Plan) -> Rows:
                counted.count += 1
                return queries.run(plan)

        return Around()


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    ways = ("cold", "kept", "statement", "by_hand", "bare")
    every = {way: [took[way] for asked in found.values() for took in asked] for way in ways}
    figures = {
        f"{way}_p{rank}_ms": round(percentile(times, rank), 2) for way, times in every.items() for rank in (50, 95)
    }
    medians = {
        name: {way: statistics.median(took[way] for took in asked) for way in ways} for name, asked in found.items()
    }
    questions = {
        name: {
            **{f"{way}_ms": round(median[way], 2) for way in ways},
            **{f"ratio_{way}": round(median["cold"] / median[way], 3) for way in ("by_hand", "bare")},
            "ratio_statement": round(median["statement"] / median["bare"], 3),
        }
        for name, median in medians.items()
    }
    ratios = {f"ratio_{way}": round(sum(every["cold"]) / sum(every[way]), 3) for way in ("by_hand", "bare")}
    ratios["ratio_statement"] = round(sum(every["statement"]) / sum(every["bare"]), 3)
    return {**figures, **ratios, "questions": questions}


def percentile(values: Sequence[float], rank: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * rank // 100)]


async def run(args: argparse.Namespace, days: int) -> dict[str, Any]:
    server = PostgresServer()
    with tempfile.TemporaryDirectory(prefix="defi-stream-") as directory:
        redis = RedisServer(Path(directory))
        try:
            await redis.start()
            await server.start()
            return await asyncio.to_thread(measure, server, redis.url, args, days)
        finally:
            await server.stop()
            await redis.stop()


def day(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.query", description=__doc__.split("\n", 1)[0])
    options.add_argument("--days", type=int, default=365, help="days of history (default: 365)")
    options.add_argument("--until", type=day, help="their end (2022-01-01: in 2021 most was recorded)")
    options.add_argument("--growth", action="store_true", help="30, 365 and 1826 days up to 2023-07-26")
    options.add_argument("--rounds", type=int, default=20, help="times that each question is asked (default: 20)")
    options.add_argument("--seed", type=int, default=1, help="of the questions' topics and times (default: 1)")
    options.add_argument("--load", type=float, default=0, metavar="S", help="then S seconds of clients at once (none)")
    options.add_argument("--clients", type=int, default=8, help="of these (8)")
    options.add_argument("--per-second", type=float, default=50, help="questions of all clients together (50)")
    options.add_argument("--distinct", type=int, default=200, help="questions to choose from, by Zipf's law (200)")
    options.add_argument("--news", type=float, default=60, metavar="S", help="data of every topic every S seconds (60)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    args = options.parse_args()
    args.until = args.until or day("2023-07-26" if args.growth else "2022-01-01")
    results = [asyncio.run(run(args, days)) for days in (GROWTH if args.growth else (args.days,))]
    if args.json:
        print(json.dumps(results if args.growth else results[0]))
        return
    for result in results:
        for name, value in result.items():
            parts = value.items() if isinstance(value, dict) else [("", value)]
            for part, shown in parts:
                print(f"{f'{name} {part}'.strip():<24} {shown}")


if __name__ == "__main__":
    main()
