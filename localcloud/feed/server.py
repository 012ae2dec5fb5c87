"""A DefiLlama on loopback that replays the tape, in DefiLlama's response shapes and with its caching.

The paths of DefiLlama's four hosts do not clash, so one port serves all of them. Within one window an answer is the
same byte for byte; ``Date`` and ``Expires`` run on the tape's clock, the source's own, and ``max-age`` on the wall's.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property

from aiohttp import web

from localcloud.feed.answers import Answers
from localcloud.feed.catalog import Catalog
from localcloud.feed.faults import Fault, Faults
from localcloud.feed.history import Grid, History, seconds
from localcloud.feed.pages import OPEN, Page
from localcloud.feed.tape import DEFAULT_START, HOUR_S, RECORDED, Tape
from localcloud.feed.windows import RENEWALS

INTERPOLATES = "daily TVL and stablecoin prices are linear between recorded points, and so are prices and yields"
DEFAULT_WIDTH_S = 12 * HOUR_S
MOST_PAGES = 512
POOL_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")


class RecordedFeed:
    """The server. Tape time starts at ``start`` with ``start()``, runs at ``speed`` and stops at the tape's end.

    ``clock`` counts wall seconds. Raises ValueError for a start that is not on the tape.
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        start: datetime = DEFAULT_START,
        port: int = 0,
        host: str = "127.0.0.1",
        clock: Callable[[], float] = time.monotonic,
        tape: Tape | None = None,
        catalog: Catalog | None = None,
    ) -> None:
        self.speed = speed
        self.begins = start if start.tzinfo else start.replace(tzinfo=UTC)
        self._tape = tape or Tape.load()
        self._answers = Answers(self._tape, catalog or Catalog.load())
        self._history = History(self._answers)
        self._host, self._port, self._clock = host, port, clock
        self._started: float | None = None
        self._pages: dict[tuple[str, str], Page] = {}
        self._faults = Faults()
        self._runner: web.AppRunner | None = None
        if speed <= 0:
            raise ValueError("speed must be above zero")
        if not self._tape.first <= self.begins.timestamp() <= self._tape.last:
            raise ValueError(f"nothing is recorded at {self.begins.isoformat()}")

    async def start(self) -> None:
        """Listen and let the tape run. Raises OSError if the port is taken."""
        self._runner = web.AppRunner(self._app(), access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        self._port = self._runner.addresses[0][1]
        self._started = self._clock()

    async def stop(self) -> None:
        """Close the port and every connection."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    @property
    def url(self) -> str:
        """The base URL of all four of DefiLlama's hosts; complete once started."""
        return f"http://{self._host}:{self._port}"

    @property
    def tape(self) -> Tape:
        return self._tape

    def now(self) -> datetime:
        """The tape's time."""
        return datetime.fromtimestamp(self._now(), UTC)

    def fail_next(
        self, kind: str, *, status: int = 429, retry_after: int | str | None = None, html: bool = False, times: int = 1
    ) -> None:
        """Answer the next requests of a feed with an error."""
        self._faults.add(kind, Fault(status, retry_after, html, OPEN), times)

    def shrink(self, kind: str, keep: float = 0.1) -> None:
        """Leave out most records of a feed from now on; ``keep=1`` gives them back."""
        self._faults.shrink(kind, keep)
        self._pages.clear()

    def _now(self) -> float:
        passed = 0.0 if self._started is None else (self._clock() - self._started) * self.speed
        return min(self.begins.timestamp() + passed, self._tape.last)

    @cached_property
    def _at_start(self) -> dict[str, int]:
        return self._answers.counts(int(self.begins.timestamp()), DEFAULT_WIDTH_S)

    def _app(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/protocols", self._protocols),
                web.get("/protocol/{slug}", self._protocol),
                web.get("/tvl/{slug}", self._tvl),
                web.get("/v2/chains", self._chains),
                web.get("/v2/historicalChainTvl", self._all_chains_history),
                web.get("/v2/historicalChainTvl/{chain}", self._chain_history),
                web.get("/prices/current/{coins:.+}", self._prices),
                web.get("/stablecoins", self._stablecoins),
                web.get("/stablecoincharts/all", self._stablecoin_charts),
                web.get("/pools", self._pools),
                web.get("/chart/{what:.+}", self._chart),
                web.get("/_tape", self._about),
                web.route("*", "/{elsewhere:.*}", self._elsewhere),
            ]
        )
        return app

    async def _protocols(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "protocols", self._answers.protocols)

    async def _protocol(self, request: web.Request) -> web.StreamResponse:
        slug = request.match_info["slug"]
        return self._page(request, "protocols", lambda at: self._history.protocol(slug, at), _no_protocol)

    async def _tvl(self, request: web.Request) -> web.StreamResponse:
        slug = request.match_info["slug"]
        return self._page(request, "protocols", lambda at: self._history.tvl(slug, at), _no_protocol)

    async def _chains(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "chains", self._answers.chains)

    async def _all_chains_history(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "chains", self._history.all_chains)

    async def _chain_history(self, request: web.Request) -> web.StreamResponse:
        chain = request.match_info["chain"]
        return self._page(request, "chains", lambda at: self._history.chain(chain, at))

    async def _prices(self, request: web.Request) -> web.StreamResponse:
        coins = request.match_info["coins"].split(",")
        width_s = DEFAULT_WIDTH_S
        with contextlib.suppress(ValueError):
            width_s = seconds(request.query.get("searchWidth", "12h"))
        return self._page(request, "prices", lambda at: self._answers.prices(coins, at, width_s))

    async def _stablecoins(self, request: web.Request) -> web.StreamResponse:
        prices = request.query.get("includePrices", "false").lower() == "true"
        return self._page(request, "stablecoins", lambda at: self._answers.stablecoins(at, prices=prices))

    async def _stablecoin_charts(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "stablecoins", self._history.stablecoins)

    async def _pools(self, request: web.Request) -> web.StreamResponse:
        return self._page(request, "yields", self._answers.pools)

    async def _chart(self, request: web.Request) -> web.StreamResponse:
        """The coins' host and the yields' host have this path in common: a pool's id is a uuid."""
        what = request.match_info["what"]
        if POOL_ID.match(what):
            return self._page(request, "yields", lambda at: self._history.pool(what, at), _no_pool)
        if ":" not in what:
            return _no_pool()
        try:
            grid = _grid(request)
        except ValueError:
            return web.json_response({"message": "Invalid parameters"}, status=400, headers=OPEN)
        return self._page(request, "prices", lambda at: self._history.coins(what.split(","), grid, at))

    async def _about(self, request: web.Request) -> web.StreamResponse:
        """What the tape is and where it stands, for the page and for people."""
        about = {
            "now": self.now().isoformat(timespec="seconds").replace("+00:00", "Z"),
            "speed": self.speed,
            "from": self.begins.isoformat().replace("+00:00", "Z"),
            "series": {kind: self._tape.count(kind) for kind in RECORDED},
            "at_start": self._at_start,
            "recorded": {kind: [[*map(_day, span)] for span in self._tape.spans(kind)] for kind in RECORDED},
            "interpolates": INTERPOLATES,
        }
        return web.json_response(about, headers={**OPEN, "Cache-Control": "no-store"})

    async def _elsewhere(self, request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": "This endpoint doesn't exist"}, status=404, headers=OPEN)

    def _page(
        self,
        request: web.Request,
        kind: str,
        build: Callable[[int], object],
        missing: Callable[[], web.Response] | None = None,
    ) -> web.StreamResponse:
        """The answer of the current window, made once; ``build`` gives None for what is not on the tape."""
        fault = self._faults.take(kind)
        if fault is not None:
            return fault.response()
        now = self._now()
        window = RENEWALS[kind].window(now)
        page = self._pages.get((kind, request.path_qs))
        if page is None or page.window != window:
            answer = build(window.start)
            if answer is None:
                return (missing or _not_found)()
            page = Page.of(self._faults.shrunk(kind, answer), window)
            self._keep(kind, request.path_qs, page)
        return page.response(request, now, self.speed)

    def _keep(self, kind: str, path: str, page: Page) -> None:
        if len(self._pages) >= MOST_PAGES:
            self._pages.clear()
        self._pages[kind, path] = page


def _grid(request: web.Request) -> Grid:
    query = request.query
    return Grid(
        start=int(query["start"]) if "start" in query else None,
        end=int(query["end"]) if "end" in query else None,
        span=int(query.get("span", 0)),
        period_s=seconds(query.get("period", "1d")),
    )


def _not_found() -> web.Response:
    return web.Response(status=404, text="Not found", headers=OPEN)


def _no_protocol() -> web.Response:
    return web.json_response({"message": "Protocol is not in our database"}, status=400, headers=OPEN)


def _no_pool() -> web.Response:
    return web.json_response("invalid configID!", status=400, headers=OPEN)


def _day(stamp: int) -> str:
    return datetime.fromtimestamp(stamp, UTC).date().isoformat()
