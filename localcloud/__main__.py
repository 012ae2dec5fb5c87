"""python -m localcloud: the whole platform on this machine, until Ctrl-C."""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any

import psutil
import uvloop

from chalicelib.errors import DefiStreamError
from localcloud.cloud import LocalCloud
from localcloud.durations import duration
from localcloud.feed.__main__ import recorded_moment
from localcloud.feed.tape import DEFAULT_START
from localcloud.gateway.server import PortTakenError
from localcloud.gateway.throttle import GatewayLimits
from localcloud.ministack import REGION
from localcloud.options import Options
from localcloud.terminal import Terminal, banner
from localcloud.xray.__main__ import DEFAULT_PORT as XRAY_PORT
from localcloud.xray.rules import CHOICES

EPILOG = """
what runs: Redis, PostgreSQL, the AWS APIs (ministack: SQS, SNS, DynamoDB, Secrets Manager) set up from cfn/, every
handler of app.py in worker processes as on Lambda, the queue pollers and schedules that Lambda would have, a gateway
that behaves like API Gateway, and a server that replays recorded figures in DefiLlama's shapes. All on 127.0.0.1.

examples:
  python -m localcloud                                    an hour of 2021 a second, and the page
  python -m localcloud --from 2022-05-07                  the Terra collapse, in chain TVL and pegs
  python -m localcloud --from 2023-03-10 --speed 600      the USDC depeg, ten minutes a second
  python -m localcloud --from 2026-01-05                  prices recorded hourly
  python -m localcloud --feed live                        the real API, once a minute
  python -m localcloud --port 9000 --json                 elsewhere, told to a program

python -m localcloud.feed prints which years are recorded of what.
Ctrl-C ends everything and leaves no process, port or file.
"""


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(
        prog="python -m localcloud",
        description="Run the whole platform on this machine and open it at a page.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    source = options.add_argument_group("what is watched")
    source.add_argument(
        "--feed",
        choices=("recorded", "live", "none"),
        default="recorded",
        help="recorded figures, DefiLlama's real API, or nothing but what you publish yourself (default: recorded)",
    )
    source.add_argument(
        "--speed", type=_positive, default=3600.0, help="recorded seconds per second (default: 3600, an hour a second)"
    )
    source.add_argument(
        "--from",
        dest="begins",
        type=recorded_moment,
        default=DEFAULT_START,
        metavar="DATE",
        help=f"where the recording starts, like 2022-05-07 or 2022-05-07T12:00, UTC (default: {DEFAULT_START.date()})",
    )
    source.add_argument(
        "--poll-seconds",
        type=_positive,
        help="how often the source is polled (default: 2 for the recorded feed, 60 for the live one)",
    )
    ports = options.add_argument_group("ports, all on 127.0.0.1 (0: any free one)")
    ports.add_argument("--port", type=int, default=8080, help="page, REST API and WebSocket (default: 8080)")
    ports.add_argument("--management-port", type=int, default=0, help="the @connections API (default: any)")
    ports.add_argument("--redis-port", type=int, default=0, help="Redis (default: any)")
    ports.add_argument("--postgres-port", type=int, default=0, help="PostgreSQL (default: any)")
    ports.add_argument("--aws-port", type=int, default=0, help="the AWS APIs (default: any)")
    ports.add_argument("--feed-port", type=int, default=0, help="the recorded DefiLlama (default: any)")
    ports.add_argument(
        "--xray-port",
        type=int,
        default=XRAY_PORT,
        help=f"the X-Ray daemon, UDP and TCP (default: {XRAY_PORT}, or any if that is taken)",
    )
    gateway = options.add_argument_group("the gateway's limits, API Gateway's by default")
    gateway.add_argument("--requests-per-second", type=_positive, default=10_000, help="account throttle (10000)")
    gateway.add_argument("--max-age", type=_positive, default=7200, help="seconds a connection may live (7200)")
    gateway.add_argument("--idle", type=_positive, default=600, help="seconds a connection may be silent (600)")
    gateway.add_argument(
        "--inject-latency",
        type=duration,
        default=0.0,
        metavar="TIME",
        help="delay every @connections post by so much, as in 300ms, to see what an alarm makes of it (default: 0)",
    )
    handlers = options.add_argument_group("the handlers")
    handlers.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="a setting of chalicelib/settings; repeatable",
    )
    handlers.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a parameter of cfn/; repeatable"
    )
    handlers.add_argument(
        "--workers",
        action="append",
        default=[],
        metavar="FUNCTION=N",
        help="worker processes of a function; repeatable",
    )
    handlers.add_argument(
        "--tracing",
        choices=CHOICES,
        default="template",
        help="which invocations X-Ray sees: all, by the sampling rules of cfn/, or none (default: template)",
    )
    output = options.add_argument_group("output")
    output.add_argument("--log", type=Path, metavar="FILE", help="write every log line of the handlers to a file")
    output.add_argument("--verbose", action="store_true", help="show every log line, not only warnings and errors")
    output.add_argument("--json", action="store_true", help="one JSON object when ready: urls, key, table, process ids")
    return options


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < 1e9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number above zero")
    return value


