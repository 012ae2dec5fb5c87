"""X-Ray's header, carried from a request into the messages that come of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TRACE_HEADER = "x-amzn-trace-id"


def carry_trace_header() -> None:
    """Put the trace header of a request into the messages that come of it, as SNS and SQS do; ministack keeps it only
    where a sender names it as a system attribute, which goes before the header."""
    from contextvars import ContextVar

    import ministack.services.sns as sns
    import ministack.services.sqs as sqs

    current: ContextVar[str | None] = ContextVar("trace_header", default=None)

    def heard(handle: Callable[..., Any]) -> Callable[..., Any]:
        async def handled(method: str, path: str, headers: dict[str, str], *rest: Any) -> Any:
            lowered = {name.lower(): value for name, value in headers.items()}
            token = current.set(lowered.get(TRACE_HEADER))
            try:
                return await handle(method, path, headers, *rest)
            finally:
                current.reset(token)

        return handled

    def marked(attributes: dict[str, Any]) -> dict[str, Any]:
        if header := current.get():
            attributes.setdefault("AWSTraceHeader", header)
        return attributes

    attributes_of, complete = sqs._build_send_sys_attrs, sqs._ensure_msg_fields

    def completed(message: dict[str, Any]) -> None:
        new = "sys" not in message  # not one that is only looked at
        complete(message)
        if new:
            marked(message["sys"])

    sqs._build_send_sys_attrs = lambda now, given: marked(attributes_of(now, given))
    sqs._ensure_msg_fields = completed
    for service in (sns, sqs):
        service.handle_request = heard(service.handle_request)
