"""The socket as AsyncAPI 3.0. Actions are the server's: it receives commands and sends the rest."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from chalicelib.protocol import commands
from scripts.apidocs import frames
from scripts.apidocs.schemas import components, flowed, reference

# By command: what it is for, and its reply.
COMMANDS: dict[type[Struct], tuple[str, type[Struct]]] = {
    commands.Subscribe: (
        "Join topics; those joined before get the new rate and filter. With `since` what was missed comes first.",
        frames.SubscribeReply,
    ),
    commands.Unsubscribe: ('Leave topics; `["*"]` leaves all.', frames.UnsubscribeReply),
    commands.List: ("What this connection is subscribed to, by name, a page at a time.", frames.ListReply),
    commands.Ping: ("Is somebody there? Send one after 120 s of silence.", frames.PingReply),
    commands.Refresh: ("Extend the session with a new token.", frames.RefreshReply),
    commands.Ack: ("An alert was seen: no later step of its rule is told of it.", frames.AckReply),
}
PUSHES: dict[type[Struct], str] = {
    frames.Updates: "Changes of topics, and snapshots of those just joined.",
    frames.Notice: "Something that the client has to do.",
}
CHANNEL = "#/channels/stream"


def asyncapi() -> dict[str, Any]:
    replies = [reply for _, reply in COMMANDS.values()]
    types = [*COMMANDS, *replies, frames.ErrorReply, *PUSHES]
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "defi-stream",
            "version": "1",
            "description": flowed(
                """
                Prices, TVL, pegs and yields of DeFi, pushed as they change. One JSON text a message; values are decimal
                strings, times RFC 3339 in UTC. What a client does with updates that come twice, late or not at all,
                and every error code with its cure, is in docs/protocol.md.
                """
            ),
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "stage": {
                "host": "{host}",
                "pathname": "/ws",
                "protocol": "wss",
                "variables": {"host": {"description": "Of the deployment.", "default": "localhost"}},
                "security": [
                    {"$ref": "#/components/securitySchemes/token"},
                    {"$ref": "#/components/securitySchemes/key"},
                ],
            }
        },
        "channels": {
            "stream": {
                "address": "/",
                "messages": {kind.__name__: {"$ref": f"#/components/messages/{kind.__name__}"} for kind in types},
                "bindings": {"ws": {"method": "GET", "query": _QUERY, "bindingVersion": "0.1.0"}},
            }
        },
        "operations": {
            **{_name(kind): _command(kind, reply) for kind, (_, reply) in COMMANDS.items()},
            **{f"push{kind.__name__}": _push(kind, summary) for kind, summary in PUSHES.items()},
        },
        "components": {
            "schemas": components(types),
            "messages": {kind.__name__: _message(kind) for kind in types},
            "securitySchemes": {
                "token": {"type": "httpApiKey", "in": "query", "name": "token", "description": "Of POST /v1/tokens."},
                "key": {"type": "httpApiKey", "in": "header", "name": "x-api-key", "description": "For servers."},
            },
        },
    }


_QUERY = {
    "type": "object",
    "properties": {"token": {"type": "string", "description": "Of POST /v1/tokens: five minutes, used once."}},
}


def _name(kind: type[Struct]) -> str:
    return kind.__name__[0].lower() + kind.__name__[1:]


def _message(kind: type[Struct]) -> dict[str, Any]:
    return {"name": kind.__name__, "contentType": "application/json", "payload": reference(kind)}


def _said(*kinds: type[Struct]) -> list[dict[str, str]]:
    return [{"$ref": f"{CHANNEL}/messages/{kind.__name__}"} for kind in kinds]


def _command(kind: type[Struct], reply: type[Struct]) -> dict[str, Any]:
    return {
        "action": "receive",
        "channel": {"$ref": CHANNEL},
        "summary": COMMANDS[kind][0],
        "messages": _said(kind),
        "reply": {"channel": {"$ref": CHANNEL}, "messages": _said(reply, frames.ErrorReply)},
    }


def _push(kind: type[Struct], summary: str) -> dict[str, Any]:
    return {"action": "send", "channel": {"$ref": CHANNEL}, "summary": summary, "messages": _said(kind)}
