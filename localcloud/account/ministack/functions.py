"""Functions, run with the variables that are true here, and what CodeDeploy does to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from localcloud.account.environment import LEAST_TIMEOUT_S, Surroundings, rewritten


def install(here: Surroundings) -> None:
    """Start workers with what is true here; what the API says of a function, and so its drift, stays the template's."""
    import ministack.services.lambda_svc as functions

    acquire = functions.acquire_worker

    def acquired(name: str, config: Mapping[str, Any], *rest: Any, **named: Any) -> Any:
        return acquire(name, localised(config, here), *rest, **named)

    functions.acquire_worker = acquired


def localised(config: Mapping[str, Any], here: Surroundings) -> dict[str, Any]:
    """The configuration of a function as it is here."""
    patient = max(int(config.get("Timeout", 0)), LEAST_TIMEOUT_S)
    variables = (config.get("Environment") or {}).get("Variables")
    if not variables:
        return {**config, "Timeout": patient}
    texts = {name: str(value) for name, value in variables.items()}
    return {**config, "Timeout": patient, "Environment": {"Variables": rewritten(texts, here)}}


class MinistackFunctions:
    """Lambda, as a deployment of CodeDeploy uses it. Built in ministack's process."""

    def __init__(self) -> None:
        import ministack.services.lambda_svc as functions

        self._functions = functions

    def route(self, function: str, alias: str, version: str, *, also: Mapping[str, float]) -> None:
        """Raises RuntimeError if there is no such alias."""
        name = self._functions._resolve_name(function)
        change = {"FunctionVersion": version, "RoutingConfig": {"AdditionalVersionWeights": dict(also)}}
        status, _, body = self._functions._update_alias(name, alias, change)
        if status >= 400:
            raise RuntimeError(f"{name}:{alias} cannot be moved: {body.decode()}")

    def version(self, function: str, alias: str) -> str:
        found = self._functions._functions.get(self._functions._resolve_name(function)) or {}
        return str(found.get("aliases", {}).get(alias, {}).get("FunctionVersion", ""))

    def invoke(self, function: str, event: Mapping[str, Any]) -> str | None:
        record, config, name = self._functions._get_func_record_for_ref(function)
        if record is None:
            return f"there is no function {name}"
        called = self._functions._execution_record_for_config(record, config)
        result = self._functions._execute_function_with_config_scope(called, dict(event))
        return str(result.get("body")) if result.get("error") or result.get("throttle") else None
