"""docs/socket.md: the socket's document as a page to read, each message with an example."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from scripts.apidocs.markdown import example, link, members, types

HEAD = """\
# The socket

Made by `.venv/bin/python -m scripts.apidocs` from the types that the server decodes and says; do not edit. For
machines: [asyncapi.json](asyncapi.json) (AsyncAPI 3.0). How to use it, and every error with its cure, is in
[the protocol](protocol.md); [the REST API](api.md) has a page of its own.
"""


def socket_page(socket: dict[str, Any]) -> str:
    operations = socket["operations"].values()
    commands = [each for each in operations if each["action"] == "receive"]
    pushes = [each for each in operations if each["action"] == "send"]
    said = [name for each in operations for name in _names(each)]
    replies = [name for each in commands for name in _names(each["reply"])]
    schemas = socket["components"]["schemas"]
    rest = {name: schema for name, schema in schemas.items() if name not in {*said, *replies}}
    lines = [HEAD, *_connecting(socket), *_overview(commands, pushes), "## Client → server\n"]
    for each in commands:
        lines += _message(socket, _names(each)[0], each["summary"])
        lines += _message(socket, _names(each["reply"])[0])
    lines += _message(socket, "ErrorReply")
    lines += ["## Server → client\n"]
    for each in pushes:
        lines += _message(socket, _names(each)[0], each["summary"])
    return "\n".join([*lines, *types(rest)]).rstrip() + "\n"


def _connecting(socket: dict[str, Any]) -> Iterator[str]:
    yield socket["info"]["description"] + "\n"
    for server in socket["servers"].values():
        yield f"`{server['protocol']}://{server['host']}{server['pathname']}` with one of\n"
    yield "| | | |\n|---|---|---|"
    for scheme in socket["components"]["securitySchemes"].values():
        yield f"| `{scheme['name']}` | {scheme['in']} | {scheme['description']} |"
    yield ""


def _overview(commands: list[dict[str, Any]], pushes: list[dict[str, Any]]) -> Iterator[str]:
    yield "| | message | |\n|---|---|---|"
    for each in commands:
        replies = " or ".join(link(reply) for reply in each["reply"]["messages"])
        yield f"| client → server | {link(each['messages'][0])} → {replies} | {each['summary']} |"
    for each in pushes:
        yield f"| server → client | {link(each['messages'][0])} | {each['summary']} |"
    yield ""


def _message(socket: dict[str, Any], name: str, summary: str = "") -> Iterator[str]:
    yield f"### {name}\n"
    if summary:
        yield summary + "\n"
    for each in socket["components"]["messages"][name]["examples"]:
        yield example(each["payload"])
    yield from members(socket["components"]["schemas"][name])


def _names(operation: dict[str, Any]) -> list[str]:
    return [each["$ref"].rpartition("/")[2] for each in operation["messages"]]
