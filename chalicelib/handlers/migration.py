"""Changes of the database's schema, asked for by CloudFormation's custom resource or by hand.

By hand: ``{"action": "upgrade"}`` (to ``"revision"``, or the newest) and ``{"action": "current"}``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import structlog

from chalicelib.errors import DefiStreamError, UnknownActionError
from chalicelib.telemetry import invocation

if TYPE_CHECKING:
    from chalicelib.ports import CustomResources
    from chalicelib.services.schema import MigrateSchema, SchemaReport

ANSWER_S = 30  # kept for the answer: CloudFormation waits for one until its own time-out, and then learns nothing
REASON_MAX = 1000  # characters; CloudFormation refuses answers over 4 kB
log = structlog.get_logger()


def migrate(
    event: dict[str, Any], context: Any, service: Callable[[], MigrateSchema], resources: CustomResources
) -> dict[str, Any]:
    """``service`` is made only when it is needed: CloudFormation must hear of wrong settings too."""
    with invocation("migrate", request_id=context.aws_request_id):
        deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - ANSWER_S
        if "ResponseURL" in event:
            answer = _answer(event, context, service, deadline)
            resources.answer(event["ResponseURL"], answer)
            return {"status": answer["Status"], "reason": answer["Reason"]}
        return asdict(_by_hand(event, service(), deadline))


def _by_hand(event: dict[str, Any], service: MigrateSchema, deadline: float) -> SchemaReport:
    match event.get("action"):
        case "upgrade":
            return service.upgrade(event.get("revision"), deadline=deadline)
        case "current":
            return service.current(deadline=deadline)
        case other:
            raise UnknownActionError(f"action {other!r:.50} is neither upgrade nor current")


def _answer(
    event: dict[str, Any], context: Any, service: Callable[[], MigrateSchema], deadline: float
) -> dict[str, Any]:
    status, revision = "SUCCESS", None
    try:
        if event["RequestType"] == "Delete":
            reason = "the schema and its data stay as they are"
        else:
            report = service().upgrade(event["ResourceProperties"].get("Revision"), deadline=deadline)
            revision, reason = report.revision, report.said
    except DefiStreamError as error:
        status, reason = "FAILED", str(error)
    except Exception as error:
        log.exception("migration_failed")
        status, reason = "FAILED", f"{type(error).__name__}: see the log of request {context.aws_request_id}"
    log.info("migration_answered", request_type=event["RequestType"], status=status, reason=reason)
    return {
        "Status": status,
        "Reason": reason[:REASON_MAX],
        # Constant: another id would have CloudFormation delete what bears the old one.
        "PhysicalResourceId": event.get("PhysicalResourceId") or event["LogicalResourceId"],
        "StackId": event["StackId"],
        "RequestId": event["RequestId"],
        "LogicalResourceId": event["LogicalResourceId"],
        "Data": {"Revision": revision or ""},
    }
