"""One load test from start to verdict."""

from __future__ import annotations

import argparse
import os
import sys
import time
from array import array
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from loadtests import target
from loadtests.alarms import check_measured, client_points, latency_alarms, service_points
from loadtests.clock import Clock, fitting_minute_s
from loadtests.orders import Orders, Publish
from loadtests.shapes import SHAPES, usual_spawn_rate
from loadtests.stage_alarms import StageAlarms
from loadtests.summary import summary
from loadtests.verdict import AlarmCheck, failures
from localcloud.cloudwatch.alarms import MetricAlarm
from localcloud.durations import spoken
from localcloud.environment import STAGE

ALARMS = target.ROOT / "cfn" / "alarms.yaml"
MEASURED_BY_CLIENTS = frozenset({"PublishedToSent"})
CLIENTS, SERVICE = "the clients", "the handlers' metrics"


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Run it, write the reports, and tell everything. Raises TargetError if there is nothing to put under load."""
    directory: Path = options.directory.resolve()
    directory.mkdir(parents=True, exist_ok=True)
    # What judges is looked for before the load: who learns of its lack afterwards has waited for nothing.
    alarms = latency_alarms(options.template or ALARMS, options.stage or STAGE)
    cloudwatch = StageAlarms(options.stack, options.region) if options.url else None
    say("starting the laptop cloud" if options.url is None else f"against {options.url}")
    with _target(options, directory) as at:
        orders = _orders(options, at, directory)
        result = target.swarm(msgspec.json.encode(orders))
    # From when all users are at home (from the start, where their coming is the test) to the end of the load.
    began, ended = (datetime.fromtimestamp(result[name], UTC) for name in ("began", "ended"))
    minute_s = options.minute or float(fitting_minute_s((ended - began).total_seconds()))
    clock = Clock(began, minute_s)
    checks = [*_checked_here(alarms, at, clock, ended, directory)]
    if cloudwatch is not None:
        say(f"giving CloudWatch {spoken(options.settle)} to evaluate what it was sent")
        time.sleep(options.settle)
        checks = cloudwatch.checks(began, ended + timedelta(seconds=options.settle)) + checks
    reasons = failures(result, checks)
    told = {
        "passed": not reasons,
        "reasons": reasons,
        "alarms": [check.told() for check in checks],
        "alarm_minute_s": minute_s,
        "alarm_note": _note(clock, ended, stack=options.stack),
        "push_delay": _percentiles(directory / "push-delays.jsonl", began, ended),
        **_setting(options, orders, at),
        **{name: result[name] for name in ("rows", "errors", "faults", "counts", "losses", "client_cpu")},
        "window": {"began": f"{began:%Y-%m-%d %H:%M:%S}", "ended": f"{ended:%H:%M:%S}"},
        "machine_load": os.getloadavg()[0],
        "cores": os.cpu_count(),
    }
    (directory / "summary.md").write_text(summary(told))
    (directory / "result.json").write_bytes(msgspec.json.format(msgspec.json.encode(told)))
    return told


def say(text: str) -> None:
    print(f"loadtests: {text}", file=sys.stderr, flush=True)


@contextmanager
def _target(options: argparse.Namespace, directory: Path) -> Iterator[target.Target]:
    if options.url:
        publish = Publish(options.publish_to, options.region, options.changes) if options.publish_to else None
        yield target.stage(options.url, options.ws_url, _keys(options.key), options.stage, publish)
        return
    with target.laptop(
        directory,
        users=options.users,
        feed=options.feed,
        changes_per_s=options.changes,
        inject_latency_s=options.inject_latency,
        extra=options.localcloud,
    ) as laptop:
        yield laptop


def _keys(given: list[str]) -> list[str]:
    """Keys as they are, and those of the files named with ``@``."""
    keys: list[str] = []
    for entry in given:
        try:
            keys += Path(entry[1:]).read_text().split() if entry.startswith("@") else [entry]
        except OSError as error:
            raise target.TargetError(f"no keys from {entry}: {error.strerror}") from error
    return keys


def _orders(options: argparse.Namespace, at: target.Target, directory: Path) -> Orders:
    return Orders(
        url=at.url,
        ws_url=at.ws_url,
        keys=at.keys,
        stage=at.stage,
        directory=str(directory),
        shape=options.shape,
        users=options.users,
        spawn_rate=options.spawn_rate or usual_spawn_rate(options.shape, options.users),
        duration_s=options.duration,
        topics=options.topics,
        seed=options.seed,
        publish=at.publish,
        headers=dict(options.header),
    )


def _checked_here(
    alarms: Sequence[MetricAlarm], at: target.Target, clock: Clock, ended: datetime, directory: Path
) -> Iterator[AlarmCheck]:
    """What the alarms make of what was measured on this machine."""
    if at.log is not None:
        yield from check_measured(alarms, SERVICE, service_points(at.log), clock, ended)
    points = client_points(directory / "push-delays.jsonl")
    yield from check_measured(alarms, CLIENTS, points, clock, ended, measures=MEASURED_BY_CLIENTS)


def _setting(options: argparse.Namespace, orders: Orders, at: target.Target) -> dict[str, Any]:
    injected = f" A latency of {spoken(options.inject_latency)} was injected." if options.inject_latency else ""
    changes = (
        f"{options.changes:g} made-up changes a second on {options.topics} topics" if at.publish else "its own data"
    )
    return {
        "users": options.users,
        "shape": options.shape,
        "shape_is": SHAPES[options.shape],
        "duration_s": options.duration,
        "spawn_rate": orders.spawn_rate,
        "target": "the laptop cloud" if options.url is None else f"{at.stage} ({at.url})",
        "local": options.url is None,
        "load": f"The load is {changes}.{injected}",
        "seed": options.seed,
    }


def _note(clock: Clock, ended: datetime, *, stack: str | None) -> str:
    whole = f"Judged: {clock.began:%H:%M:%S} to {ended:%H:%M:%S} UTC."
    if clock.minute_s == 60:
        note = f"{whole} The alarms' periods are as in the template."
    else:
        note = (
            f"{whole} **The alarms' clock was stretched: what they call a minute was {spoken(clock.minute_s)} of this "
            f"run.** Thresholds, statistics and M of N are the template's. So a run too short for real minutes still "
            f"fires an alarm, after less time above its threshold than in production."
        )
    return note if stack is None else f"{note} CloudWatch's own verdict is on real minutes."


def _percentiles(path: Path, began: datetime, ended: datetime) -> dict[str, float | int | None]:
    """Of the realtime delays received in the window, by the nearest rank, in milliseconds."""
    values = array("d")
    for point in client_points(path):
        if began <= point.timestamp < ended:
            values.extend(point.values)
    ordered = sorted(values)
    rank = {name: ordered[min(len(ordered) - 1, int(len(ordered) * part))] if ordered else None for name, part in RANKS}
    return {"count": len(ordered), **rank}


RANKS = (("p50_ms", 0.5), ("p95_ms", 0.95), ("p99_ms", 0.99), ("max_ms", 1.0))
