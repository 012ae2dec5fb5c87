"""A plan without its values: plans of one shape have one statement, so that only the first of them is built.

Building takes SQLAlchemy half a millisecond and hundreds of objects, which is as long as PostgreSQL works on a small
question.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from chalicelib.domain.plans import Aggregate, Both, Compare, Either, Filter, OneOf, Order, Output, Plan


@dataclass(frozen=True, slots=True)
class Slot:
    """The place of a value; ``is_list``: of a whole list, alone in a list."""

    index: int
    is_list: bool = False


class Shape:
    """One plan's: ``plan`` with slots for values, ``limit`` for one row more than it asks for; their ``values``.

    What is null stays: to be null is another condition than to be a value. Names are gone, as no text has them.
    """

    def __init__(self, plan: Plan) -> None:
        self.values: list[Any] = []
        self._shares: dict[Decimal, Any] = {}
        self.limit = self._slot(plan.limit + 1)
        self.plan = replace(
            plan,
            outputs=tuple(map(self._output, plan.outputs)),
            where=self._filter(plan.where),
            groups=tuple(map(self._output, plan.groups)),
            order=tuple(Order(self._output(order.by), order.descending) for order in plan.order),
            limit=0,
            after=None if plan.after is None else tuple(map(self._scalar, plan.after)),
        )

    @property
    def key(self) -> Hashable:
        """Equal for plans of one shape."""
        plan = self.plan
        return plan.table.name, plan.outputs, plan.where, plan.groups, plan.order, plan.is_aggregated, plan.after

    def _slot(self, value: Any, *, is_list: bool = False) -> Any:
        self.values.append(value)
        return Slot(len(self.values) - 1, is_list)

    def _scalar(self, value: Any) -> Any:
        return None if value is None else self._slot(value)

    def _output(self, output: Output) -> Any:
        if not isinstance(output, Aggregate) or output.p is None:
            return replace(output, name="")
        if output.p not in self._shares:  # equal outputs stay equal: what is selected is what is ordered by
            self._shares[output.p] = self._slot(float(output.p))
        return replace(output, name="", p=self._shares[output.p])

    def _filter(self, node: Filter) -> Filter:
        match node:
            case Both(parts):
                return Both(tuple(map(self._filter, parts)))
            case Either(parts):
                return Either(tuple(map(self._filter, parts)))
            case Compare():
                return replace(node, value=self._scalar(node.value))
            case OneOf():
                return replace(node, values=(self._slot(list(node.values), is_list=True),))


def filled(parameters: Mapping[str, Any], values: Sequence[Any]) -> dict[str, Any]:
    """A statement's parameters with values where it has slots."""
    return {name: _filled(value, values) for name, value in parameters.items()}


def _filled(value: Any, values: Sequence[Any]) -> Any:
    if isinstance(value, Slot):
        return values[value.index]
    if isinstance(value, list):
        if value and isinstance(value[0], Slot) and value[0].is_list:
            return values[value[0].index]
        return [_filled(each, values) for each in value]
    return value