def _pairs(given: list[str], option: str) -> dict[str, str]:
    for text in given:
        if "=" not in text:
            raise SystemExit(f"localcloud: {option} takes NAME=VALUE, not {text!r}")
    return dict(text.split("=", 1) for text in given)


def _workers(given: list[str]) -> dict[str, int]:
    workers = {}
    for function, count in _pairs(given, "--workers").items():
        if not (count.isascii() and count.isdigit() and int(count) > 0):
            raise SystemExit(f"localcloud: --workers {function} takes a number above zero, not {count!r}")
        workers[function] = int(count)
    return workers


def holder_of(port: int) -> str:
    """Who listens on a port of this machine, as well as can be told."""
    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid:
                process = psutil.Process(connection.pid)
                return f"process {process.pid} ({' '.join(process.cmdline())[:120]})"
    except psutil.Error:
        pass
    return "another process"


def described(cloud: LocalCloud) -> dict[str, Any]:
    """The same for a program."""
    return {
        "url": cloud.url,
        "ws_url": cloud.ws_url,
        "management_url": cloud.gateway.management_url,
        "key": cloud.key,
        "aws_url": cloud.aws.url,
        "region": REGION,
        "redis_url": cloud.redis.url,
        "postgres_url": cloud.postgres.url,
        "feed_url": cloud.feed_url,
        "console_url": cloud.console_url,
        "xray_url": cloud.xray.url,
        "outputs": cloud.outputs,
        "workers": {name: cloud.runtime.workers(name) for name in cloud.runtime.functions},
    }


def options_of(arguments: argparse.Namespace, terminal: Terminal) -> Options:
    limits = GatewayLimits(
        requests_per_s=arguments.requests_per_second, idle_s=arguments.idle, max_age_s=arguments.max_age
    )
    return Options(
        port=arguments.port,
        management_port=arguments.management_port,
        redis_port=arguments.redis_port,
        postgres_port=arguments.postgres_port,
        aws_port=arguments.aws_port,
        feed_port=arguments.feed_port,
        xray_port=arguments.xray_port,
        tracing=arguments.tracing,
        feed=arguments.feed,
        speed=arguments.speed,
        begins=arguments.begins,
        poll_s=arguments.poll_seconds,
        workers=_workers(arguments.workers),
        parameters=_pairs(arguments.parameter, "--parameter"),
        env=_pairs(arguments.set, "--set"),
        limits=limits,
        inject_latency_s=arguments.inject_latency,
        on_log=terminal.log,
    )


async def serve(arguments: argparse.Namespace, terminal: Terminal) -> int:
    stopping = asyncio.Event()
    for sign in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sign, stopping.set)
    cloud = LocalCloud(options_of(arguments, terminal), progress=terminal.progress)
    starting = asyncio.create_task(cloud.start())
    stop = asyncio.create_task(stopping.wait())
    await asyncio.wait({starting, stop}, return_when=asyncio.FIRST_COMPLETED)
    try:
        if not starting.done():
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
            return 130
        await starting
        print(json.dumps(described(cloud)) if arguments.json else banner(cloud, await cloud.tape()), flush=True)
        await stop
    finally:
        stop.cancel()
        await cloud.stop()
    if not arguments.json:
        print("  stopped")
    return 0


def main() -> int:
    arguments = parser().parse_args()
    terminal = Terminal(quiet=arguments.json, verbose=arguments.verbose, log=arguments.log)
    for name in ("port", "management_port", "redis_port", "postgres_port", "aws_port", "feed_port"):
        port = getattr(arguments, name)
        if port and _taken(port):
            print(
                f"localcloud: port {port} is taken by {holder_of(port)}: end that, or choose another", file=sys.stderr
            )
            return 1
    try:
        return uvloop.run(serve(arguments, terminal))
    except PortTakenError as error:
        print(f"localcloud: port {error.port} is taken by {holder_of(error.port)}", file=sys.stderr)
    except (RuntimeError, OSError, ValueError, DefiStreamError) as error:
        print(f"localcloud: {error}", file=sys.stderr)
    finally:
        terminal.close()
    return 1


def _taken(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
