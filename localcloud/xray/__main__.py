"""python -m localcloud.xray: what the laptop's X-Ray has seen, as text."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import urlopen

from localcloud.xray import waterfall

DEFAULT_PORT = 2000  # the X-Ray daemon's own

EPILOG = """
examples:
  python -m localcloud.xray                      the newest traces
  python -m localcloud.xray --function deliver   those of one function
  python -m localcloud.xray journey              the newest change's whole way, poll to socket
  python -m localcloud.xray trace 1-…            one trace
  python -m localcloud.xray map                  who calls whom, how often, how fast
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m localcloud.xray",
        description="Ask a running localcloud for its traces.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    options.add_argument(
        "what", nargs="?", choices=("traces", "trace", "journey", "map"), default="traces", help="(default: traces)"
    )
    options.add_argument("id", nargs="?", help="of a trace (default: the newest)")
    options.add_argument("--port", type=int, default=DEFAULT_PORT, help=f"of its X-Ray (default: {DEFAULT_PORT})")
    options.add_argument("--function", help="only traces of this function; for journey: through it (default: deliver)")
    options.add_argument("--annotation", metavar="KEY=VALUE", help="only traces with this annotation")
    options.add_argument("--failed", action="store_const", const="1", help="only traces with an error or a fault")
    options.add_argument("--seconds", type=float, help="only traces of the last seconds")
    options.add_argument("--limit", type=int, help="at most so many traces (default: 50, of map 200)")
    options.add_argument("--json", action="store_true", help="as JSON")
    return options


class NoAnswerError(Exception):
    """What was asked for is not to be had; the message says why."""


def ask(port: int, path: str, query: dict[str, Any] | None = None) -> Any:
    """An answer of the API. Raises NoAnswerError."""
    given = {name: value for name, value in (query or {}).items() if value is not None}
    try:
        with urlopen(f"http://127.0.0.1:{port}/{path}?{urlencode(given)}", timeout=10) as answer:
            return json.load(answer)
    except HTTPError as error:
        raise NoAnswerError(json.load(error).get("message", str(error))) from None
    except (URLError, ValueError, OSError) as error:
        raise NoAnswerError(f"no X-Ray answers on port {port}: is localcloud running? ({error})") from None


def answer(arguments: argparse.Namespace) -> tuple[Any, str]:
    """What was asked for, as JSON and as text. Raises NoAnswerError."""
    query = {name: getattr(arguments, name) for name in ("function", "annotation", "failed", "seconds", "limit")}
    if arguments.what == "map":
        found = ask(arguments.port, "map", {"seconds": arguments.seconds, "limit": arguments.limit})
        return found, waterfall.of_map(found)
    if arguments.what == "traces":
        found = ask(arguments.port, "traces", query)["traces"]
        return found, waterfall.of_list(found)
    wanted = arguments.id or _newest(arguments, query)
    found = ask(arguments.port, f"{arguments.what}/{wanted}")
    return found, (waterfall.of_journey if arguments.what == "journey" else waterfall.of_trace)(found)


def _newest(arguments: argparse.Namespace, query: dict[str, Any]) -> str:
    """Of a journey the end: the newest delivery, if no function is named."""
    function = arguments.function or ("deliver" if arguments.what == "journey" else None)
    traces = ask(arguments.port, "traces", {**query, "function": function, "limit": 1})["traces"]
    if not traces:
        raise NoAnswerError("no such trace yet")
    return str(traces[0]["id"])


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_intermixed_args(argv)  # an id may stand behind the options that make run has printed
    try:
        found, text = answer(arguments)
    except NoAnswerError as error:
        print(f"localcloud.xray: {error}", file=sys.stderr)
        return 1
    print(json.dumps(found) if arguments.json else text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
