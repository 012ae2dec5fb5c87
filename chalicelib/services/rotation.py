"""Rotation of our secrets, in the four steps in which Secrets Manager asks for it.

https://docs.aws.amazon.com/secretsmanager/latest/userguide/rotate-secrets_lambda-functions.html
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import jwt
import structlog

from chalicelib.domain.origin import ORIGIN_HEADERS
from chalicelib.errors import RotationError
from chalicelib.ports import Edge, SecretState, SecretVersions
from chalicelib.services.tokens import ALGORITHM, AUDIENCE

POLL_S = 10.0
RANDOM_BYTES = 48  # 64 characters of the URL-safe alphabet: fit for a header, and more than HS256 can use

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OriginSecret:
    """A secret that is the value of ``header``; ``other_id`` is the secret of the other header."""

    header: str
    other_id: str


def origin_secrets(ids: Sequence[str]) -> Mapping[str, OriginSecret]:
    """By id, from the ids of the secrets of ORIGIN_HEADERS in their order; none where there is no edge."""
    if not ids:
        return {}
    (id_a, id_b), (header_a, header_b) = ids, ORIGIN_HEADERS
    return {id_a: OriginSecret(header_a, other_id=id_b), id_b: OriginSecret(header_b, other_id=id_a)}


class RotateSecret:
    """Carry one step out.

    Guarantees: each step may come again, also after a failure in the middle of it; only the version that Secrets
    Manager labelled as pending, of a secret that is ours and whose rotation is on, is touched; of the two origin
    secrets one is always left as every place knows it. Raises RotationError or StoreDownError, which make Secrets
    Manager try again; no value of a secret is in them.
    """

    def __init__(
        self,
        *,
        versions: SecretVersions,
        edge: Callable[[], Edge],
        token_secret_id: str,
        origin_secrets: Mapping[str, OriginSecret],
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._versions = versions
        self._edge = edge
        self._token_secret_id = token_secret_id
        self._origin_secrets = origin_secrets
        self._sleep = sleep
        self._monotonic = monotonic

    def run(self, *, step: str, secret_id: str, version: str, deadline: float) -> None:
        """``deadline`` is by ``monotonic``: until then testSecret waits for CloudFront."""
        if secret_id != self._token_secret_id and secret_id not in self._origin_secrets:
            raise RotationError("this is no secret that we rotate")
        state = self._versions.state(secret_id)
        if not state.rotates:
            raise RotationError("rotation of this secret is off")
        labels = state.labels.get(version)
        if labels is None:
            raise RotationError("this secret has no such version")
        if "AWSCURRENT" in labels:
            log.info("rotation_was_finished", step=step, version_id=version)
            return
        if "AWSPENDING" not in labels:
            raise RotationError("this version is not the pending one")
        self._carry_out(step, secret_id, version, state, deadline)
        log.info("rotation_step_done", step=step, version_id=version)

    def _carry_out(self, step: str, secret_id: str, version: str, state: SecretState, deadline: float) -> None:
        match step:
            case "createSecret":
                self._create(secret_id, version)
            case "setSecret":
                self._set(secret_id, version)
            case "testSecret":
                self._test(secret_id, version, state, deadline)
            case "finishSecret":
                self._value(secret_id, version)
                self._versions.promote(secret_id, version, instead_of=state.current)
            case _:
                raise RotationError(f"there is no step {step!r:.40}")

    def _create(self, secret_id: str, version: str) -> None:
        self._refuse_while_the_other_rotates(secret_id)
        if self._versions.value(secret_id, version) is None:
            self._refuse_unless_the_other_is_sent(secret_id)
            self._versions.put(secret_id, version, secrets.token_urlsafe(RANDOM_BYTES))

    def _set(self, secret_id: str, version: str) -> None:
        value = self._value(secret_id, version)
        origin = self._origin_secrets.get(secret_id)
        if origin is not None:
            self._refuse_while_the_other_rotates(secret_id)
            self._edge().send(origin.header, value)

    def _test(self, secret_id: str, version: str, state: SecretState, deadline: float) -> None:
        value = self._versions.value(secret_id, version)
        origin = self._origin_secrets.get(secret_id)
        if value is None:
            # Where a schedule is made without rotating at once, Secrets Manager tries the function out: by this step
            # alone, with a pending version that has no value.
            self._try_out(secret_id, origin, state)
        elif origin is None:
            _try_key(value)
        else:
            self._wait_until_sent(origin.header, value, deadline)

    def _try_out(self, secret_id: str, origin: OriginSecret | None, state: SecretState) -> None:
        """See that the function may read what it will have to change."""
        value = self._current_value(secret_id, state)
        sent = origin is None or self._edge().sends(origin.header, value)
        log.info("rotation_tried_out", deployed=sent)

    def _wait_until_sent(self, header: str, value: str, deadline: float) -> None:
        edge = self._edge()
        while not edge.sends(header, value):
            if self._monotonic() + POLL_S >= deadline:
                raise RotationError(f"not every place sends the new value of {header} yet")
            self._sleep(POLL_S)

    def _value(self, secret_id: str, version: str) -> str:
        value = self._versions.value(secret_id, version)
        if value is None:
            raise RotationError("the pending version has no value")
        return value

    def _current_value(self, secret_id: str, state: SecretState) -> str:
        value = None if state.current is None else self._versions.value(secret_id, state.current)
        if value is None:
            raise RotationError("the secret has no current value")
        return value

    def _refuse_while_the_other_rotates(self, secret_id: str) -> None:
        origin = self._origin_secrets.get(secret_id)
        if origin is not None and self._versions.state(origin.other_id).pending is not None:
            raise RotationError("the other origin secret is in rotation: one of the two must hold still")

    def _refuse_unless_the_other_is_sent(self, secret_id: str) -> None:
        """A rotation that was given up, its version no longer pending, may have left the edge with a value of its."""
        origin = self._origin_secrets.get(secret_id)
        if origin is None:
            return
        header = self._origin_secrets[origin.other_id].header
        value = self._current_value(origin.other_id, self._versions.state(origin.other_id))
        if not self._edge().sends(header, value):
            raise RotationError(f"not every place sends the value that the secret of {header} holds: rotate that one")


def _try_key(key: str) -> None:
    """Sign and read a token as chalicelib.services.tokens does."""
    if len(key.encode()) < 32:  # RFC 7518, 3.2: a key as long as the hash
        raise RotationError("the new signing key is too short")
    token = jwt.encode({"aud": AUDIENCE, "jti": "rotation"}, key, algorithm=ALGORITHM)
    jwt.decode(token, key, algorithms=[ALGORITHM], audience=AUDIENCE)
