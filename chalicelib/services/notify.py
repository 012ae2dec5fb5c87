"""The queue of notifications: webhooks and e-mails, each message for itself."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

import structlog

from chalicelib.errors import DefiStreamError, InProgressError, PoisonError
from chalicelib.ports import Requests
from chalicelib.protocol.notifications import Notification, decode_notification
from chalicelib.protocol.signals import NotificationMessage, VerifyMessage
from chalicelib.services.process import Message
from chalicelib.services.telling import TellAlert
from chalicelib.services.verifying import VerifyEndpoint
from chalicelib.telemetry import metrics

log = structlog.get_logger()

AT_ONCE = 10  # a batch: none waits for another's receiver
LEASE_S = 60  # longer than the function may run: who holds it is gone then
KEEP_S = 14 * 86_400  # longer than any message of a chain may still be on its way
DONE = "done"


class Notify:
    """Guarantees: what a message asks for is done once, however often the message comes, unless a worker dies over it:
    then it is done again. No message waits for another's receiver, nor fails with it.
    """

    def __init__(self, *, tell: TellAlert, verify: VerifyEndpoint, requests: Requests) -> None:
        self._tell = tell
        self._verify = verify
        self._requests = requests

    def run(self, messages: Sequence[Message]) -> set[str]:
        """The ids of those that must come again. Raises nothing that one message causes."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            # each in a copy of this context: log lines keep the request's id
            work = [pool.submit(copy_context().run, self._one, message) for message in messages]
        return {message.id for message, done in zip(messages, work, strict=True) if not done.result()}

    def _one(self, message: Message) -> bool:
        try:
            self._once(decode_notification(message.body))
        except PoisonError as error:
            log.error("notification_undecodable", message_id=message.id, reason=str(error))
            metrics.count("PoisonRecords")
            return False
        except DefiStreamError as error:
            log.error("notification_failed", message_id=message.id, error=error.name, reason=str(error))
            return False
        except Exception:  # a message's own edge: the others of its batch were done
            log.exception("notification_failed", message_id=message.id)
            return False
        return True

    def _once(self, notification: Notification) -> None:
        key = f"notify#{_name(notification)}"
        match self._requests.begin(key, DONE, lease_s=LEASE_S).state:
            case "done":
                return
            case "running":
                raise InProgressError("another worker has it", retry_after=LEASE_S)
        try:
            self._do(notification)
        except BaseException:
            self._requests.give_up(key, DONE)
            raise
        self._requests.done(key, DONE, DONE, keep_s=KEEP_S)

    def _do(self, notification: Notification) -> None:
        match notification:
            case NotificationMessage():
                self._tell.run(notification)
            case VerifyMessage():
                self._verify.run(notification)
            case _:
                self._tell.notice(notification)


def _name(notification: Notification) -> str:
    """Each try of a chain is a message of its own."""
    if isinstance(notification, NotificationMessage):
        return f"{notification.id}#{notification.replay}#{notification.attempt}"
    return notification.id
