"""A connection that does not wait for ever: the server ends a statement that takes too long, unless it hangs itself."""

from __future__ import annotations

from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen

Result = TypeVar("Result")
Row = tuple[Any, ...]

INTERVAL_S = 0.1  # psycopg's own: so often a wait looks up for an interrupt


class PatientConnection(psycopg.Connection[Row]):
    """Guarantees: no statement keeps its caller waiting for longer than ``patience_s``.

    TCP's own bounds notice a machine that is gone; this, a server that is there, stopped or stuck, of which the kernel
    goes on confirming what it is sent. A connection that was given up is closed, and the error is OperationalError.
    """

    patience_s: float | None = None

    def wait(self, gen: PQGen[Result], interval: float = INTERVAL_S, timeout: float | None = None) -> Result:
        patience_s = self.patience_s if timeout is None else timeout
        try:
            return super().wait(gen, interval, patience_s)
        except psycopg.errors._WaitTimeout as error:
            self.pgconn.finish()  # an answer that came yet would be taken for the next statement's
            raise psycopg.OperationalError(f"no answer within {patience_s:g} s") from error
