"""What CodeDeploy asks before it gives a new version traffic."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from chalicelib.errors import DefiStreamError
from chalicelib.telemetry import invocation

if TYPE_CHECKING:
    from chalicelib.ports import Deployments
    from chalicelib.services.verification import VerifyRelease

RESERVE_S = 75.0  # one call that began in time (60 s at most), and the verdict
log = structlog.get_logger()


def verify_release(
    event: dict[str, Any], context: Any, service: Callable[[], VerifyRelease], deployments: Deployments
) -> dict[str, Any]:
    """CodeDeploy always hears a verdict: without one it waits for an hour.

    ``service`` is made only when it is needed: wrong settings are a verdict too. Raises StoreDownError if CodeDeploy
    does not take it; Lambda then calls again.
    """
    deployment, hook = event["DeploymentId"], event["LifecycleEventHookExecutionId"]
    with invocation("verify_release", request_id=context.aws_request_id):
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - RESERVE_S
        problems = _problems(service, deployment, deadline)
        deployments.judge(deployment, hook, succeeded=not problems)
        write = log.error if problems else log.info
        write("release_judged", deployment=deployment, succeeded=not problems, problems=problems)
        return {"deployment": deployment, "succeeded": not problems, "problems": problems}


def _problems(service: Callable[[], VerifyRelease], deployment: str, deadline: float) -> list[str]:
    try:
        return service().run(deployment, deadline=deadline)
    except DefiStreamError as error:
        return [str(error)]
    except Exception as error:
        log.exception("verification_failed")
        return [f"{type(error).__name__}: see the log of {deployment}"]
