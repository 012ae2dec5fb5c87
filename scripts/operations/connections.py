"""Who is connected to a stage, by the function that can reach its Redis; and the gateway's own word on a connection."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import boto3

from scripts.deployment.errors import RefusedError
from scripts.operations.place import Place

ASKED = "sweep"  # the function: it looks after connections, and is in the VPC, where Redis is


class Connections:
    """Counts, lists and closes. Raises StackError for what the function says went wrong."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._gateway = _gateway(place)

    def count(self, top: int) -> dict[str, Any]:
        """``connections``, ``subscriptions``, and by ``tiers``, ``users`` and ``topics``."""
        return dict(self._ask({"count": top}))

    def find(self, limit: int, **narrowed: str | None) -> list[dict[str, Any]]:
        """``connection``, ``session`` (user, tier, ends_ms …) and ``subscriptions`` of each."""
        return list(self._ask({"list": limit, **narrowed})["connections"])

    def close(self, connection: str) -> bool:
        """Ask the gateway to end it; False if it has ended already."""
        try:
            self._gateway.delete_connection(ConnectionId=connection)
        except self._gateway.exceptions.GoneException:
            return False
        return True

    def is_open(self, connection: str) -> bool:
        """By the gateway, which is the only one to know."""
        try:
            self._gateway.get_connection(ConnectionId=connection)
        except self._gateway.exceptions.GoneException:
            return False
        return True

    def _ask(self, asked: Mapping[str, Any]) -> Any:
        event = {
            "version": "0",
            "id": str(uuid.uuid4()),
            "detail-type": "Asked by an operator",
            "source": "operator",
            "account": "",
            "time": f"{datetime.now(UTC):%FT%TZ}",
            "region": "",
            "resources": [],
            "detail": {"connections": dict(asked)},
        }
        return self._place.invoke(ASKED, event)


def _gateway(place: Place) -> Any:
    """Raises RefusedError if the stack does not say where its connections are managed."""
    if place.addresses:
        return place.client("apigatewaymanagementapi")
    url = place.state.outputs.get("ConnectionsUrl")
    if not url:
        raise RefusedError(f"stack {place.stack.name} has no output ConnectionsUrl")
    return boto3.client("apigatewaymanagementapi", endpoint_url=url, region_name=place.stack.client.meta.region_name)
