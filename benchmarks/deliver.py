"""How many posts a second one worker makes through ``@connections``, next to boto3.

    python -m benchmarks.deliver            a table
    python -m benchmarks.deliver --json     one object on standard output

Starts one sink (benchmarks/sink.py: a process on loopback that answers 200 to everything) and posts to it with
ours, with one boto3 client in a loop, and with one boto3 client on 32 threads, in turn, several rounds; each figure
is the median of its rounds. All sign with SigV4 and keep their connections alive; the sink counts what arrived and
the run fails if a post is missing. All post the same body to different connections, as a fan-out does.
"""

from __future__ import annotations

import argparse
import base64
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.credentials import ReadOnlyCredentials

from chalicelib.adapters.connections import ConnectionsClient
from chalicelib.ports import Post

REGION = "us-east-1"
KEY = ReadOnlyCredentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
THREADS = 32


class SinkProcess:
    """The sink, for as long as the benchmark runs."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "benchmarks.sink"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        port = int(self._line())
        self.url = f"http://127.0.0.1:{port}/ws"

    def count(self) -> int:
        """Requests that arrived since the last call."""
        assert self._process.stdin
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return int(self._line())

    def stop(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()

    def _line(self) -> str:
        assert self._process.stdout
        return self._process.stdout.readline()


@contextmanager
def sink() -> Iterator[SinkProcess]:
    process = SinkProcess()
    try:
        yield process
    finally:
        process.stop()


def connection_ids(count: int, seed: int = 1) -> list[str]:
    """Ids like API Gateway's: 11 bytes in base64url, ending in ``=``."""
    rng = random.Random(seed)
    return [base64.urlsafe_b64encode(rng.randbytes(11)).decode() for _ in range(count)]


def ours(url: str, body: bytes, size: int) -> tuple[Callable[[list[str]], None], Callable[[], None]]:
    client = ConnectionsClient(endpoint_url=url, region=REGION, credentials=lambda: KEY, size=size)

    def post(ids: list[str]) -> None:
        results = client.post_all([Post(connection, body, 0) for connection in ids], deadline=time.monotonic() + 120)
        assert results.sent == len(ids), results

    return post, client.close


def boto3_client(url: str) -> Any:
    return boto3.client(
        "apigatewaymanagementapi",
        endpoint_url=url,
        region_name=REGION,
        aws_access_key_id=KEY.access_key,
        aws_secret_access_key=KEY.secret_key,
        config=Config(max_pool_connections=THREADS),
    )


def boto3_serial(url: str, body: bytes) -> Callable[[list[str]], None]:
    client = boto3_client(url)

    def post(ids: list[str]) -> None:
        for connection in ids:
            client.post_to_connection(ConnectionId=connection, Data=body)

    return post


def boto3_threads(url: str, body: bytes, pool: ThreadPoolExecutor) -> Callable[[list[str]], None]:
    client = boto3_client(url)

    def one(connection: str) -> None:
        client.post_to_connection(ConnectionId=connection, Data=body)

    def post(ids: list[str]) -> None:
        for _ in pool.map(one, ids):
            pass

    return post


def per_second(post: Callable[[list[str]], None], ids: list[str], target: SinkProcess) -> float:
    target.count()
    started = time.perf_counter()
    post(ids)
    seconds = time.perf_counter() - started
    arrived = target.count()
    assert arrived == len(ids), f"{arrived} of {len(ids)} posts arrived"
    return len(ids) / seconds


def run(*, posts: int, body_bytes: int, connections: int, rounds: int) -> dict[str, Any]:
    body = b"x" * body_bytes
    few = connection_ids(max(100, posts // 50))  # boto3 is so much slower that fewer posts give as good a figure
    with sink() as target, ThreadPoolExecutor(THREADS) as threads:
        ours_post, close = ours(target.url, body, connections)
        candidates: dict[str, tuple[Callable[[list[str]], None], list[str]]] = {
            "ours_per_s": (ours_post, connection_ids(posts)),
            "boto3_serial_per_s": (boto3_serial(target.url, body), few),
            "boto3_threads_per_s": (boto3_threads(target.url, body, threads), few),
        }
        try:
            for post, ids in candidates.values():
                post(ids[:200])  # connects and imports are not measured
            rates = _measure(candidates, target, rounds)
        finally:
            close()
        medians = {name: round(statistics.median(each), 1) for name, each in rates.items()}
        return {
            **medians,
            "ratio_to_boto3_threads": round(medians["ours_per_s"] / medians["boto3_threads_per_s"], 1),
            "rounds": {name: [round(rate) for rate in each] for name, each in rates.items()},
            "posts": posts,
            "boto3_posts": len(few),
            "body_bytes": body_bytes,
            "connections": connections,
            "threads": THREADS,
            "sink": "benchmarks.sink: one Python process on epoll and loopback",
        }


def _measure(
    candidates: dict[str, tuple[Callable[[list[str]], None], list[str]]], target: SinkProcess, rounds: int
) -> dict[str, list[float]]:
    """Interleaved, so that a busy moment of the machine falls on all of them."""
    rates: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(1, rounds + 1):
        for name, (post, ids) in candidates.items():
            rates[name].append(per_second(post, ids, target))
            print(f"round {number}/{rounds}: {name:<20} {rates[name][-1]:>10,.0f}", file=sys.stderr)
    return rates


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deliver", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--posts", type=int, default=20_000, help="posts of ours a round; boto3 makes a 50th (20000)")
    parser.add_argument("--body-bytes", type=int, default=500, help="a body's size: one update has about 300 (500)")
    parser.add_argument("--connections", type=int, default=64, help="keep-alive connections of ours (64)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds; each figure is the median (5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a table")
    options = parser.parse_args()
    if min(options.posts, options.body_bytes, options.connections, options.rounds) < 1:
        parser.error("every number must be at least 1")
    result = run(
        posts=options.posts,
        body_bytes=options.body_bytes,
        connections=options.connections,
        rounds=options.rounds,
    )
    if options.json:
        print(json.dumps(result))
        return
    for name in ("ours_per_s", "boto3_serial_per_s", "boto3_threads_per_s", "ratio_to_boto3_threads"):
        print(f"{name:<24}{result[name]:>12,.1f}")
    print(f"one sink process; {options.connections} connections of ours; bodies of {options.body_bytes} bytes")


if __name__ == "__main__":
    main()
