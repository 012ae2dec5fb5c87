"""What a socket may be sent, by mistake or in anger: a documented answer, and nobody else notices."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from localcloud.testing import LocalCloud, observation
from tests.e2e.watching import until_shown, watching

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOPIC = "price:ethereum"


def subscribe(**fields: Any) -> str:
    return json.dumps({"action": "subscribe", "id": 7, "topics": [TOPIC], **fields})


NOT_JSON = {
    "nothing but a space": " ",
    "a word": "subscribe",
    "half an object": '{"action":"ping"',
    "two objects": '{"action":"ping"}{"action":"ping"}',
    "a trailing comma": '{"action":"ping",}',
    "single quotes": "{'action':'ping'}",
    "NaN": '{"action":"ping","id":NaN}',
    "a lone surrogate": '{"action":"ping","id":"\\ud800"}',
    "a control character": '{"action":"pi\x00ng"}',
}
MALFORMED = {
    "deep lists": '{"action":' + "[" * 15_000,
    "deep objects": '{"action":"subscribe","topics":' + '{"a":' * 5_000 + "1" + "}" * 5_000 + "}",
}
UNKNOWN_ACTION = {
    "no action": "{}",
    "an action of ours with a capital": '{"action":"Ping"}',
    "a number for an action": '{"action":1}',
    "a list for an action": '{"action":["ping"]}',
    "null for an action": '{"action":null}',
    "a long action": json.dumps({"action": "x" * 30_000}),
}
WRONG_TYPE = {
    "a list": "[]",
    "a number": "1",
    "null": "null",
    "a giant number": "9" * 30_000,
    "a number beyond floats": "1e999",
    "topics as a text": subscribe(topics=TOPIC),
    "topics as numbers": subscribe(topics=[1, 2]),
    "no topics": '{"action":"subscribe","id":7}',
    "a rate of ours no more": subscribe(rate="2s"),
    "a rate as a number": subscribe(rate=5),
    "a filter as a text": subscribe(filter="all"),
    "an unknown filter": subscribe(filter={"min_change": 1}),
    "since as a list": subscribe(since=[1]),
    "a giant offset": subscribe(since={TOPIC: {"epoch": "e", "offset": int("9" * 400)}}),
    "an offset beyond floats": subscribe(since={TOPIC: {"epoch": "e", "offset": 0}}).replace("0}", "1e400}"),
    "an offset below zero": subscribe(since={TOPIC: {"epoch": "e", "offset": -1}}),
    "an id that is an object": '{"action":"ping","id":{}}',
    "an id that is too long": json.dumps({"action": "ping", "id": "x" * 37}),
    "an id that is a giant": '{"action":"ping","id":' + "9" * 400 + "}",
    "an id that is a float": '{"action":"ping","id":1.5}',
}
REFUSED = {
    2000: {"no topic in the list": subscribe(topics=[])},
    2001: {"more topics than a command takes": subscribe(topics=[f"price:{n:04}" for n in range(2001)])},
    2002: {
        "a rung that is none": subscribe(filter={"min_change_pct": "3"}),
        "a rung beyond floats": '{"action":"subscribe","topics":["price:ethereum"],"filter":{"min_change_pct":1e308}}',
        "names that could break a key": subscribe(filter={"chains": ["a|b"]}),
    },
    2003: {
        "a topic that does not exist": subscribe(topics=["prize:eth"]),
        "an empty topic": subscribe(topics=[""]),
        "a lonely star": subscribe(topics=["*"]),
        "a topic with a line break": subscribe(topics=["price:eth\nereum"]),
        "a topic in another script": subscribe(topics=["price:эфир"]),
        "a topic of emoji": subscribe(topics=["price:🚀"]),
        "a topic with a null": subscribe(topics=["price:eth\x00"]),
        "a topic of 20,000 characters": subscribe(topics=["price:" + "x" * 20_000]),
        "a path": subscribe(topics=["price:../../etc/passwd\\"]),
    },
    2004: {"somebody else's alerts": subscribe(topics=["alerts:somebody"])},
}
CASES = [
    *((text, {1001}, f"1001 {name}") for name, text in NOT_JSON.items()),
    *((text, {1000}, f"1000 {name}") for name, text in MALFORMED.items()),
    *((text, {1003}, f"1003 {name}") for name, text in UNKNOWN_ACTION.items()),
    *((text, {1001, 1004}, f"1004 {name}") for name, text in WRONG_TYPE.items()),
    *((text, {code}, f"{code} {name}") for code, cases in REFUSED.items() for name, text in cases.items()),
]


@asynccontextmanager
async def socket(cloud: LocalCloud) -> AsyncIterator[ClientConnection]:
    async with connect(cloud.ws_url, additional_headers={"x-api-key": cloud.key}, max_size=None) as opened:
        yield opened


async def answer(opened: ClientConnection) -> dict[str, Any]:
    """The next reply; updates may come between."""
    async with asyncio.timeout(15):
        while True:
            frame: dict[str, Any] = json.loads(await opened.recv())
            assert frame.get("type") in ("reply", "updates"), frame  # never API Gateway's own message
            if frame["type"] == "reply":
                return frame


def is_clean(reply: dict[str, Any]) -> bool:
    """Nothing of our inside shows."""
    text = json.dumps(reply)
    return not any(word in text for word in ("Traceback", "File ", "Internal", "Exception", "redis", "msgspec", "Lua"))


@pytest.mark.parametrize(("text", "codes"), [case[:2] for case in CASES], ids=[case[2] for case in CASES])
async def test_a_bad_command_gets_its_documented_code(cloud, text, codes):
    async with socket(cloud) as opened:
        await opened.send(text)
        reply = await answer(opened)
        assert reply["ok"] is False
        assert reply["error"]["code"] in codes, reply
        assert reply["error"]["temporary"] is False
        assert len(reply["error"]["message"]) < 500
        assert is_clean(reply)
        await opened.send('{"action":"ping","id":"still here"}')
        assert (await answer(opened))["id"] == "still here"


async def test_ten_thousand_topics_are_refused_and_the_socket_lives(cloud):
    """In commands as large as a frame may be; what the tier allows is taken, the rest is listed as rejected."""
    async with socket(cloud) as opened:
        taken, codes = 0, set()
        for part in range(0, 10_000, 1000):
            await opened.send(subscribe(topics=[f"price:x:{number:04}" for number in range(part, part + 1000)]))
            reply = await answer(opened)
            if reply["ok"]:
                taken += len(reply["result"]["topics"])
                codes |= {rejected["code"] for rejected in reply["result"]["rejected"]}
            else:
                codes.add(reply["error"]["code"])
            assert is_clean(reply)
        assert taken <= 5000  # the enterprise tier's
        assert codes <= {2001, 2003}
        assert codes
        await opened.send('{"action":"unsubscribe","id":8,"topics":["*"]}')
        assert (await answer(opened))["ok"]


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("x" * 200_000, 1009),
        (json.dumps({"action": "subscribe", "topics": ["x" * 200_000]}), 1009),
        ("ü" * 40_000, 1009),
        (b'{"action":"ping"}', 1003),
        (b"\xff\xfe\x00", 1003),
    ],
    ids=["200 KB", "200 KB of JSON", "too many bytes, not characters", "a binary frame", "a binary frame of nonsense"],
)
async def test_what_the_gateway_does_not_take_closes_the_socket_with_its_code(cloud, message, code):
    """API Gateway's own limits: 32 KB a frame, 128 KB a message, text only."""
    async with socket(cloud) as opened:
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012 - the close may be noticed by either
            await opened.send(message)
            async with asyncio.timeout(15):
                while True:
                    await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code


