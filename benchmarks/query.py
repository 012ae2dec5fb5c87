"""What queries take: made by the product, kept by it, and asked for by hand in SQL.

    python -m benchmarks.query            a table
    python -m benchmarks.query --json     one object on standard output

Starts a PostgreSQL and a Redis of its own, makes the schema by our migrations, fills it with generated candles of
``--topics`` topics over ``--days`` days, and asks each question of benchmarks/questions.py: of the product, of Postgres
in SQL written by hand (in turn, so that neither has the warmer cache), and of the product again. Every round asks of
other topics and times. Fails if the product has not as many rows as the SQL, or has to ask PostgreSQL again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import psycopg

from benchmarks.questions import QUESTIONS, Question
from chalicelib.adapters.postgres.owner import Postgres
from chalicelib.adapters.postgres.queries import PostgresQueries
from chalicelib.adapters.postgres.session import PostgresSession
from chalicelib.adapters.redis.client import Redis
from chalicelib.adapters.redis.results import RedisQuerySlots, RedisResults
from chalicelib.adapters.schema import AlembicSchema
from chalicelib.protocol.planning import QueryLimits
from chalicelib.services.queries import AnswerQuery
from localcloud.stores import PostgresServer, RedisServer

END = datetime(2026, 11, 1, tzinfo=UTC)
MB = 1024 * 1024


class Login:
    """Of the owner, for the migrations."""

    def values(self, secret_id: str, *, max_age_s: float = 300) -> Sequence[str]:
        return ['{"username": "postgres", "password": "any"}']


def migrate(server: PostgresServer) -> None:
    where = {"host": "127.0.0.1", "port": server.port, "name": "postgres", "sslmode": "disable"}
    schema = AlembicSchema(Postgres(**where, secrets=Login(), secret_id="owner"))  # type: ignore[arg-type]  # noqa: S106 - a name
    schema.upgrade(schema.head(), deadline=time.monotonic() + 60)


def fill(server: PostgresServer, topics: int, days: int) -> int:
    """Candles of an hour and of a day, whose prices wander; returns how many."""
    with psycopg.connect(server.url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO history.entities (topic, kind, name, category, chains, first_seen, last_seen)"
            " SELECT 'price:coin-' || n, 'price', 'coin-' || n, 'c' || n %% 10, ARRAY['Chain' || n %% 7], now(), now()"
            " FROM generate_series(1, %s) AS n",
            (topics,),
        )
        rows = 0
        for minutes in (60, 1440):
            for first in range(1, topics + 1, 20):
                done = connection.execute(
                    "INSERT INTO history.candles"
                    " SELECT id, %(minutes)s, at, v, v * 1.01, v * 0.99, v * 1.002, v * 60, 60, at, at + '1 minute'"
                    " FROM history.entities, generate_series(%(start)s, %(end)s, %(step)s) AS at,"
                    " LATERAL (SELECT round((100 + 50 * sin(id + extract(epoch FROM at) / 1e6) + random())::numeric, 6)"
                    " AS v) AS walk WHERE id BETWEEN %(first)s AND %(first)s + 19",
                    {
                        "minutes": minutes,
                        "start": END - timedelta(days=days),
                        "end": END - timedelta(seconds=1),
                        "step": timedelta(minutes=minutes),
                        "first": first,
                    },
                )
                rows += done.rowcount
                if sys.stderr.isatty():
                    print(f"\r{rows:,} candles", end="", file=sys.stderr)
        connection.execute("VACUUM ANALYZE history.candles; ")
        connection.execute("ANALYZE history.entities")
    if sys.stderr.isatty():
        print(file=sys.stderr)
    return rows


def product(server: PostgresServer, redis_url: str) -> AnswerQuery:
    def now() -> datetime:
        return datetime.now(UTC)

    where = {"host": "127.0.0.1", "port": server.port, "name": "postgres", "sslmode": "disable"}
    session = PostgresSession(**where, user="defi_stream", application="benchmark")  # type: ignore[arg-type]
    redis = Redis(redis_url)
    times = {"fresh_ms": 1000, "life_ms": 600_000, "stale_ms": 3600_000}
    return AnswerQuery(
        queries=PostgresQueries(session),
        results=RedisResults(redis, now=now, **times, answer_bytes=MB, budget_bytes=64 * MB),
        slots=RedisQuerySlots(redis, now=now, of_party=2, of_all=12),
        now=now,
        token=lambda: uuid4().hex,
        limits=QueryLimits(),
        timeout_s=5,
        wait_s=3,
    )


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    result = work()
    return (time.perf_counter() - started) * 1000, result


def ask(
    question: Question, service: AnswerQuery, by_hand: psycopg.Connection[Any], chance: random.Random, args: Any
) -> Any:
    """Cold, kept and by hand, in milliseconds, of one instance of a question."""
    query, sql, values = question.make(chance, args.topics, END, args.days)
    body = msgspec.json.encode(query)
    work: list[tuple[str, Callable[[], Any]]] = [
        ("cold", lambda: service.run(body, party="benchmark")),
        ("by_hand", lambda: by_hand.execute(sql, values, prepare=False).fetchall()),
    ]
    chance.shuffle(work)
    took = {name: timed(each) for name, each in work}
    took["kept"] = timed(lambda: service.run(body, party="benchmark"))
    rows = json.loads(took["cold"][1].body)["rows"]
    if len(rows) != len(took["by_hand"][1]) or took["kept"][1].body != took["cold"][1].body:
        raise SystemExit(f"{question.name}: {len(rows)} rows, {len(took['by_hand'][1])} by hand, or not kept")
    return {name: ms for name, (ms, _) in took.items()}


def measure(server: PostgresServer, redis_url: str, args: Any) -> dict[str, Any]:
    migrate(server)
    rows = fill(server, args.topics, args.days)
    service, chance = product(server, redis_url), random.Random(args.seed)
    found: dict[str, Any] = {}
    with psycopg.connect(server.url, autocommit=True) as by_hand:
        by_hand.execute("SET jit = off; SET max_parallel_workers_per_gather = 0; SET timezone = 'UTC'")
        for question in QUESTIONS:
            ask(question, service, by_hand, chance, args)  # what is loaded at a first use is no query's
            found[question.name] = [ask(question, service, by_hand, chance, args) for _ in range(args.rounds)]
    return {"rows": rows, "days": args.days, "rounds": args.rounds, **summary(found)}


def summary(found: dict[str, list[dict[str, float]]]) -> dict[str, Any]:
    every = {way: [took[way] for asked in found.values() for took in asked] for way in ("cold", "kept", "by_hand")}
    ratios = {
        name: statistics.median(took["cold"] for took in asked) / statistics.median(took["by_hand"] for took in asked)
        for name, asked in found.items()
    }
    total = sum(every["cold"]) / sum(every["by_hand"])
    figures = {
        f"{way}_p{rank}_ms": round(percentile(times, rank), 2) for way, times in every.items() for rank in (50, 95)
    }
    return {**figures, "ratio": round(total, 3), "ratios": {name: round(ratio, 3) for name, ratio in ratios.items()}}


def percentile(values: Sequence[float], rank: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * rank // 100)]


async def run(args: argparse.Namespace) -> dict[str, Any]:
    server = PostgresServer()
    with tempfile.TemporaryDirectory(prefix="defi-stream-") as directory:
        redis = RedisServer(Path(directory))
        try:
            await redis.start()
            await server.start()
            return await asyncio.to_thread(measure, server, redis.url, args)
        finally:
            await server.stop()
            await redis.stop()


def main() -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.query", description=__doc__.split("\n", 1)[0])
    options.add_argument("--topics", type=int, default=200, help="topics that there are candles of (default: 200)")
    options.add_argument("--days", type=int, default=365, help="days of candles (default: 365)")
    options.add_argument("--rounds", type=int, default=20, help="times that each question is asked (default: 20)")
    options.add_argument("--seed", type=int, default=1, help="of the questions' topics and times (default: 1)")
    options.add_argument("--json", action="store_true", help="one JSON object")
    args = options.parse_args()
    result = asyncio.run(run(args))
    print(json.dumps(result) if args.json else "\n".join(f"{name:<16} {value}" for name, value in result.items()))


if __name__ == "__main__":
    main()
