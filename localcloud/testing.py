"""The whole platform for tests and benchmarks, with a way to publish observations of one's own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from functools import cached_property

from chalicelib.adapters.sns import SnsPublisher
from chalicelib.domain.observations import Observation, observation_id
from localcloud import cloud
from localcloud.options import Options


class LocalCloud(cloud.LocalCloud):
    """A LocalCloud whose topic can be published to, as any producer may.

    ``feed`` is None, "recorded" or "live"; every other option is one of Options.
    """

    def __init__(self, *, feed: str | None = None, **options: object) -> None:
        super().__init__(Options(feed=feed or "none", **options))  # type: ignore[arg-type]

    async def publish(self, observations: Sequence[Observation]) -> int:
        """Through the real topic: SNS, queue, process, queue, deliver, gateway, socket."""
        return await asyncio.to_thread(self._publisher.publish, observations)

    @cached_property
    def _publisher(self) -> SnsPublisher:
        return SnsPublisher(self.aws.client("sns"), self.outputs["ObservationsTopicArn"])


def observation(topic: str, value: str | Decimal, at: datetime | None = None) -> Observation:
    """One observation of now, or of another time."""
    when = at or datetime.now(UTC)
    number = Decimal(value)
    return Observation(observation_id(topic, when.isoformat(), number), topic, number, when, source="test")
