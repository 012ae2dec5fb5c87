"""The values that a stack is deployed with: what is not said anew stays as somebody once said it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from scripts.deployment.errors import RefusedError
from scripts.deployment.stack import Stack, StackState
from scripts.packaging.checks.parameters import check_parameters

Values = dict[str, str | None]  # None: that which the stack has


def decide(
    declared: Mapping[str, Mapping[str, Any]], given: Mapping[str, str], stack: Stack, state: StackState | None
) -> Values:
    """``given``, and of all else that the template declares, what the stack has if it is not the default it had.

    So a domain that was given once stays without being given again, and a default that is changed in the template
    reaches every stack that never had another value. Raises RefusedError for what AWS would not take.
    """
    kept = _kept(declared, given, stack, state)
    problems = [f"{one.subject}: {one.what}" for one in check_parameters(declared, {**kept, **given}, "parameters", {})]
    if problems:
        raise RefusedError("\n  ".join(["the parameters are refused:", *problems]))
    return {**given, **dict.fromkeys(kept)}


def _kept(
    declared: Mapping[str, Any], given: Mapping[str, str], stack: Stack, state: StackState | None
) -> dict[str, str]:
    if state is None or not state.parameters:
        return {}
    defaults = _defaults(stack)
    return {
        name: value
        for name, value in state.parameters.items()
        if name in declared and name not in given and value != defaults.get(name)
    }


def _defaults(stack: Stack) -> dict[str, str]:
    """Of the template that is deployed now."""
    summary = stack.waiting.ask(stack.client.get_template_summary, StackName=stack.name)
    return {one["ParameterKey"]: one.get("DefaultValue", "") for one in summary.get("Parameters", [])}
