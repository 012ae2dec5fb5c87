"""The connection to Redis: fenced, bounded in time, with one error for "it is down"."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import redis
from redis.credentials import CredentialProvider
from redis.exceptions import MasterDownError, OutOfMemoryError, ReadOnlyError, RedisError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from chalicelib.errors import StoreDownError
from chalicelib.telemetry.outside import REDIS, outside

LUA = Path(__file__).parent / "lua"


def token() -> str:
    """A short random token: part of an epoch, unguessable enough never to repeat within a log's life."""
    return secrets.token_hex(4)


@cache
def source(name: str) -> str:
    text = (LUA / f"{name}.lua").read_text()
    return (LUA / "prelude.lua").read_text() + text if name in _WITH_TOPICS else text


_WITH_TOPICS = frozenset({"sequence", "flush", "subscribe", "read"})


def _fenced(connection: Any) -> None:
    """Greet a new connection, then compare the server's run_id with the one seen last (see fence.lua)."""
    connection.on_connect()
    connection.send_command("INFO", "server")
    info = connection.read_response()
    text = info.decode() if isinstance(info, bytes) else str(info)
    run_id = next(line[7:].strip() for line in text.splitlines() if line.startswith("run_id:"))
    connection.send_command("EVAL", source("fence"), 0, run_id, token())
    connection.read_response()


# A frozen sandbox keeps its sockets, but what is between does not (a NAT gateway forgets after 350 s).
IDLE_S = 50.0


class Redis:
    """One pool for the process.

    Guarantees: every connection was fenced before its first command; after a failover, and after a freeze of the
    sandbox, the next command has a new connection; a server that does not answer is waited for once in a while, and
    not by each command of a request.
    """

    def __init__(
        self,
        url: str,
        *,
        credentials: CredentialProvider | None = None,
        timeout_s: float = 2.0,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._timeout_s = timeout_s
        self._silent_until = 0.0
        self._used_at = monotonic()
        self._client = redis.Redis.from_url(
            url,
            decode_responses=True,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            socket_keepalive=True,
            credential_provider=credentials,  # asked for a password by every new connection
            redis_connect_func=_fenced,
            retry=None,
        )
        self._scripts: dict[str, Any] = {}

    def run(self, name: str, *args: str | int | float) -> Any:
        """Run one of ``lua/*.lua``. Raises StoreDownError."""
        script = self._scripts.get(name)
        if script is None:
            script = self._scripts[name] = self._client.register_script(source(name))
        with self._errors(), outside(REDIS, name):
            return script(args=args)

    def call(self, method: Callable[[Any], Any]) -> Any:
        """Run plain commands on the client. Raises StoreDownError."""
        with self._errors(), outside(REDIS, "commands"):
            return method(self._client)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn "Redis cannot be reached or cannot serve" into StoreDownError; our own mistakes stay what they are."""
        if self._monotonic() < self._silent_until:
            raise StoreDownError("Redis did not answer a moment ago")
        self._renew()
        try:
            yield
        except RedisTimeoutError as error:
            self._silent_until = self._monotonic() + self._timeout_s
            raise StoreDownError(f"Redis did not answer within {self._timeout_s:g} s") from error
        except (ReadOnlyError, MasterDownError) as error:
            self._client.connection_pool.disconnect(
                inuse_connections=False
            )  # the primary has moved: look it up and fence again
            raise StoreDownError(f"Redis cannot serve: {type(error).__name__}") from error
        except OutOfMemoryError as error:
            raise StoreDownError("Redis is full") from error
        except ResponseError as error:
            if not str(error).startswith(("BUSY", "NOREPLICAS", "TRYAGAIN")):
                raise
            raise StoreDownError(f"Redis cannot serve: {error}") from error
        except (RedisError, OSError) as error:
            raise StoreDownError(f"Redis cannot be reached: {type(error).__name__}") from error

    def _renew(self) -> None:
        used_at, self._used_at = self._used_at, self._monotonic()
        if self._used_at - used_at > IDLE_S:
            self._client.connection_pool.disconnect(inuse_connections=False)
