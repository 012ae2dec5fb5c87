"""``/v1/alerts``: a user's rules, what they told, and what became of telling it."""

from __future__ import annotations

import re
import secrets
from typing import TYPE_CHECKING

import msgspec
from chalice import Blueprint, Response
from msgspec import UNSET

from chalicelib.errors import UnknownAlertError
from chalicelib.handlers.rest.answering import Asked, Reply, answered
from chalicelib.handlers.rest.repeats import once
from chalicelib.protocol.alerts import RuleAnswer, answer_of
from chalicelib.protocol.paging import place_after, place_of
from chalicelib.protocol.rest import NoQuery
from chalicelib.protocol.rest_alerts import (
    DeliveriesPage,
    HistoryPage,
    PageQuery,
    ReplayedBody,
    RulesPage,
    attempt_body,
    read_acknowledge,
    told_alert,
)
from chalicelib.services.idempotency import check_key

if TYPE_CHECKING:
    from chalicelib.services.rules import Watched

routes = Blueprint(__name__)

PAGE = 50
_DELIVERY = re.compile(r"[A-Za-z0-9_-]{1,64}\Z")
ANY_VERSION = "*"
_VERSION = re.compile(r'(?:W/)?"([0-9]{1,9})"\Z')  # weak where a CDN has compressed what it named


@routes.route("/alerts", methods=["GET", "POST", "OPTIONS"], content_types=[])
def alerts() -> Response:
    """Rules: all of one's own, and another one."""
    request = routes.current_request
    return answered(request, "alerts", _create if request.method == "POST" else _list)


@routes.route("/alerts/dry-run", methods=["POST", "OPTIONS"], content_types=[])
def dry_run() -> Response:
    """When a rule would have fired."""
    return answered(routes.current_request, "dry_run", _dry_run)


@routes.route("/alerts/{id}", methods=["GET", "PUT", "DELETE", "OPTIONS"], content_types=[])
def alert(id: str) -> Response:
    """One rule."""
    work = {"PUT": _replace, "DELETE": _delete}
    request = routes.current_request
    return answered(request, "alert", work.get(request.method, _find))


@routes.route("/alerts/{id}/acknowledge", methods=["POST", "OPTIONS"], content_types=[])
def acknowledge(id: str) -> Response:
    """An alert was seen."""
    return answered(routes.current_request, "acknowledge", _acknowledge)


@routes.route("/alerts/{id}/history", methods=["GET", "OPTIONS"], content_types=[])
def alert_history(id: str) -> Response:
    """What a rule told."""
    return answered(routes.current_request, "alert_history", _history)


@routes.route("/alerts/{id}/deliveries", methods=["GET", "OPTIONS"], content_types=[])
def deliveries(id: str) -> Response:
    """The tries to tell webhooks and e-mail addresses."""
    return answered(routes.current_request, "deliveries", _deliveries)


@routes.route("/alerts/{id}/deliveries/{delivery}/replay", methods=["POST", "OPTIONS"], content_types=[])
def replay(id: str, delivery: str) -> Response:
    """A delivery is made again."""
    return answered(routes.current_request, "replay", _replay)


def _list(asked: Asked) -> Reply:
    after = _after(asked)
    found, following = asked.container.manage_rules.page(asked.user, after=after, limit=PAGE)
    return Reply(RulesPage([answer_of(each.rule, each.state) for each in found], place_after(following)))


def _create(asked: Asked) -> Reply:
    user, body = asked.user, _changing(asked)
    key = asked.header("idempotency-key")
    seed = secrets.token_bytes(16) if key is None else msgspec.json.encode((user, key, body))
    limit = asked.caller.tier.alert_rules

    def make() -> RuleAnswer:
        watched = asked.container.manage_rules.create(body, user=user, seed=seed, limit=limit)
        return answer_of(watched.rule, watched.state)

    text, headers = once(asked, make)
    made = msgspec.json.decode(text, type=_Made)
    return Reply(text, status=201, headers={**headers, "Location": f"/v1/alerts/{made.id}", "ETag": _tag(made.version)})


def _find(asked: Asked) -> Reply:
    asked.query(NoQuery)
    return _told(asked.container.manage_rules.find(asked.user, asked.path("id")))


def _replace(asked: Asked) -> Reply:
    user, body = asked.user, _changing(asked)
    return _told(
        asked.container.manage_rules.change(body, user=user, rule_id=asked.path("id"), expected=_expected(asked))
    )


def _delete(asked: Asked) -> Reply:
    asked.query(NoQuery)
    asked.container.manage_rules.delete(asked.user, asked.path("id"))
    return Reply(None, status=204)


def _dry_run(asked: Asked) -> Reply:
    user, body = asked.user, _changing(asked)
    return Reply(asked.container.dry_run.run(body, user=user))


def _acknowledge(asked: Asked) -> Reply:
    user, body = asked.user, _changing(asked)
    return _told(asked.container.manage_rules.acknowledge(user, asked.path("id"), read_acknowledge(body)))


def _history(asked: Asked) -> Reply:
    after = _after(asked)
    found, following = asked.container.manage_rules.history(asked.user, asked.path("id"), after=after, limit=PAGE)
    return Reply(HistoryPage([told_alert(each) for each in found], place_after(following)))


def _deliveries(asked: Asked) -> Reply:
    after, rule = _after(asked), asked.path("id")
    asked.container.manage_rules.find(asked.user, rule)  # none but its owner's
    found, following = asked.container.delivery_log.of_rule(rule, after=after, limit=PAGE)
    return Reply(DeliveriesPage([attempt_body(each) for each in found], place_after(following)))


def _replay(asked: Asked) -> Reply:
    asked.query(NoQuery)
    user, rule, delivery = asked.user, asked.path("id"), asked.path("delivery")
    if not _DELIVERY.match(delivery):  # anything else no store need be asked for
        raise UnknownAlertError(f"there is no delivery {delivery!r:.80} of this rule")

    def make() -> ReplayedBody:
        asked.container.manage_rules.find(user, rule)
        asked.container.endpoints.replay(user, rule, delivery)
        return ReplayedBody(delivery)

    text, headers = once(asked, make)
    return Reply(text, status=202, headers=headers)


class _Made(msgspec.Struct):
    id: str
    version: int


def _told(watched: Watched) -> Reply:
    """Its ETag names the rule's version alone: where it is in its life changes without anybody changing the rule."""
    return Reply(answer_of(watched.rule, watched.state), headers={"ETag": _tag(watched.rule.version)})


def _tag(version: int) -> str:
    return f'"{version}"'


def _expected(asked: Asked) -> int | None:
    """The version that ``If-Match`` names, None if any will do; 0, which none has, for what is no tag of ours."""
    header = asked.header("if-match")
    if header is None or header.strip() == ANY_VERSION:
        return None
    match = _VERSION.match(header.strip())
    return int(match[1]) if match else 0


def _after(asked: Asked) -> str | None:
    cursor = asked.query(PageQuery).cursor
    return None if cursor is UNSET else place_of(cursor)


def _changing(asked: Asked) -> bytes:
    """The body of a request that has one; what is wrong with the rest of it is told first."""
    asked.query(NoQuery)
    key = asked.header("idempotency-key")
    if key is not None:
        check_key(key)
    return asked.json
