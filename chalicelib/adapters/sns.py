"""ports.ObservationPublisher on SNS."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from chalicelib.domain.observations import Observation
from chalicelib.errors import StoreDownError
from chalicelib.protocol.envelopes import encode_observations

if TYPE_CHECKING:
    from mypy_boto3_sns import SNSClient


class SnsPublisher:
    """ports.ObservationPublisher. One message a call: two full ones would pass PublishBatch's 256 KB."""

    def __init__(self, client: SNSClient, topic_arn: str) -> None:
        self._client = client
        self._topic_arn = topic_arn

    def publish(self, observations: Sequence[Observation]) -> int:
        sent = 0
        try:
            for body in encode_observations(observations):
                self._client.publish(TopicArn=self._topic_arn, Message=body.decode())
                sent += 1
        except (BotoCoreError, ClientError) as error:
            raise StoreDownError(f"the observations topic did not take message {sent + 1}") from error
        return sent
