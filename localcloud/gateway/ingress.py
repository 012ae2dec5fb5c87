"""What every API reads of a request on the public port."""

from __future__ import annotations

from aiohttp import web

from localcloud.gateway import events


def address_and_headers(request: web.Request) -> tuple[str, list[tuple[str, str]]]:
    """The client's address, and its headers as sent with those that API Gateway adds."""
    transport = request.transport
    peer = transport.get_extra_info("peername") if transport is not None else None
    local = transport.get_extra_info("sockname") if transport is not None else None
    address = peer[0] if peer else "127.0.0.1"
    received = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.raw_headers]
    return address, events.forwarded(received, address, local[1] if local else 80)
