import asyncio
import gzip
import json
import signal
import sys
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import aiohttp
import pytest

from localcloud.feed.catalog import Catalog
from localcloud.feed.server import RecordedFeed
from localcloud.feed.tape import Tape
from localcloud.feed.windows import RENEWALS

POLLED = {
    "prices": "/prices/current/coingecko:bitcoin,coingecko:ethereum?searchWidth=4h",
    "protocols": "/protocols",
    "chains": "/v2/chains",
    "stablecoins": "/stablecoins?includePrices=true",
    "yields": "/pools",
}
START = datetime(2021, 9, 6, 10, tzinfo=UTC)


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture(scope="module")
def tape():
    return Tape.load()


@pytest.fixture(scope="module")
def catalog():
    return Catalog.load()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make_feed(tape, catalog, clock):
    return lambda **options: RecordedFeed(
        **{"start": START, "clock": clock, "tape": tape, "catalog": catalog, **options}
    )


@pytest.fixture
async def feed(make_feed):
    feed = make_feed(speed=100)
    await feed.start()
    yield feed
    await feed.stop()


@pytest.fixture
async def http(feed):
    async with aiohttp.ClientSession(feed.url, auto_decompress=False, headers={"Accept-Encoding": "identity"}) as http:
        yield http


@pytest.mark.parametrize("kind", POLLED)
async def test_an_answer_does_not_change_within_its_window(http, clock, kind):
    """Byte for byte, whoever asks; the next window brings the next answer, with another ETag."""
    first = await http.get(POLLED[kind])
    body = await first.read()
    expires = parsedate_to_datetime(first.headers["Expires"])
    clock.seconds = (expires - START).total_seconds() / 100 - 0.05
    again = await http.get(POLLED[kind])
    assert (await again.read(), again.headers["ETag"]) == (body, first.headers["ETag"])
    assert again.headers["Cache-Control"] == "public, max-age=0"
    clock.seconds += 0.1
    later = await http.get(POLLED[kind])
    assert parsedate_to_datetime(later.headers["Expires"]) > expires
    assert (later.headers["ETag"] != first.headers["ETag"]) is (kind != "yields")  # none are recorded in 2021


async def test_the_clock_of_the_headers_is_the_tapes(http, clock):
    """Date and Expires run on the source's own clock; max-age counts the client's seconds."""
    clock.seconds = 3
    response = await http.get("/protocols")
    assert response.headers["Date"] == "Mon, 06 Sep 2021 10:05:00 GMT"
    assert response.headers["Expires"] == "Mon, 06 Sep 2021 10:20:00 GMT"
    assert response.headers["Cache-Control"] == "public, max-age=9"
    assert response.headers["Access-Control-Allow-Origin"] == "*"


@pytest.mark.parametrize(
    ("kind", "expires"),
    [
        ("prices", "10:15:20"),
        ("protocols", "10:20:00"),
        ("chains", "10:20:00"),
        ("stablecoins", "10:30:00"),
        ("yields", "10:22:00"),
    ],
)
def test_windows_end_where_defillamas_do(kind, expires):
    """Prices 20 s past five minutes, protocols at hh:20, chains after 10 minutes, stablecoins 30, yields at hh:22."""
    now = datetime(2021, 9, 6, 10, 10, 30, tzinfo=UTC).timestamp()
    assert f"{datetime.fromtimestamp(RENEWALS[kind].window(now).end, UTC):%H:%M:%S}" == expires


@pytest.mark.parametrize("known", ["{}", "W/{}", '"other", {}', "*"])
async def test_what_the_client_has_is_not_sent_again(http, known):
    """304 with no body and the same validators."""
    first = await http.get("/v2/chains")
    again = await http.get("/v2/chains", headers={"If-None-Match": known.format(first.headers["ETag"])})
    assert (again.status, await again.read(), again.headers["ETag"]) == (304, b"", first.headers["ETag"])
    assert "Expires" in again.headers


