"""API Gateway's part of a trace: the segment of a request to a REST stage, with its call of the function.

Only REST stages are traced; the trace of a socket begins in Lambda.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from localcloud.xray.document import Document
from localcloud.xray.header import TraceHeader, new_segment_id, new_trace_id
from localcloud.xray.sampling import STAGE, Sampler

HEADER = "X-Amzn-Trace-Id"
API = "rest"  # the API's name in cfn/functions.yaml, after the stage's prefix
FAILED = 502  # API Gateway's answer when the function failed


class RestTracer:
    """Gives every REST request its trace; ``put`` takes the segments of those that are sampled."""

    def __init__(
        self, put: Callable[[Document], None], *, sampler: Sampler, now: Callable[[], float] = time.time
    ) -> None:
        self._put = put
        self._sampler = sampler
        self._now = now

    def begin(self, event: Mapping[str, Any]) -> RestTrace:
        """The trace of a request, from its event as API Gateway gives it to the function."""
        caller = TraceHeader.parse(event["headers"].get(HEADER))
        context, method, path = event["requestContext"], event["httpMethod"], event["path"]
        name, host = f"{API}/{context['stage']}", context["domainName"]
        sampled = caller.sampled
        if sampled is None:
            sampled = self._sampler.decide(service=name, kind=STAGE, host=host, method=method, path=path)
        segment = Document(
            id=new_segment_id(),
            name=name,
            trace_id=caller.root or new_trace_id(self._now()),
            parent_id=caller.parent,
            start_time=self._now(),
            origin=STAGE,
            http={"request": {"method": method, "url": f"https://{host}{path}"}},
            aws={"api_gateway": {"rest_api_id": context["apiId"], "stage": context["stage"]}},
        )
        return RestTrace(segment, sampled=sampled, put=self._put, now=self._now)


class RestTrace:
    """``header`` goes with the call of the function."""

    def __init__(
        self, segment: Document, *, sampled: bool, put: Callable[[Document], None], now: Callable[[], float]
    ) -> None:
        self._segment = segment
        self._sampled = sampled
        self._put = put
        self._now = now
        self._call_id = new_segment_id()
        self.header = str(TraceHeader(segment.trace_id, self._call_id, sampled))

    def end(self, payload: Any, error: Mapping[str, Any] | None) -> None:
        """The function has answered; what it answers is judged by its status."""
        if not self._sampled:
            return
        answered = payload.get("statusCode") if isinstance(payload, dict) else None
        status = answered if error is None and isinstance(answered, int) else FAILED
        segment = self._segment
        segment.end_time = self._now()
        segment.http["response"] = {"status": status}
        segment.fault, segment.throttle = status >= 500, status == 429
        segment.error = 400 <= status < 500
        call = Document(
            id=self._call_id,
            name="Lambda",
            start_time=segment.start_time,
            end_time=segment.end_time,
            namespace="aws",
            fault=error is not None,
            http={"response": {"status": 200}},
        )
        segment.subsegments = [call]
        self._put(segment)
