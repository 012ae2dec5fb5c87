"""python -m loadtests.swarm: the clients, in a process of their own under gevent; started by loadtests, told by JSON.

Reads one JSON object (see ``Orders``) from the standard input, runs Locust, writes its HTML report, the push delays
and one JSON object with all figures. Progress goes to the standard error.
"""

from gevent import monkey

monkey.patch_all()  # before anything that opens a socket is imported: so the imports below are where they are

import itertools
import json
import logging
import random
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gevent
import msgspec
from locust import LoadTestShape
from locust.env import Environment
from locust.html import get_html_report
from locust.stats import StatsEntry, stats_history

from loadtests.ledger import Delays, Ledger
from loadtests.orders import Orders
from loadtests.publisher import Publisher
from loadtests.session import AUDIT_S, QUIET_S
from loadtests.users import AUDIT_SPREAD_S, ApiReader, Subscriber, Trader

REPORT_EVERY_S = 5.0
COMING_S = 60.0  # that the last users are given to be served
WARM_UP_S = 3.0  # for workers that their load has started
DRAIN_S = 30.0
HTTP_TIMEOUT_S = 15.0
TOPICS_WAIT_S = 30.0


class Swarm:
    """What all users share: where to go, with what, and which phase the run is in."""

    def __init__(self, orders: Orders, ledger: Ledger) -> None:
        self.plan = orders.plan()
        self.ledger = ledger
        self.ws_url = orders.ws_url
        self.headers = orders.headers
        self.topics: list[str] = []
        self.storms = 0
        self.users: dict[str, int] = {}  # of each class when the load was over
        self.loading, self.auditing, self.over = True, False, False  # loading: users do what users do
        self.began = self.ended = 0.0  # of the load that counts, in Unix time
        self._url = orders.url
        self._keys = itertools.cycle(orders.keys)
        self._seeds = itertools.count(orders.seed * 1_000_003)
        self._answers = 0
        self._settled = 0

    def next_key(self) -> str:
        return next(self._keys)

    def next_seed(self) -> int:
        return next(self._seeds)

    def audited(self) -> None:
        self._answers += 1

    def settled(self) -> None:
        self._settled += 1

    @property
    def at_home(self) -> int:
        """How many users with a socket have had their first subscription answered."""
        return self._settled

    @property
    def answers(self) -> int:
        """How many users have answered for their last session."""
        return self._answers

    def token(self, key: str) -> str | None:
        """A token for one handshake, by REST; None (and a failure in the report) if there is none."""
        started = time.monotonic()
        request = urllib.request.Request(f"{self._url}/v1/tokens", b"{}", {**self.headers, "x-api-key": key})  # noqa: S310
        request.add_header("content-type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as response:  # noqa: S310 - our own target
                token = str(json.load(response)["token"])
        except (OSError, ValueError, KeyError) as error:
            self.ledger.row("POST", "/v1/tokens", started, error=error)
            return None
        self.ledger.row("POST", "/v1/tokens", started)
        return token

    def find_topics(self, wanted: int) -> None:
        """Learn the topics that there are, by REST, until there are so many. Raises TimeoutError."""
        until = time.monotonic() + TOPICS_WAIT_S
        while len(self.topics) < wanted:
            if time.monotonic() > until:
                raise TimeoutError(
                    f"{len(self.topics)} of {wanted} topics after {TOPICS_WAIT_S:g} s: is it publishing?"
                )
            self.topics = sorted({topic for kind in ("price", "tvl", "peg", "yield") for topic in self._listed(kind)})
            gevent.sleep(0.2)

    def _listed(self, kind: str) -> list[str]:
        found: list[str] = []
        cursor: str | None = "0"
        while cursor is not None:
            url = f"{self._url}/v1/topics?match={kind}:*&cursor={cursor}"
            request = urllib.request.Request(url, headers=self.headers)  # noqa: S310
            with urllib.request.urlopen(request, timeout=HTTP_TIMEOUT_S) as response:  # noqa: S310 - our own target
                page = json.load(response)
            found += [entry["topic"] for entry in page["topics"]]
            cursor = page["next"]
        return found


class Shape(LoadTestShape):
    """Locust's shape out of a plan: after the load it keeps the users until they have answered for what they got."""

    def __init__(self, swarm: Swarm, rate: float) -> None:
        super().__init__()
        self._swarm = swarm
        self._rate = rate

    def tick(self) -> tuple[int, float] | None:
        if self._swarm.over:
            return None
        elapsed_s = time.time() - self._swarm.began if self._swarm.began else 0.0
        return self._swarm.plan.users_at(min(elapsed_s, self._swarm.plan.duration_s * 0.999)), self._rate


def direct(swarm: Swarm, runner: Any, publisher: Publisher | None, say: Callable[[str], None]) -> None:
    """Lead the run through its phases: users come, load, drain, audit, end."""
    if swarm.plan.coming_s:
        wait_for(lambda: runner.user_count >= swarm.plan.users and swarm.at_home >= streaming(runner), swarm, say)
        gevent.sleep(WARM_UP_S)
    swarm.began = time.time()
    say(f"load begins, with {runner.user_count} users")
    while (elapsed_s := time.time() - swarm.began) < swarm.plan.duration_s:
        if swarm.plan.storms_by(elapsed_s) > swarm.storms:
            say("every socket breaks")
            swarm.storms += 1
        gevent.sleep(0.1)
    swarm.ended = time.time()
    swarm.users = dict(runner.user_classes_count)
    swarm.loading = False
    if publisher is not None:
        publisher.stop()
        say("load over: waiting until nothing more comes")
        until = time.monotonic() + DRAIN_S
        gevent.sleep(QUIET_S)
        while time.monotonic() < until and time.monotonic() - swarm.ledger.heard_at < QUIET_S:
            gevent.sleep(0.1)
    say("asking the server what should have come")
    swarm.auditing = True
    until = time.monotonic() + AUDIT_SPREAD_S + AUDIT_S + DRAIN_S
    while time.monotonic() < until and swarm.answers < streaming(runner):
        gevent.sleep(0.1)
    swarm.ledger.count("unaudited", streaming(runner) - swarm.answers)
    swarm.over = True


def wait_for(home: Callable[[], bool], swarm: Swarm, say: Callable[[str], None]) -> None:
    until = time.monotonic() + swarm.plan.coming_s + COMING_S
    while not home():
        if time.monotonic() > until:
            say(f"{swarm.at_home} users have been served; going on without waiting for the rest")
            return
        gevent.sleep(0.1)


def streaming(runner: Any) -> int:
    return sum(count for name, count in runner.user_classes_count.items() if name != ApiReader.__name__)


def progress(swarm: Swarm, runner: Any, say: Callable[[str], None]) -> None:
    """A line every few seconds."""
    before = 0
    while True:
        gevent.sleep(REPORT_EVERY_S)
        counts = swarm.ledger.counts
        rate = (counts["updates"] - before) / REPORT_EVERY_S
        before = counts["updates"]
        say(f"{runner.user_count} users, {rate:,.0f} updates/s, {counts['lost'] + counts['missed']} lost or missed")


def figures(environment: Environment, swarm: Swarm) -> dict[str, Any]:
    """Every row of the report, and the counters."""
    entries = sorted(environment.stats.entries.values(), key=lambda entry: (entry.method or "", entry.name))
    errors = [
        {"type": error.method, "name": error.name, "error": str(error.error), "count": error.occurrences}
        for error in environment.stats.errors.values()
    ]
    faults = [fault["traceback"] for fault in environment.runner.exceptions.values()]
    return {
        "rows": [_row(entry) for entry in entries],
        "errors": errors,
        "faults": faults,
        "counts": dict(swarm.ledger.counts),
        "losses": dict(swarm.ledger.losses),
    }


def _row(entry: StatsEntry) -> dict[str, Any]:
    return {
        "type": entry.method,
        "name": entry.name,
        "requests": entry.num_requests,
        "failures": entry.num_failures,
        "p50_ms": entry.get_response_time_percentile(0.5),
        "p95_ms": entry.get_response_time_percentile(0.95),
        "p99_ms": entry.get_response_time_percentile(0.99),
        "max_ms": round(entry.max_response_time, 1),
        "mean_bytes": round(entry.avg_content_length),
    }


def run(orders: Orders, say: Callable[[str], None]) -> dict[str, Any]:
    """The whole of it."""
    directory = Path(orders.directory)
    with (directory / "push-delays.jsonl").open("w") as out:
        environment = Environment(user_classes=[Subscriber, Trader, ApiReader], host=orders.url)
        delays = Delays(out, {"Stage": orders.stage}, seed=orders.seed)
        swarm = Swarm(orders, Ledger(environment.events.request.fire, delays))
        environment.swarm = swarm  # type: ignore[attr-defined]  # how Locust's users reach what is ours
        environment.shape_class = Shape(swarm, orders.spawn_rate)
        runner = environment.create_local_runner()
        publisher = Publisher(orders, swarm.ledger) if orders.publish else None
        if publisher is not None:
            publisher.open()
        swarm.find_topics(orders.topics if publisher is not None else 1)
        began, cpu_began = time.time(), time.process_time()
        helpers = [gevent.spawn(stats_history, runner), gevent.spawn(progress, swarm, runner, say)]
        if publisher is not None:
            helpers.append(gevent.spawn(publisher.run))
        runner.start_shape()
        helpers.append(gevent.spawn(direct, swarm, runner, publisher, say))
        runner.shape_greenlet.join()
        cpu = (time.process_time() - cpu_began) / (time.time() - began)
        result = figures(environment, swarm)
        runner.final_user_classes_count = swarm.users  # not those of the end, when most have left
        (directory / "report.html").write_text(get_html_report(environment, show_download_link=False))
        runner.quit()
        delays.flush()
        gevent.killall(helpers)
    return {**result, "began": swarm.began, "ended": swarm.ended, "client_cpu": cpu}


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="loadtests: %(message)s")
    logging.getLogger("locust").setLevel(logging.ERROR)
    orders = msgspec.json.decode(sys.stdin.buffer.read(), type=Orders)
    random.seed(orders.seed)
    started = time.monotonic()

    def say(text: str) -> None:
        print(f"  {time.monotonic() - started:6.1f} s  {text}", file=sys.stderr, flush=True)

    print(json.dumps(run(orders, say)), flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)  # whoever started this process says so
