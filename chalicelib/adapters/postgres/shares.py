"""Who may have how many of PostgreSQL's connections: readers are bounded, so that the rest is there for others."""

from __future__ import annotations

from sqlalchemy import Connection, text

# For record (4), maintain, migrate, RDS's own and somebody who looks; of a very small server, half of what it has.
KEPT = 30

_READERS = text("""
    SELECT rolconnlimit AS now, greatest(room - :kept, room / 2) AS wanted
    FROM pg_roles, (
        SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS room
    ) AS server
    WHERE rolname = 'defi_stream_reader'
""")


def share(connection: Connection) -> None:
    """Bound the readers by what this server takes: another instance class takes another number.

    Does nothing where there is no such role, or where its bound is right.
    """
    found = connection.execute(_READERS, {"kept": KEPT}).one_or_none()
    if found is not None and found.now != found.wanted:
        connection.exec_driver_sql(f"ALTER ROLE defi_stream_reader CONNECTION LIMIT {int(found.wanted)}")
