"""What Secrets Manager asks of the function that rotates."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from chalicelib.telemetry import invocation

if TYPE_CHECKING:
    from chalicelib.services.rotation import RotateSecret

RESERVE_S = 30.0  # kept of the function's time to say why it did not end well


def rotate(event: dict[str, Any], context: Any, service: RotateSecret) -> None:
    """One step of one rotation. An error makes Secrets Manager begin again, later."""
    step, secret_id, version = event["Step"], event["SecretId"], event["ClientRequestToken"]
    with invocation("rotate", request_id=getattr(context, "aws_request_id", None)):
        left_s = context.get_remaining_time_in_millis() / 1000
        deadline = time.monotonic() + max(0.0, left_s - RESERVE_S)
        service.run(step=step, secret_id=secret_id, version=version, deadline=deadline)