async def test_a_text_frame_that_is_no_text_closes_the_socket(cloud):
    async with socket(cloud) as opened:
        await opened.send(b'{"action":"\xed\xa0\x80"}', text=True)  # a surrogate, which UTF-8 does not have
        with pytest.raises(ConnectionClosed) as closed:
            async with asyncio.timeout(15):
                await opened.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1007


async def test_commands_beyond_the_rate_are_told_when_to_come_again(cloud):
    async with socket(cloud) as opened:
        for _ in range(260):
            await opened.send('{"action":"ping"}')
        replies = [await answer(opened) for _ in range(260)]
    refused = [reply["error"] for reply in replies if not reply["ok"]]
    assert {error["code"] for error in refused} <= {3001}
    assert all(error["temporary"] and error["retry_after"] > 0 for error in refused)


async def test_another_client_keeps_getting_its_updates_meanwhile(cloud):
    """Every kind of bad input at once, on sockets beside it."""
    texts = [case[0] for case in CASES]

    async def misbehave(opened: ClientConnection) -> None:
        for text in texts:
            await opened.send(text)
            await answer(opened)

    async with watching(cloud, TOPIC) as watcher, socket(cloud) as first, socket(cloud) as second:
        misbehaving = asyncio.gather(misbehave(first), misbehave(second))
        values = []
        while not misbehaving.done() or len(values) < 3:
            values.append(Decimal(3000 + 10 * len(values)))
            await cloud.publish([observation(TOPIC, values[-1], datetime.now(UTC))])
            await until_shown([watcher], {TOPIC: values[-1]}, within_s=10)
        await misbehaving
        live = [update.value for update in watcher.updates if not update.snapshot]
        assert live[-len(values) :] == values
        assert watcher.stream.stats.gaps == watcher.stream.stats.malformed == 0
