"""``POST /v1/query``."""

from __future__ import annotations

from datetime import UTC, datetime

from chalice import Blueprint, Response

from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.protocol.pushes import rfc3339
from chalicelib.protocol.rest import NoQuery
from chalicelib.services.idempotency import check_key

routes = Blueprint(__name__)


@routes.route("/query", methods=["POST", "OPTIONS"], content_types=[])
def query() -> Response:
    """Rows of the tables, filtered, grouped and ordered."""
    return answered(routes.current_request, "query", _query)


def _query(asked: Asked) -> Reply:
    asked.query(NoQuery)
    body = asked.json
    key = asked.header("idempotency-key")
    if key is not None:
        check_key(key)  # and that is all: a query changes nothing, however often it is asked
    answer = asked.container.answer_query.run(body, party=asked.caller.party)
    made_at = rfc3339(datetime.fromtimestamp(answer.made_ms / 1000, UTC))
    stale = "true" if answer.stale else "false"
    return Reply(f'{{"made_at":"{made_at}","stale":{stale},' + answer.body.removeprefix("{"))
