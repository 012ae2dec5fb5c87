"""SAM run with the values of the operation's parameters, as CloudFormation runs a macro; ministack gives it none.

What SAM itself decides by a parameter, such as whether and how CodeDeploy shifts traffic, would go by its default.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

_held = threading.local()  # the values of the operation that this thread is at


def install() -> None:
    import ministack.services.cloudformation.changesets as changesets
    import ministack.services.cloudformation.engine as engine
    import ministack.services.cloudformation.handlers as handlers

    apply, values_of = engine._apply_transforms, engine._transform_parameters

    def applied(template: dict[str, Any], provided: Any = None, previous: Any = None) -> Any:
        if "Transform" in template:
            _hand_over_values()
        _held.values = values_of(template, provided, previous)
        try:
            return apply(template, provided, previous)
        finally:
            _held.values = {}

    for module in (engine, changesets, handlers):
        module._apply_transforms = applied


@cache
def _hand_over_values() -> None:
    import samtranslator.translator.transform as sam  # slow, and only a template that asks for it pays that

    transform = sam.transform

    def transformed(template: dict[str, Any], values: dict[str, Any], *rest: Any, **named: Any) -> Any:
        return transform(template, {**getattr(_held, "values", {}), **values}, *rest, **named)

    sam.transform = transformed
