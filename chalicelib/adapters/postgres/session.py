"""The functions' connection to PostgreSQL: one a process, made again when it is lost."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from chalicelib.adapters.postgres.login import BOUNDS, tls
from chalicelib.errors import StoreDownError
from chalicelib.telemetry import tracing
from chalicelib.telemetry.outside import POSTGRES, failed, outside

Row = tuple[Any, ...]

# A frozen sandbox keeps its sockets, but what is between does not (a NAT gateway forgets after 350 s).
IDLE_S = 50.0

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


class PostgresSession:
    """Transactions on the one connection of a process.

    Guarantees: a connection that was lost or idle is replaced before anything is asked of it; the server ends a
    statement after its timeout; a statement that it ended raises psycopg's QueryCanceled, as do its other complaints
    about a statement; whatever time cures raises StoreDownError.
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
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._where = f"{host}:{port}"
        self._arguments: dict[str, Any] = {
            "host": host,
            "port": port,
            "dbname": name,
            "user": user,
            "application_name": application,
            **BOUNDS,
            **tls(sslmode),
        }
        self._password = password
        self._timeout_ms = timeout_ms
        self._monotonic = monotonic
        self._used_at = 0.0
        self._connection: psycopg.Connection[Row] | None = None

    @contextmanager
    def transaction(
        self, operation: str, *, timeout_ms: int | None = None, read_only: bool = False
    ) -> Iterator[psycopg.Connection[Row]]:
        """All or nothing. ``operation`` names it in traces; ``timeout_ms`` bounds each of its statements."""
        connection = self._begun(timeout_ms or self._timeout_ms, read_only)
        with tracing.subsegment(POSTGRES.name, namespace=POSTGRES.namespace, operation=operation):
            try:
                yield connection
                connection.execute("COMMIT")
            except errors.QueryCanceled:
                raise
            except _PASSING as error:
                failed(POSTGRES)
                raise StoreDownError(f"PostgreSQL cannot serve: {_said(error)}") from error
            finally:
                self._ended(connection)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _begun(self, timeout_ms: int, read_only: bool) -> psycopg.Connection[Row]:
        """In a transaction. A connection kept from before may be gone: then, nothing being done yet, a new one is."""
        begin = f"BEGIN {'READ ONLY' if read_only else 'READ WRITE'}; SET LOCAL statement_timeout = {int(timeout_ms)}"
        kept, used_at = self._connection, self._used_at
        if kept is not None and self._monotonic() - used_at < IDLE_S:
            try:
                kept.execute(begin.encode())
            except psycopg.Error:
                self.close()
            else:
                return kept
        self.close()
        with outside(POSTGRES, "connect"):
            try:
                self._connection = self._connect()
                self._connection.execute(begin.encode())
            except psycopg.Error as error:
                self.close()
                raise StoreDownError(f"PostgreSQL at {self._where} cannot be reached: {_said(error)}") from error
        return self._connection

    def _connect(self) -> psycopg.Connection[Row]:
        arguments = {**self._arguments, "autocommit": True}
        if self._password:
            arguments["password"] = self._password()
        return psycopg.connect(**arguments)

    def _ended(self, connection: psycopg.Connection[Row]) -> None:
        self._used_at = self._monotonic()
        if connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE:
            return
        try:
            connection.execute("ROLLBACK")
        except psycopg.Error:
            self.close()


def _said(error: psycopg.Error) -> str:
    """In libpq's or the server's words, which hold no row, no statement and no password."""
    return error.diag.message_primary or str(error).strip().split("\n")[0] or type(error).__name__
