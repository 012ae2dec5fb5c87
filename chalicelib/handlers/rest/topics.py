"""``GET /v1/topics``."""

from __future__ import annotations

from chalice import Blueprint, Response

from chalicelib.domain.topics import PRIVATE_KINDS, is_rehearsal, kind_of
from chalicelib.errors import MalformedError, NotAllowedError, UnknownTopicError
from chalicelib.handlers.rest.answering import ASKED_AGAIN, Asked, Reply, answered
from chalicelib.protocol.commands import is_subscribable
from chalicelib.protocol.rest import ListedTopic, TopicsPage, TopicsQuery

routes = Blueprint(__name__)

PAGE = 500


@routes.route("/topics", methods=["GET", "OPTIONS"], content_types=[])
def topics() -> Response:
    """Topics that match a topic or wildcard, with their newest value; ``cursor`` continues a long list."""
    return answered(routes.current_request, "topics", _topics)


def _topics(asked: Asked) -> Reply:
    query = asked.query(TopicsQuery)
    cursor = int(query.cursor)
    if cursor >= 2**64:
        raise MalformedError("cursor is what the page before called next")
    if not is_subscribable(query.match):
        raise UnknownTopicError(f"no topic {query.match!r:.150}")
    if kind_of(query.match) in PRIVATE_KINDS:
        raise NotAllowedError("alerts are private")
    found, following = asked.container.catalogue.topics(query.match, cursor=cursor, limit=PAGE)
    listed = [ListedTopic(*each) for each in found if not is_rehearsal(each[0]) or is_rehearsal(query.match)]
    page = TopicsPage(listed, str(following) if following else None)
    return Reply(page, cache=ASKED_AGAIN)
