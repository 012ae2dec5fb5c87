"""One try to tell an alert to a webhook or an e-mail address, and what follows from how it went."""

from __future__ import annotations

import random as _random
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import msgspec
import structlog

from chalicelib.domain.retries import EMAIL_PATIENCE, WEBHOOK_PATIENCE, next_try
from chalicelib.errors import UnknownEndpointError
from chalicelib.ports import Requests
from chalicelib.ports.alerts import AlertStates, Due, Timers
from chalicelib.ports.endpoints import (
    Answer,
    Attempt,
    DeliveryLog,
    EmailSender,
    Endpoint,
    EndpointStore,
    WebhookSender,
)
from chalicelib.protocol.notifications import NoticeMessage, alert_event
from chalicelib.protocol.signals import NotificationMessage
from chalicelib.services.endpoints import change
from chalicelib.services.links import Links
from chalicelib.services.mails import alert_mail, notice_mail
from chalicelib.telemetry import metrics

log = structlog.get_logger()

GONE = 410
TOLD_S = 90 * 86_400  # so long it is known whether an escalated alert was told


class TellAlert:
    """Guarantees: an alert that did not arrive is tried again for five days (an e-mail for one), at growing intervals;
    a webhook that failed for five days, or said that it is gone, is disabled, and its owner told; every try is in the
    log, and so is that an endpoint could not be told for being disabled or unverified.
    """

    def __init__(
        self,
        *,
        store: EndpointStore,
        log: DeliveryLog,
        webhooks: WebhookSender,
        emails: EmailSender,
        states: AlertStates,
        requests: Requests,
        timers: Timers,
        links: Links,
        now: Callable[[], datetime],
        random: Callable[[], float] = _random.random,
    ) -> None:
        self._store = store
        self._log = log
        self._webhooks = webhooks
        self._emails = emails
        self._states = states
        self._requests = requests
        self._timers = timers
        self._links = links
        self._now = now
        self._random = random

    def run(self, message: NotificationMessage) -> None:
        """Raises StoreDownError; it may be run again then."""
        endpoint = self._store.find(message.user, message.endpoint)
        if endpoint is None:
            log.info("notification_dropped", delivery=message.id, reason="the endpoint was deleted")
            return
        if message.unless_acknowledged and not self._is_wanted(message):
            log.info("notification_dropped", delivery=message.id, reason="acknowledged or over before it was due")
            return
        at = self._now()
        if problem := _unfit(endpoint):
            self._write_down(message, Answer(False, error=problem), at, None)
            return
        answer = self._send(message, endpoint, at)
        again_at = None
        if answer.arrived:
            metrics.count("NotificationsSent", Channel=message.channel)
            self._arrived(endpoint)
        else:
            metrics.count("NotificationsFailed", Channel=message.channel)
            again_at = self._failed(message, endpoint, answer)
        self._write_down(message, answer, at, again_at)

    def notice(self, message: NoticeMessage) -> None:
        """Tell a user by e-mail that a webhook was disabled. Once: whoever looks at their endpoints sees it too."""
        endpoint = self._store.find(message.user, message.endpoint)
        if endpoint is None or _unfit(endpoint):
            return
        unsubscribe = self._links.url("unsubscribe", endpoint)
        answer = self._emails.send(
            notice_mail(message.url, message.reason, to=endpoint.address, unsubscribe=unsubscribe)
        )
        log.info("notice_sent", endpoint=endpoint.id, arrived=answer.arrived, reason=answer.error)

    def _is_wanted(self, message: NotificationMessage) -> bool:
        """Of an escalated step: a firing that nobody has acknowledged, and what becomes of one that was told."""
        told = f"told#{message.alert.id}#{message.endpoint}"
        if message.alert.state != "firing":
            return self._requests.begin(told, "told", lease_s=0).state != "ours"
        # Noted before it is looked at: what becomes of it from here on is told, or it is not told at all.
        self._requests.begin(told, "told", lease_s=TOLD_S)
        state = self._states.load([message.alert.rule])[message.alert.rule].state
        if state.phase == "firing" and state.alert == message.alert.id:
            return True
        self._requests.give_up(told, "told")
        return False

    def _send(self, message: NotificationMessage, endpoint: Endpoint, at: datetime) -> Answer:
        if endpoint.kind == "email":
            unsubscribe = self._links.url("unsubscribe", endpoint)
            return self._emails.send(alert_mail(message.alert, to=endpoint.address, unsubscribe=unsubscribe))
        _, body = alert_event(message.alert)
        secrets = endpoint.secrets_at(at)
        return self._webhooks.send(endpoint.address, body, message_id=message.id, secrets=secrets, at=at)

    def _arrived(self, endpoint: Endpoint) -> None:
        if endpoint.failing_since or endpoint.problem:
            self._change(
                endpoint,
                lambda newest: newest if newest.disabled_at else replace(newest, failing_since=None, problem=""),
            )

    def _failed(self, message: NotificationMessage, endpoint: Endpoint, answer: Answer) -> datetime | None:
        """When it is tried again; None if it is given up."""
        at = self._now()
        first_at = message.first_at or at
        if endpoint.kind == "email":  # it may be our own fault, and is never the user's: nothing is disabled
            return self._again(message, answer, at, first_at, until=first_at + EMAIL_PATIENCE)
        newest = self._change(
            endpoint,
            lambda found: (
                found
                if found.disabled_at
                else replace(found, failing_since=_failing_since(found, at), problem=answer.error)
            ),
        )
        if newest is None or newest.disabled_at or newest.failing_since is None:
            return None
        ends = newest.failing_since + WEBHOOK_PATIENCE
        if answer.status == GONE or at >= ends:
            self._disable(newest, answer, at)
            return None
        return self._again(message, answer, at, first_at, until=min(ends, first_at + WEBHOOK_PATIENCE))

    def _again(
        self, message: NotificationMessage, answer: Answer, at: datetime, first_at: datetime, *, until: datetime
    ) -> datetime | None:
        failures = message.attempt + 1
        again_at = next_try(
            at, failures=failures, retry_after_s=answer.retry_after_s, until=until, random=self._random()
        )
        if again_at is None:
            log.warning("notification_given_up", delivery=message.id, attempts=failures)
            return None
        following = msgspec.structs.replace(message, attempt=failures, first_at=first_at)
        name = f"{message.id}#{message.replay}#{failures}"
        self._timers.put([Due(name, "notifications", msgspec.json.encode(following), again_at, message.user)])
        return again_at

    def _disable(self, endpoint: Endpoint, answer: Answer, at: datetime) -> None:
        gone = answer.status == GONE
        reason = "it answered 410: gone" if gone else f"it failed for {WEBHOOK_PATIENCE.days} days: {answer.error}"
        self._tell_owner(endpoint, reason)  # first: if we die in between it is told again, under the same name
        newest = self._change(endpoint, lambda found: found if found.disabled_at else _off(found, at, reason))
        if newest and newest.disabled_at == at:  # by us, and not by another message at the same time
            log.warning("endpoint_disabled", endpoint=endpoint.id, reason=reason)
            metrics.count("EndpointsDisabled")

    def _tell_owner(self, endpoint: Endpoint, reason: str) -> None:
        since = int(endpoint.failing_since.timestamp()) if endpoint.failing_since else 0
        notices = [
            NoticeMessage(f"notice-{endpoint.id}-{since}-{mail.id}", mail.user, mail.id, endpoint.address, reason)
            for mail in self._store.of_user(endpoint.user)
            if mail.kind == "email" and not _unfit(mail)
        ]
        now = self._now()
        self._timers.put([Due(each.id, "notifications", msgspec.json.encode(each), now, each.user) for each in notices])

    def _change(self, endpoint: Endpoint, make: Callable[[Endpoint], Endpoint]) -> Endpoint | None:
        """None if it was deleted meanwhile."""
        try:
            return change(self._store, endpoint.user, endpoint.id, make)
        except UnknownEndpointError:
            return None

    def _write_down(
        self, message: NotificationMessage, answer: Answer, at: datetime, again_at: datetime | None
    ) -> None:
        attempt = Attempt(
            delivery=message.id,
            endpoint=message.endpoint,
            rule=message.alert.rule,
            what=f"alert.{message.alert.state}",
            at=at,
            number=message.attempt + 1,
            arrived=answer.arrived,
            status=answer.status,
            duration_ms=answer.duration_ms,
            error=answer.error,
            answer=answer.text,
            next_at=again_at,
            replay=bool(message.replay),
        )
        self._log.add(attempt, msgspec.json.encode(message))
        log.info(
            "notification_tried",
            delivery=message.id,
            endpoint=message.endpoint,
            number=attempt.number,
            arrived=answer.arrived,
            status=answer.status,
            reason=answer.error,
            duration_ms=answer.duration_ms,
        )


def _unfit(endpoint: Endpoint) -> str:
    """Why nothing may be told to it; "" if something may."""
    if endpoint.disabled_at:
        return f"disabled: {endpoint.problem}"
    return "" if endpoint.verified_at else "not verified yet"


def _failing_since(endpoint: Endpoint, at: datetime) -> datetime:
    """A failure that nothing followed (its alert was acknowledged before the next try) is not the beginning of this
    one: whatever is tried again ends, or disables the endpoint, when its patience does."""
    since = endpoint.failing_since
    return at if since is None or at >= since + WEBHOOK_PATIENCE + timedelta(days=1) else since


def _off(endpoint: Endpoint, at: datetime, reason: str) -> Endpoint:
    return replace(endpoint, disabled_at=at, problem=reason)
