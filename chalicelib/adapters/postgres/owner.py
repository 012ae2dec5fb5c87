"""PostgreSQL as the owner of the database, for what is done at deploy time."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import NullPool

from chalicelib.errors import SchemaError, StoreDownError
from chalicelib.ports import Secrets
from chalicelib.telemetry import tracing
from chalicelib.telemetry.outside import POSTGRES, outside

# Lambda's certificate store has the public authorities; RDS's are its own. Without them `verify-full` fails and
# `require` would encrypt to whoever answers, so they travel in the zip: 130 kB, 60 compressed.
ROOTS = Path(__file__).with_name("rds.pem")
ATTEMPTS = 4  # a new function's first call may come before its network interface works or its role is known
LOGINS = 3  # for a password: while RDS changes it, the secret may for seconds hold neither the right one nor the next
PAUSE_S = 2.0
# A server that answers with anything but these, or that cannot prove who it is, will say the same in two seconds.
_PASSING = ("the database system is ", "too many ", "connection slots are reserved")
_FINAL = ("FATAL:", "certificate", "SSL was required")
_BOUNDS = {
    "connect_timeout": 5,
    "tcp_user_timeout": 15_000,  # ms: a server that died answers nothing, and would be waited for
    "application_name": "migrate",
}


class Postgres:
    """The database, with the user and password that RDS keeps (and changes) in a secret."""

    def __init__(
        self,
        *,
        host: str,
        port: int,
        name: str,
        sslmode: str,
        secrets: Secrets,
        secret_id: str,
        sleep: Callable[[float], None] = time.sleep,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._host, self._port, self._name, self._sslmode = host, port, name, sslmode
        self._secrets, self._secret_id = secrets, secret_id
        self._sleep, self._monotonic = sleep, monotonic

    @contextmanager
    def transaction(self, deadline: float) -> Iterator[Connection]:
        """All or nothing; no statement goes on after ``deadline`` (``time.monotonic()``).

        Raises StoreDownError if the database or its secret cannot be reached.
        """
        with outside(POSTGRES, "connect"):
            made = self._connect(deadline)
        work = tracing.subsegment(POSTGRES.name, namespace=POSTGRES.namespace, operation="transaction")
        with made as connection, connection.begin(), work:
            self._bound(connection, deadline)
            yield connection

    def _connect(self, deadline: float) -> Connection:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._connect_once()
            except (OperationalError, StoreDownError) as error:
                if attempt >= _attempts(error) or self._monotonic() + PAUSE_S > deadline:
                    raise self._told(error) from None
                self._sleep(PAUSE_S)
        raise AssertionError("unreachable")

    def _connect_once(self) -> Connection:
        """By the newest password, else the one before: while RDS changes it, either may be the right one."""
        passwords = self._secrets.values(self._secret_id, max_age_s=0)
        for value in passwords[:-1]:
            try:
                return self._engine(value).connect()
            except OperationalError as error:
                if not _is_wrong_password(error):
                    raise
        return self._engine(passwords[-1]).connect()

    def _engine(self, secret: str) -> Engine:
        login = json.loads(secret)
        url = URL.create("postgresql+psycopg", login["username"], login["password"], self._host, self._port, self._name)
        tls: dict[str, Any] = {"sslmode": self._sslmode}
        if self._sslmode == "verify-full":
            tls["sslrootcert"] = str(ROOTS)
        return create_engine(url, poolclass=NullPool, connect_args={**_BOUNDS, **tls})

    def _bound(self, connection: Connection, deadline: float) -> None:
        """Have the server end each statement at the deadline, however many there are."""

        @event.listens_for(connection, "before_cursor_execute")
        def _(_: Any, cursor: Any, *__: Any) -> None:
            left_ms = int((deadline - self._monotonic()) * 1000)
            if left_ms <= 0:
                raise SchemaError("out of time")
            cursor.execute("SELECT set_config('statement_timeout', %s, true)", (str(left_ms),))

    def _told(self, error: OperationalError | StoreDownError) -> StoreDownError:
        """In libpq's words: host, port, user and reason, never the password."""
        if isinstance(error, StoreDownError):
            return error
        reason = str(error.orig).strip().split("\n")[0]
        return StoreDownError(f"{self._host}:{self._port} cannot be reached: {reason}")


def _is_wrong_password(error: OperationalError) -> bool:
    return "authentication failed" in str(error.orig)


def _attempts(error: OperationalError | StoreDownError) -> int:
    """How many a failure deserves. libpq gives no code for what happens before it is connected, only the text."""
    if isinstance(error, StoreDownError):
        return ATTEMPTS
    if _is_wrong_password(error):
        return LOGINS
    said = str(error.orig)
    is_final = any(words in said for words in _FINAL) and not any(words in said for words in _PASSING)
    return 1 if is_final else ATTEMPTS
