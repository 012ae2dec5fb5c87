"""What the scaling of a stage does under a ten-fold spike, and when 10,000 sockets come back at once.

    python -m benchmarks.autoscaling                    spike, storm and churn on production's template
    python -m benchmarks.autoscaling storm --json
    python -m benchmarks.autoscaling --plot build/autoscaling    nine charts (SVG, light or dark as the screen is)

Reserved and provisioned concurrency, policies, schedules, pollers and throttles are read from the merged template;
rates, sizes and seconds a call are the cost estimate's. Each scenario runs twice, with and without provisioned
concurrency, on the same chances (--seed). A cold start is what this machine needs to import app.py in a new
interpreter, measured at the start, and 0.2 s for the environment, which is an assumption; --cold-start sets another.
How AWS behaves is in the comments of environments.py, tracking.py, queues.py and clients.py. Nothing was measured on
AWS.

Exit code 0: everybody is connected and every queue empty in the end; 1: not; 2: wrong arguments.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from benchmarks.autoscaling.load import SCENARIOS
from benchmarks.autoscaling.plan import Plan, read_plan
from benchmarks.autoscaling.plots import SHOWN, plots
from benchmarks.autoscaling.world import Runner, World
from scripts.costs import prices as price_table

ENVIRONMENT_S = 0.2  # the microVM and the zip, before Python starts: not measurable here
STAGES = ("dev", "staging", "production")
COLUMNS = ("calls", "cold", "refused", "most_at_work", "places", "most_provisioned", "oldest_message_s")


def main(argv: list[str] | None = None) -> int:
    options = _arguments(argv)
    cold_s = options.cold_start or import_s() + ENVIRONMENT_S
    plan, prices = read_plan(options.stage), price_table.load()
    results = {}
    for name in options.scenarios or SCENARIOS:
        runs = [_run(plan, name, cold_s, options, scaling=scaling) for scaling in (True, False)]
        results[name] = {"title": runs[0].scenario.title, **dict(zip(WAYS, map(summary, runs), strict=True))}
        if options.plot:
            options.plot.mkdir(parents=True, exist_ok=True)
            for file, text in plots(*runs, prices).items():
                (options.plot / file).write_text(text, encoding="utf-8")
                print(f"wrote {options.plot / file}", file=sys.stderr)
    told = {"stage": options.stage, "cold_start_s": round(cold_s, 3), "seed": options.seed, "scenarios": results}
    print(json.dumps(told) if options.json else "\n".join(_lines(told)))
    return 0 if all(one[way]["settled"] for one in results.values() for way in WAYS) else 1


WAYS = ("as_the_template_says", "without_provisioned")


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.autoscaling",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("scenarios", nargs="*", metavar="SCENARIO", help=f"{', '.join(SCENARIOS)}; all unless given")
    parser.add_argument("--stage", choices=STAGES, default="production", help="whose template (production)")
    parser.add_argument("--hour", type=int, default=14, help="UTC, in which a run begins: schedules go by it (14)")
    parser.add_argument("--cold-start", type=float, metavar="SECONDS", help="instead of measuring it here")
    parser.add_argument("--seed", type=int, default=1, help="of arrivals and back-off (1)")
    parser.add_argument("--plot", type=Path, metavar="DIR", help="write charts there, three a scenario")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of tables")
    options = parser.parse_args(argv)
    if unknown := [name for name in options.scenarios if name not in SCENARIOS]:
        parser.error(f"there is no scenario {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    if not 0 <= options.hour < 24:
        parser.error("--hour is 0 to 23")
    return options


def import_s(times: int = 3) -> float:
    """Seconds until a new interpreter has imported app.py, as a cold start does; the median."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import app"], check=True, cwd=Path(__file__).parents[2])
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def _run(plan: Plan, name: str, cold_s: float, options: argparse.Namespace, *, scaling: bool) -> World:
    scenario = SCENARIOS[name](options.stage, plan.pace)
    world = World(plan, scenario, cold_s, options.seed, options.hour, scaling)
    return world.run(_progress(f"{name}, {'with' if scaling else 'without'} provisioned"))


def _progress(what: str) -> Callable[[float], None]:
    def show(share: float) -> None:
        if sys.stderr.isatty():
            print(f"\r\033[K{'' if share == 1 else f'{what}: {share:.0%}'}", end="", file=sys.stderr, flush=True)

    return show


def summary(world: World) -> dict[str, Any]:
    """What came of a run. ``back_s`` is how long those that returned took, to the answer of their last command."""
    returning = sum(world.scenario.arrive.values())
    back = sorted(world.clients.back)
    settled = len(back) == returning and not any(one.queue and one.queue.depth for one in world.runners.values())
    return {
        "functions": {SHOWN.get(name, name): _function(runner) for name, runner in world.runners.items()},
        "returned": len(back),
        "back_s": {"p50": _at(back, 0.5), "p99": _at(back, 0.99), "last": _at(back, 1)},
        "turned_away": dict(world.clients.refused),
        "dollars": {kind: round(value, 4) for kind, value in world.dollars(price_table.load()).items()},
        "settled": settled,
    }


def _function(runner: Runner) -> dict[str, Any]:
    seconds = runner.seconds
    return {
        "calls": sum(one.warm + one.cold for one in seconds),
        "cold": sum(one.cold for one in seconds),
        "refused": sum(one.refused for one in seconds),
        "most_at_work": max(one.busy for one in seconds),
        "places": runner.function.places,
        "most_provisioned": max(one.provisioned for one in seconds),
        "oldest_message_s": round(max(one.age_s for one in seconds), 2),
    }


def _at(values: list[float], share: float) -> float:
    return round(values[min(len(values) - 1, int(share * len(values)))], 2) if values else 0.0


def _lines(told: Mapping[str, Any]) -> list[str]:
    lines = [f"{told['stage']}, cold start {told['cold_start_s']} s, seed {told['seed']}"]
    for one in told["scenarios"].values():
        for way in WAYS:
            run, dollars = one[way], one[way]["dollars"]
            lines += ["", f"{one['title']}; {way.replace('_', ' ')}"]
            lines.append(f"  {'':<11}" + "".join(f"{name.replace('_', ' '):>18}" for name in COLUMNS))
            for name, row in run["functions"].items():
                lines.append(f"  {name:<11}" + "".join(f"{row[column]:>18,}" for column in COLUMNS))
            if run["returned"]:
                back = run["back_s"]
                away = ", ".join(f"{count:,} by {who}" for who, count in run["turned_away"].items()) or "none"
                took = f"half in {back['p50']} s, 99 % in {back['p99']} s, all in {back['last']} s"
                lines.append(f"  {run['returned']:,} connected: {took}")
                lines.append(f"  turned away on the way, and came again: {away}")
            lines.append(f"  Lambda: ${dollars['at work']:.2f} at work, ${dollars['kept warm']:.2f} kept warm")
            if not run["settled"]:
                lines.append("  NOT SETTLED: somebody is still on the way, or a queue is not empty")
    return lines


if __name__ == "__main__":
    sys.exit(main())