async def test_a_client_that_takes_gzip_gets_gzip(http):
    """The same answer, smaller, under an ETag of its own."""
    plain = await http.get("/protocols")
    packed = await http.get("/protocols", headers={"Accept-Encoding": "gzip, deflate"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(await packed.read()) == await plain.read()
    assert packed.headers["ETag"] != plain.headers["ETag"]


async def test_histories_are_served(http):
    """Coins and pools share the path /chart: a pool's id is a uuid."""
    for path in (
        "/protocol/aave",
        "/tvl/aave",
        "/v2/historicalChainTvl",
        "/v2/historicalChainTvl/BSC",
        "/chart/coingecko:bitcoin?span=3&period=1d",
        "/chart/bc33d1ea-f566-40eb-b0a8-8d8dcf425f18",
        "/stablecoincharts/all",
    ):
        response = await http.get(path)
        assert response.status == 200, path
        assert json.loads(await response.read()), path


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [
        ("/protocol/nothing", 400, '{"message": "Protocol is not in our database"}'),
        ("/v2/historicalChainTvl/nowhere", 404, "Not found"),
        ("/chart/nothing", 400, '"invalid configID!"'),
        ("/chart/00000000-0000-0000-0000-000000000000", 400, '"invalid configID!"'),
        ("/chart/coingecko:bitcoin?span=x", 400, '{"message": "Invalid parameters"}'),
        ("/nothing", 404, '{"message": "This endpoint doesn\'t exist"}'),
        ("/prices/current/base:0x1", 200, '{"coins":{}}'),
    ],
)
async def test_errors_are_as_unlike_each_other_as_defillamas(http, path, status, body):
    """A client must look at the status before it believes in JSON."""
    response = await http.get(path)
    assert (response.status, await response.text()) == (status, body)


async def test_a_failure_on_demand_comes_once(http, feed):
    """As often as asked for, of that feed only."""
    feed.fail_next("chains", status=429, retry_after=7, html=True)
    feed.fail_next("chains", status=502)
    refused, broken, healed = [await http.get("/v2/chains") for _ in range(3)]
    assert (refused.status, refused.headers["Retry-After"], refused.content_type) == (429, "7", "text/html")
    assert (broken.status, healed.status) == (502, 200)


async def test_a_shrunken_payload_can_be_had(http, feed):
    """A tenth of the chains, then all again."""
    whole = len(await (await http.get("/v2/chains")).json())
    feed.shrink("chains")
    feed.shrink("prices", keep=0.5)
    assert len(await (await http.get("/v2/chains")).json()) == whole // 10
    assert len((await (await http.get(POLLED["prices"])).json())["coins"]) == 1
    feed.shrink("chains", keep=1)
    assert len(await (await http.get("/v2/chains")).json()) == whole


async def test_the_tape_tells_of_itself(http):
    """Where it stands, how fast it runs, and that it interpolates."""
    about = await (await http.get("/_tape")).json()
    assert (about["now"], about["speed"], about["from"]) == ("2021-09-06T10:00:00Z", 100, "2021-09-06T10:00:00Z")
    assert about["series"] == {"prices": 212, "protocols": 99, "chains": 120, "stablecoins": 20, "yields": 260}
    assert about["at_start"] == {"prices": 206, "protocols": 18, "chains": 43, "stablecoins": 23, "yields": 0}
    assert "linear between recorded points" in about["interpolates"]


async def test_the_tape_stops_at_its_end(feed, clock, tape):
    """And does not turn back."""
    clock.seconds = 1e9
    assert feed.now().timestamp() == tape.last


def test_a_start_off_the_tape_is_refused(make_feed):
    """Before the first recorded point there is nothing to serve."""
    with pytest.raises(ValueError, match="nothing is recorded at 2001"):
        make_feed(start=datetime(2001, 1, 1))
    with pytest.raises(ValueError, match="speed"):
        make_feed(speed=0)


async def test_it_runs_alone_and_stops_without_a_trace():
    """The command prints its URL, serves, and ends well when told to."""
    command = (sys.executable, "-m", "localcloud.feed", "--from", "2022-05-07", "--speed", "1")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        line = (await asyncio.wait_for(process.stdout.readline(), 20)).decode()
        url = next(word for word in line.split() if word.startswith("http://"))
        async with aiohttp.ClientSession() as http, http.get(f"{url}/v2/chains") as response:
            chains = {chain["name"]: chain["tvl"] for chain in await response.json()}
        assert chains["Terra Classic"] == 28234271747
        process.send_signal(signal.SIGINT)
        assert await asyncio.wait_for(process.wait(), 10) == 0
    finally:
        if process.returncode is None:
            process.kill()
