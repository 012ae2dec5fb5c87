"""Weighted aliases, honoured for each invocation; ministack stores the weights and calls the first version alone.

Source: Lambda Developer Guide, "Implement Lambda canary deployments using a weighted alias".
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any

ALIAS = "_invoked_alias"  # on a function's record: by which alias it was asked for
_fixed: ContextVar[bool] = ContextVar("fixed", default=False)  # reads answer with the alias's own version

Choose = Callable[[], float]  # at least 0, under 1


def chosen_version(alias: Mapping[str, Any], choose: Choose) -> str:
    """The version to invoke this time: one of the additional ones by its weight, else the alias's own."""
    left = choose()
    for version, weight in (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights", {}).items():
        left -= float(weight)
        if left < 0:
            return str(version)
    return str(alias.get("FunctionVersion", "$LATEST"))


def install(choose: Choose = random.random) -> None:
    """From now on every way to invoke by an alias takes a version by its weight, and the record says which alias."""
    import ministack.services.lambda_svc as functions

    resolve, invoke = functions._effective_func_record_for_qualifier, functions._invoke

    def resolved(function: Any, qualifier: str | None) -> Any:
        alias = (function or {}).get("aliases", {}).get(qualifier) if qualifier else None
        if alias is None or _fixed.get():
            return resolve(function, qualifier)
        record, config = resolve(function, chosen_version(alias, choose))
        return (record and {**record, ALIAS: qualifier}), config

    async def invoked(name: str, event: Any, headers: Any, path_qualifier: Any = None, query_params: Any = None) -> Any:
        qualifier = path_qualifier or functions._qp_first(query_params or {}, "Qualifier") or None
        alias = (functions._functions.get(name) or {}).get("aliases", {}).get(qualifier) if qualifier else None
        if alias is None:
            return await invoke(name, event, headers, path_qualifier, query_params)
        with _asked_by(qualifier):
            return await invoke(name, event, headers, chosen_version(alias, choose), {})

    functions._effective_func_record_for_qualifier = resolved
    functions._invoke = invoked
    for name in ("_get_function", "_get_function_config"):
        setattr(functions, name, _unweighted(getattr(functions, name)))


_asked: ContextVar[str | None] = ContextVar("asked", default=None)


def asked_by(record: Mapping[str, Any]) -> str | None:
    """The alias by which an invocation that is under way was asked for."""
    found = record.get(ALIAS) or _asked.get()
    return None if found is None else str(found)


class _asked_by:  # noqa: N801 - reads as a statement
    def __init__(self, alias: str | None) -> None:
        self._alias = alias

    def __enter__(self) -> None:
        self._token = _asked.set(self._alias)

    def __exit__(self, *_: object) -> None:
        _asked.reset(self._token)


def _unweighted(read: Callable[..., Any]) -> Callable[..., Any]:
    def as_written(*arguments: Any, **named: Any) -> Any:
        token = _fixed.set(True)
        try:
            return read(*arguments, **named)
        finally:
            _fixed.reset(token)

    return as_written
