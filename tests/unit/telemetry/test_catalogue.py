"""The catalogue and the code name the same metrics."""

import ast
from pathlib import Path
from typing import get_args

from chalicelib.domain.topics import KINDS
from chalicelib.ports import FEED_KINDS
from chalicelib.ports.endpoints import Kind
from chalicelib.telemetry import outside
from chalicelib.telemetry.catalogue import BY_NAME, DIMENSIONS, METRICS
from chalicelib.telemetry.outside import Node
from scripts.costs.traffic import metric_combinations

CODE = Path(outside.__file__).parents[1]
EMITTERS = {"count", "record", "record_all"}
CARRIED_IN_A_VARIABLE = {"PublishedToSent", "SequencedToSent"}  # services/delivery_metrics.py


def emitted():
    """Every name that the code passes to an emitter, with the dimensions beside it."""
    for path in CODE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id == "metrics"
                and node.func.attr in EMITTERS
                and isinstance(node.args[0], ast.Constant)
            ):
                yield node.args[0].value, {keyword.arg for keyword in node.keywords}


def test_every_metric_of_the_catalogue_is_emitted_and_no_other():
    assert {name for name, _ in emitted()} | CARRIED_IN_A_VARIABLE == BY_NAME.keys()


def test_every_metric_is_emitted_with_its_dimensions():
    wrong = [(name, given) for name, given in emitted() if given != set(BY_NAME[name].dimensions)]
    assert wrong == []


def test_names_are_told_once():
    assert len(BY_NAME) == len(METRICS)


def test_dimensions_have_the_values_that_the_product_has():
    stores = {node.store for node in vars(outside).values() if isinstance(node, Node) and node.store}
    assert {kind: set(values) for kind, values in DIMENSIONS.items()} == {
        "Kind": set(KINDS),
        "Feed": set(FEED_KINDS),
        "Channel": set(get_args(Kind)),
        "Store": stores,
    }


def test_the_combinations_stay_affordable():
    """Each costs $0.30 a month and stage."""
    assert metric_combinations() <= 75
