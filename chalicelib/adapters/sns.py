"""ports.ObservationPublisher on SNS."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.observations import Observation
from chalicelib.errors import StoreDownError
from chalicelib.protocol.envelopes import encode_observations
from chalicelib.telemetry import tracing
from chalicelib.telemetry.outside import SNS, outside

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsPublisher:
    """ports.ObservationPublisher. One message a call: two full ones would pass PublishBatch's 256 KB."""

    def __init__(self, client: SNSClient, topic_arn: str, *, clock: Callable[[], float] = time.time) -> None:
        self._client = client
        self._topic_arn = topic_arn
        self._clock = clock
        self._traces = False

    def publish(self, observations: Sequence[Observation]) -> int:
        sent = 0
        self._trace()
        try:
            for body in encode_observations(observations, now_ms=lambda: int(self._clock() * 1000)):
                with outside(SNS, "Publish", topic_arn=self._topic_arn):
                    self._client.publish(TopicArn=self._topic_arn, Message=body.decode())
                sent += 1
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"the observations topic did not take message {sent + 1}") from error
        return sent

    def _trace(self) -> None:
        if tracing.is_sampled() and not self._traces:
            self._client.meta.events.register("before-call.sns.Publish", _add_header)
            self._traces = True


def _add_header(params: dict[str, Any], **_: Any) -> None:
    """A message of SNS has no field for the trace's header: SNS takes it from the request and puts it into SQS's."""
    if header := tracing.header():
        params["headers"][tracing.HEADER] = header
