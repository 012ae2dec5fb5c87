"""What the Chalice app declares, as the laptop's Lambda needs it.

The app is imported in a child process: the parent stays free of its modules, and an app that fails at import
fails with its own traceback. Time-outs and memory come from ``.chalice/config.json``, looked up in the order
Chalice looks them up.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

REST_FUNCTION = "api_handler"  # Chalice's name for the function behind the REST API
DEFAULT_TIMEOUT_S = 60  # chalice.constants
DEFAULT_MEMORY_MB = 128
_SCRIPT = str(Path(__file__).resolve())


class AppError(Exception):
    """The Chalice app cannot be read; the message ends with its traceback."""


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One Lambda function.

    ``queue`` (a name, or an ARN if the app gave one), ``schedule`` (an EventBridge expression) and ``route``
    (a WebSocket route key) name what invokes it. ``routes`` are the REST API's, as ``METHOD /path/{name}``.
    """

    name: str
    handler: str
    timeout_s: float = DEFAULT_TIMEOUT_S
    memory_mb: int = DEFAULT_MEMORY_MB
    queue: str | None = None
    batch_size: int = 10
    window_s: int = 0
    maximum_concurrency: int | None = None
    schedule: str | None = None
    route: str | None = None
    routes: tuple[str, ...] = ()


def describe(app: Any) -> list[FunctionSpec]:
    """Every function that Chalice would create for this app, by name, with Chalice's default limits."""
    specs = [FunctionSpec(function.name, function.handler_string) for function in app.pure_lambda_functions]
    specs += [_of_event_source(source) for source in app.event_sources]
    specs += [
        FunctionSpec(handler.name, handler.handler_string, route=key) for key, handler in app.websocket_handlers.items()
    ]
    routes = tuple(f"{method} {path}" for path, methods in sorted(app.routes.items()) for method in sorted(methods))
    if routes:
        specs.append(FunctionSpec(REST_FUNCTION, "app.app", routes=routes))
    return sorted(specs, key=lambda spec: spec.name)


def _of_event_source(source: Any) -> FunctionSpec:
    spec = FunctionSpec(source.name, source.handler_string)
    if hasattr(source, "queue_arn"):
        return replace(
            spec,
            queue=source.queue or source.queue_arn,
            batch_size=source.batch_size,
            window_s=source.maximum_batching_window_in_seconds or 0,
            maximum_concurrency=source.maximum_concurrency,
        )
    if hasattr(source, "schedule_expression"):
        expression = source.schedule_expression
        return replace(spec, schedule=expression if isinstance(expression, str) else expression.to_string())
    return spec  # S3, SNS, Kinesis, DynamoDB and event patterns: invoked by hand


class ChaliceConfig:
    """``.chalice/config.json`` of one stage; a missing file is an empty one."""

    def __init__(self, project_dir: Path, stage: str) -> None:
        path = project_dir / ".chalice" / "config.json"
        self._root: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self._stage: dict[str, Any] = self._root.get("stages", {}).get(stage, {})

    def lookup(self, name: str, function: str) -> Any:
        """A function's setting: its own in the stage, the stage's, its own at the top, the top's, or None."""
        for place in (
            self._stage.get("lambda_functions", {}).get(function, {}),
            self._stage,
            self._root.get("lambda_functions", {}).get(function, {}),
            self._root,
        ):
            if place.get(name) is not None:
                return place[name]
        return None


def configured(spec: FunctionSpec, config: ChaliceConfig, timeouts: Mapping[str, float] | None = None) -> FunctionSpec:
    """The spec with its stage's time-out and memory; ``timeouts`` overrides, in seconds by function."""
    timeout = (timeouts or {}).get(spec.name) or config.lookup("lambda_timeout", spec.name)
    memory = config.lookup("lambda_memory_size", spec.name)
    return replace(spec, timeout_s=timeout or spec.timeout_s, memory_mb=memory or spec.memory_mb)


async def read_functions(
    project_dir: Path, *, stage: str, timeouts: Mapping[str, float] | None = None
) -> tuple[FunctionSpec, ...]:
    """The functions of the app in ``project_dir``, by name. Raises AppError if it cannot be imported."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",
        _SCRIPT,
        str(project_dir),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
    )
    output, errors = await child.communicate()
    if child.returncode:
        raise AppError(f"cannot import the app in {project_dir}:\n{errors.decode(errors='replace').rstrip()}")
    config = ChaliceConfig(project_dir, stage)
    specs = (FunctionSpec(**{**fields, "routes": tuple(fields["routes"])}) for fields in json.loads(output))
    return tuple(configured(spec, config, timeouts) for spec in specs)


def main(project_dir: str) -> None:
    """Print the app's functions as JSON; what the app itself prints goes to stderr."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    sys.path.insert(0, project_dir)
    app = importlib.import_module("app").app
    json.dump([asdict(spec) for spec in describe(app)], answer)
    answer.close()


if __name__ == "__main__":
    main(sys.argv[1])
