"""What the runner tells the process with the clients."""

from __future__ import annotations

import msgspec

from loadtests.shapes import Plan


class Publish(msgspec.Struct):
    """Where made-up observations go. Without an endpoint it is AWS, with the credentials of the environment."""

    topic_arn: str
    region: str
    changes_per_s: float
    endpoint_url: str | None = None
    access_key: str | None = None
    secret_key: str | None = None


class Orders(msgspec.Struct):
    """One run. ``directory`` is where its files go; ``stage`` is the dimension of its data points.

    ``headers`` go with every request and handshake.
    """

    url: str
    ws_url: str
    keys: list[str]
    stage: str
    directory: str
    shape: str
    users: int
    spawn_rate: float
    duration_s: float
    topics: int
    seed: int = 1
    publish: Publish | None = None
    headers: dict[str, str] = {}

    def plan(self) -> Plan:
        return Plan(self.shape, self.users, self.spawn_rate, self.duration_s)
