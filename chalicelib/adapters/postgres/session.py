"""The functions' connection to PostgreSQL: one a process, made again when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.string import TextLoader

from chalicelib.adapters.postgres.login import BOUNDS, tls
from chalicelib.adapters.postgres.patience import PatientConnection, Row
from chalicelib.errors import StoreDownError
from chalicelib.telemetry import tracing
from chalicelib.telemetry.outside import POSTGRES, failed, outside

Parameters = Mapping[str, Any] | Sequence[Any]

# A frozen sandbox keeps its sockets, but what is between does not (a NAT gateway forgets after 350 s).
IDLE_S = 50.0
# The server's own bound, a little above: of hundreds of sandboxes that are frozen or gone none keeps one of its places.
_GONE_MS = 60_000

# A server that has not ended a statement so long after its timeout does not work.
_SPARE_S = 2.0

# What the server ends as too much: of its time, or of the disk for what does not fit into memory.
ENDED = (errors.QueryCanceled, errors.ConfigurationLimitExceeded)

# Of psycopg's errors those that time cures. A missing table or right is one: its migration is on the way.
_PASSING = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    errors.ReadOnlySqlTransaction,  # the primary has moved
    errors.UndefinedTable,
    errors.UndefinedFunction,
    errors.UndefinedColumn,
    errors.InvalidSchemaName,
    errors.InsufficientPrivilege,
)


# The server's settings for who only reads. One process of the server a statement, and nothing compiled for it: what
# one costs is then the same however idle or busy the server is, and a heavy one does not take the cores of the others.
READS: Mapping[str, str] = {
    "default_transaction_read_only": "on",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    "timezone": "UTC",
}


class PostgresSession:
    """Transactions and reads on the one connection of a process.

    Guarantees: a connection that was lost or idle is replaced before anything is asked of it; the server ends a
    statement after its timeout, and two seconds later it is not waited for any more; a statement that it ended raises
    one of ENDED, and psycopg's other errors are its complaints about a statement; whatever time cures raises
    StoreDownError.
    """

    def __init__(
        self,
        *,
        host: str,
        port: int,
        name: str,
        user: str,
        sslmode: str,
        application: str,
        password: Callable[[], str] | None = None,
        timeout_ms: int = 5000,
        settings: Mapping[str, str] = MappingProxyType({}),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """``settings`` of the server hold from the connection's start, as the timeout does: they cost no round trip."""
        self._where = f"{host}:{port}"
        given = {"statement_timeout": str(timeout_ms), "idle_session_timeout": str(_GONE_MS), **settings}
        self._arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "dbname": name,
            "user": user,
            "application_name": application,
            "options": " ".join(f"-c {setting}={value}" for setting, value in given.items()),
            **BOUNDS,
            **tls(sslmode),
        }
        self._patience_s = timeout_ms / 1000 + _SPARE_S
        self._password = password
        self._monotonic = monotonic
        self._used_at = 0.0
        self._connection: PatientConnection | None = None

    @contextmanager
    def transaction(self, operation: str) -> Iterator[PatientConnection]:
        """All or nothing. ``operation`` names it in traces."""
        connection = self._begun()
        with _served(operation):
            try:
                yield connection
                connection.execute("COMMIT")
            finally:
                self._ended(connection)

    def read(
        self, operation: str, statement: bytes, parameters: Parameters, *, numbers_as_text: bool = False
    ) -> list[Row]:
        """The rows of one statement, a transaction of its own, in one round trip.

        It is sent again if a kept connection turns out to be lost: only statements that change nothing may come here.
        ``numbers_as_text``: numerics as the server writes them, for who would only write them again.
        """
        connection = self._kept()
        if connection is not None:
            with _served(operation):
                asked_at = self._monotonic()
                try:
                    return self._rows(connection, statement, parameters, numbers_as_text)
                except psycopg.OperationalError:
                    if not connection.broken or self._monotonic() - asked_at >= self._patience_s:
                        raise
        connection = self._connected()
        with _served(operation):
            return self._rows(connection, statement, parameters, numbers_as_text)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _rows(
        self, connection: PatientConnection, statement: bytes, parameters: Parameters, numbers_as_text: bool
    ) -> list[Row]:
        try:
            cursor = connection.cursor()
            if numbers_as_text:
                cursor.adapters.register_loader("numeric", TextLoader)
            # Never prepared: a plan for values in general knows neither the months nor the topics asked for.
            return cursor.execute(statement, parameters, prepare=False).fetchall()
        finally:
            self._used_at = self._monotonic()

    def _begun(self) -> PatientConnection:
        """In a transaction. A connection kept from before may be gone: then, nothing being done yet, a new one is."""
        kept = self._kept()
        if kept is not None:
            try:
                kept.execute("BEGIN")
            except psycopg.Error:
                pass  # the new one says what is wrong
            else:
                return kept
        connection = self._connected()
        with _served("begin"):
            connection.execute("BEGIN")
        return connection

    def _kept(self) -> PatientConnection | None:
        return self._connection if self._monotonic() - self._used_at < IDLE_S else None

    def _connected(self) -> PatientConnection:
        """A new connection, in the place of any other."""
        self.close()
        arguments = {**self._arguments, "autocommit": True}
        with outside(POSTGRES, "connect"):
            if self._password:
                arguments["password"] = self._password()
            try:
                self._connection = PatientConnection.connect(**arguments)
            except psycopg.Error as error:
                raise StoreDownError(f"PostgreSQL at {self._where} cannot be reached: {_said(error)}") from error
        self._connection.patience_s = self._patience_s
        return self._connection

    def _ended(self, connection: PatientConnection) -> None:
        self._used_at = self._monotonic()
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()


@contextmanager
def _served(operation: str) -> Iterator[None]:
    with tracing.subsegment(POSTGRES.name, namespace=POSTGRES.namespace, operation=operation):
        try:
            yield
        except ENDED:
            raise
        except _PASSING as error:
            failed(POSTGRES)
            raise StoreDownError(f"PostgreSQL cannot serve: {_said(error)}") from error


def _said(error: psycopg.Error) -> str:
    """In libpq's or the server's words, which hold no row, no statement and no password."""
    return error.diag.message_primary or str(error).strip().split("\n")[0] or type(error).__name__
