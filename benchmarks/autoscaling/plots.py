"""The three charts of a scenario: capacity against demand, what was cold or refused, and dollars."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate

from benchmarks.autoscaling.chart import Panel, Series, draw
from benchmarks.autoscaling.world import Runner, Second, World
from scripts.costs.prices import PriceTable

SHOWN = {"app": "api"}  # by the names that people know
WITH_POLICY = ("authorize", "message", "process", "deliver")
AROUND_STORM = range(270, 420)
WARM, WORK = "lambda-arm64-provisioned-gb-second", "lambda-arm64-gb-second"


def plots(with_policies: World, without: World, prices: PriceTable) -> dict[str, str]:
    """SVG documents by file name."""
    scenario = with_policies.scenario
    shown = AROUND_STORM if scenario.name == "storm" else range(scenario.seconds)
    return {
        f"{scenario.name}-{name}.svg": draw(scenario.title, subtitle, panels, shown)
        for name, subtitle, panels in (
            (
                "capacity",
                "Calls at work against environments kept warm and places, each second",
                _capacity(with_policies),
            ),
            (
                "refused",
                "Calls that waited for a new environment, and calls that got none",
                _refused(with_policies, without),
            ),
            ("cost", "Dollars an hour of Lambda", _cost(with_policies, without, prices)),
        )
    }


def _each(runner: Runner, value: Callable[[Second], float]) -> list[float]:
    return [value(second) for second in runner.seconds]


def _capacity(world: World) -> list[Panel]:
    panels = []
    for name in WITH_POLICY:
        runner = world.runners[name]
        places = runner.function.places
        panels.append(
            Panel(
                f"{name}, {places} places",
                "",
                [
                    Series("asked for", _each(runner, lambda second: second.busy + second.refused), "c", "area"),
                    Series("at work", _each(runner, lambda second: second.busy), "a", "area"),
                    Series("provisioned", _each(runner, lambda second: second.provisioned), "d"),
                    Series("places", [places] * len(runner.seconds), "b", "dashed"),
                ],
            )
        )
    return panels


def _refused(with_policies: World, without: World) -> list[Panel]:
    return [
        Panel(
            "Cold starts a second",
            "",
            [
                Series("without provisioned", _total(without, lambda second: second.cold), "b"),
                Series("as the template says", _total(with_policies, lambda second: second.cold), "a", "area"),
            ],
        ),
        Panel(
            "Refused a second",
            "",
            [
                Series("without provisioned", _total(without, lambda second: second.refused), "b"),
                Series("as the template says", _total(with_policies, lambda second: second.refused), "c", "area"),
            ],
        ),
        Panel(
            "Age of the oldest message",
            "s",
            [
                Series(name, _each(with_policies.runners[name], lambda second: second.age_s), colour)
                for name, colour in (("record", "d"), ("process", "a"), ("deliver", "b"))
            ],
        ),
    ]


def _cost(with_policies: World, without: World, prices: PriceTable) -> list[Panel]:
    price = {name: float(prices[name].tiers[0][1]) for name in (WARM, WORK)}

    def an_hour(world: World, kind: str, value: Callable[[Second], float]) -> list[float]:
        seconds = [0.0] * world.scenario.seconds
        for runner in world.runners.values():
            for number, second in enumerate(runner.seconds):
                seconds[number] += value(second) * runner.function.memory_gb * price[kind] * 3600
        return _smooth(seconds)

    return [
        Panel(
            "As the template says",
            "$",
            [
                Series(
                    "environments kept warm",
                    an_hour(with_policies, WARM, lambda second: second.provisioned),
                    "d",
                    "area",
                ),
                Series("calls at work", an_hour(with_policies, WORK, lambda second: second.worked_s), "a"),
            ],
        ),
        Panel(
            "Without provisioned concurrency",
            "$",
            [Series("calls at work", an_hour(without, WORK, lambda second: second.worked_s), "a", "area")],
        ),
    ]


def _total(world: World, value: Callable[[Second], float]) -> list[float]:
    each: Mapping[str, Sequence[float]] = {name: _each(runner, value) for name, runner in world.runners.items()}
    return [sum(values) for values in zip(*each.values(), strict=True)]


def _smooth(values: Sequence[float], over: int = 60) -> list[float]:
    """Means of the last minute: the work of a poll is done in a second of it."""
    sums = [0.0, *accumulate(values)]
    return [(sums[end] - sums[max(0, end - over)]) / min(over, end) for end in range(1, len(sums))]
