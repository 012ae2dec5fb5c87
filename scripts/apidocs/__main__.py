"""The APIs' documents, made from the types that the handlers decode and encode.

.venv/bin/python -m scripts.apidocs            write them
.venv/bin/python -m scripts.apidocs --check    say which are not what the types say now
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scripts.apidocs.asyncapi import asyncapi
from scripts.apidocs.openapi import openapi
from scripts.apidocs.pages import api_page
from scripts.apidocs.schemas import written
from scripts.apidocs.socket_page import socket_page

ROOT = Path(__file__).resolve().parents[2]


def documents() -> dict[Path, str]:
    """The text of each file."""
    rest, socket = openapi(), asyncapi()
    return {
        Path("chalicelib/handlers/rest/openapi.json"): written(rest, indented=False),  # as it is served
        Path("docs/asyncapi.json"): written(socket),
        Path("docs/api.md"): api_page(rest),
        Path("docs/socket.md"): socket_page(socket),
    }


def main(arguments: Sequence[str] | None = None) -> int:
    options = argparse.ArgumentParser(
        prog="python -m scripts.apidocs",
        description="Write docs/api.md, docs/socket.md and the documents that they show, OpenAPI and AsyncAPI.",
    )
    options.add_argument("--check", action="store_true", help="write nothing; end with 1 if a file is out of date")
    check: bool = options.parse_args(arguments).check
    old = [path for path, text in documents().items() if not _is(ROOT / path, text)]
    if check:
        for path in old:
            print(f"{path} is out of date: run .venv/bin/python -m scripts.apidocs", file=sys.stderr)
        return 1 if old else 0
    for path, text in documents().items():
        (ROOT / path).write_text(text)
        print(f"{path}: {'written' if path in old else 'as it was'}")
    return 0


def _is(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


if __name__ == "__main__":
    sys.exit(main())
