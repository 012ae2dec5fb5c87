"""Which connections are open. Between the close of a socket and its ``$disconnect`` it is already gone."""

from __future__ import annotations

from collections.abc import Iterator

from localcloud.gateway.connection import Connection


class Registry:
    """Open connections by id: a connection enters after its ``$connect`` succeeded and leaves when its close begins."""

    def __init__(self) -> None:
        self._open: dict[str, Connection] = {}

    def add(self, connection: Connection) -> None:
        self._open[connection.client.connection_id] = connection

    def discard(self, connection: Connection) -> None:
        self._open.pop(connection.client.connection_id, None)

    def get(self, connection_id: str) -> Connection | None:
        return self._open.get(connection_id)

    def __iter__(self) -> Iterator[Connection]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)
