"""What a client's command does, and what it is answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import structlog

from chalicelib.domain.topics import own_topic
from chalicelib.errors import (
    AuthenticationError,
    CommandRateError,
    DefiStreamError,
    ExpiredError,
    RefusedError,
    StoreDownError,
    TemporaryError,
    TooLargeError,
)
from chalicelib.ports import Identity, JobQueue, Limits, Session, Sessions, Subscriptions
from chalicelib.protocol import commands as protocol
from chalicelib.protocol.pushes import encode_error, encode_notice, encode_reply, rfc3339
from chalicelib.services.fanout import JobBuilder, encode_jobs
from chalicelib.services.rules import ManageRules
from chalicelib.services.subscribe import SubscribeTopics, described
from chalicelib.services.tokens import Tokens
from chalicelib.settings import Tier
from chalicelib.telemetry import metrics, note

log = structlog.get_logger()

MAX_REPLY_BYTES = 128_000  # API Gateway: a message has at most 128 KB
LIST_BYTES = 64_000
READS_PER_TOKEN = 500


class HandleCommand:
    """Answer one text frame.

    Guarantees: always an answer of the protocol, whatever came in; a session that the store lost is made again from
    what the authorizer found, and its client is told to subscribe again.
    """

    def __init__(
        self,
        *,
        sessions: Sessions,
        subscriptions: Subscriptions,
        subscribe: SubscribeTopics,
        tokens: Callable[[], Tokens],
        rules: Callable[[], ManageRules],
        limits: Limits,
        jobs: JobQueue,
        tiers: Mapping[str, Tier],
        connection_seconds: int,
        now: Callable[[], datetime],
    ) -> None:
        self._sessions = sessions
        self._subscriptions = subscriptions
        self._subscribe = subscribe
        self._tokens = tokens
        self._rules = rules
        self._limits = limits
        self._jobs = jobs
        self._tiers = tiers
        self._connection_seconds = connection_seconds
        self._now = now

    def run(self, connection: str, identity: Identity, body: str, *, connected_at_ms: int, request_id: str) -> str:
        """The reply to a frame, as JSON text; never raises."""
        command = _decoded(body)
        command_id = command.command_id if isinstance(command, protocol.BadCommandError) else command.id
        metrics.count("CommandsHandled")
        _note(command)
        try:
            self._limit(connection, self._tiers[identity.tier])  # what is malformed counts too
            session = self._session(connection, identity, connected_at_ms, command)
            if isinstance(command, protocol.BadCommandError):
                metrics.count("ValidationErrors")
                raise command.error
            reply = encode_reply(command_id, self._carry_out(connection, session, command))
            if len(reply.encode()) > MAX_REPLY_BYTES:
                raise TooLargeError("the reply is larger than a message may be: ask for less in one command")
            return reply
        except DefiStreamError as error:
            note(refused=error.name)
            return encode_error(command_id, error)
        except Exception:
            log.exception("command_failed")
            metrics.count("ProcessingErrors")
            return encode_error(command_id, TemporaryError(f"something went wrong here: tell us request {request_id}"))

    def _session(
        self, connection: str, identity: Identity, connected_at_ms: int, command: protocol.Command | Exception
    ) -> Session:
        session = self._sessions.get(connection)
        if session is not None:
            if session.rebuilt and isinstance(command, protocol.Ping):
                self._ask_to_resubscribe(connection)  # the notice may not have arrived
            return session
        if self._sessions.ended(connection):
            raise RefusedError("this connection has ended: open another")
        ends_ms = connected_at_ms + self._connection_seconds * 1000
        session = Session(identity.user, identity.tier, min(identity.session_ms, ends_ms), ends_ms, rebuilt=True)
        self._sessions.open(connection, session, limit=1_000_000)  # it was within its limit when it connected
        log.warning("session_rebuilt")
        try:
            self._ask_to_resubscribe(connection)
        except StoreDownError:
            self._sessions.drop(connection)  # to be missed once more
            raise
        # What this command does settles nothing: the notice is still on its way.
        return replace(self._sessions.get(connection) or session, rebuilt=False)

    def _ask_to_resubscribe(self, connection: str) -> None:
        builder = JobBuilder(frame_bytes=32_768, posts_per_job=1)
        text = "the server lost this session: subscribe again with since"
        builder.add_message(encode_notice("resubscribe", text, self._now()), [connection])
        if self._jobs.send(encode_jobs(builder.jobs)):
            raise StoreDownError("the deliveries queue cannot be reached: try again")

    def _limit(self, connection: str, tier: Tier) -> None:
        wait = self._limits.take(f"commands:{connection}", tier.commands_per_s, tier.commands_burst)
        if wait:
            raise CommandRateError(f"at most {tier.commands_per_s} commands a second", retry_after=round(wait, 3))

    def _carry_out(self, connection: str, session: Session, command: protocol.Command) -> dict[str, Any]:
        if isinstance(command, protocol.Refresh):
            session_ms = self._refresh(connection, session, command.token)
            return {"session_expires": _time(session_ms)}
        if session.session_ms <= self._now().timestamp() * 1000:
            raise ExpiredError("this session has expired: refresh it with a new token")
        result: dict[str, Any] = {}
        if isinstance(command, protocol.Subscribe):
            result = self._subscribe.run(connection, session, command)
            if session.rebuilt:
                self._sessions.settled(connection)
            if command.snapshot:
                self._charge(connection, self._tiers[session.tier], result)
        elif isinstance(command, protocol.Unsubscribe):
            result = {"topics": self._leave(connection, session, command.topics)}
        elif isinstance(command, protocol.List):
            result = self._list(connection, command.after)
        elif isinstance(command, protocol.Ack):
            self._rules().acknowledge(session.user, command.rule, command.alert)
            result = {"rule": command.rule, "alert": command.alert, "state": "acknowledged"}
        else:
            result = {"at": rfc3339(self._now())}
        return {**result, "session_expires": _time(session.session_ms)}

    def _charge(self, connection: str, tier: Tier, result: dict[str, Any]) -> None:
        """Reading thousands of topics is not one command's work: it is paid for with the commands that follow."""
        matched = sum(told.get("matched", 0) for told in result["topics"].values())
        if matched >= READS_PER_TOKEN:
            tokens = matched / READS_PER_TOKEN
            self._limits.charge(f"commands:{connection}", tier.commands_per_s, tier.commands_burst, tokens)

    def _leave(self, connection: str, session: Session, topics: Sequence[str]) -> list[str]:
        """What was left."""
        if not topics:
            return []
        named = [] if topics == ["*"] else [own_topic(topic, session.user) for topic in topics]
        return sorted(self._subscriptions.unsubscribe(connection, named))

    def _list(self, connection: str, after: str | None) -> dict[str, Any]:
        """A page of what is subscribed to, by name; ``next`` is the ``after`` of the following one."""
        groups = sorted(self._subscriptions.subscribed(connection).items())
        page: dict[str, Any] = {}
        size = 0
        for topic, group in groups:
            if after is not None and topic <= after:
                continue
            size += len(topic) + len(group.name) + 100
            if size > LIST_BYTES:
                return {"topics": page, "next": next(reversed(page))}
            page[topic] = described(group)
        return {"topics": page, "next": None}

    def _refresh(self, connection: str, session: Session, token: str) -> int:
        identity = self._tokens().redeem(token)
        if identity.user != session.user and not session.user.startswith("anonymous-"):
            raise AuthenticationError("this token is somebody else's")
        session_ms = min(identity.session_ms, session.ends_ms)
        self._sessions.extend(connection, session_ms)
        return session_ms


def _decoded(body: str) -> protocol.Command | protocol.BadCommandError:
    """The command, or what is wrong with it: every reply must echo the id, that of a refusal too."""
    try:
        return protocol.decode_command(body)
    except protocol.BadCommandError as error:
        return error


def _note(command: protocol.Command | protocol.BadCommandError) -> None:
    """What the lines of this invocation say of the command; only topics that are some."""
    if isinstance(command, protocol.BadCommandError):
        return
    note(action=type(command).__name__.lower())
    topics = command.topics if isinstance(command, protocol.Subscribe | protocol.Unsubscribe) else []
    if topics and len(topics) == 1 and protocol.is_subscribable(topics[0]):
        note(topic=topics[0])


def _time(milliseconds: int) -> str:
    return rfc3339(datetime.fromtimestamp(milliseconds / 1000, UTC))
