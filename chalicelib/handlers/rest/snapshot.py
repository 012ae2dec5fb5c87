"""``GET /v1/snapshot``."""

from __future__ import annotations

from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import ASKED_AGAIN, Asked, Reply, answered
from chalicelib.protocol.pushes import update_of
from chalicelib.protocol.rest import SnapshotBody, SnapshotQuery

routes = Blueprint(__name__)


@routes.route("/snapshot", methods=["GET", "OPTIONS"], content_types=[])
def snapshot() -> Response:
    """The newest values of topics with their positions, to subscribe ``since`` them."""
    return answered(routes.current_request, "snapshot", _snapshot)


def _snapshot(asked: Asked) -> Reply:
    found = asked.container.read_snapshot.run(asked.query(SnapshotQuery).topics.split(","))
    updates = [update_of(change, None, snapshot=True) for change in found.changes]
    return Reply(SnapshotBody(updates, list(found.missing)), cache=ASKED_AGAIN)
