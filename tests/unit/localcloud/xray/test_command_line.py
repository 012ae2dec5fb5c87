"""python -m localcloud.xray: traces as text, asked of a daemon that runs."""

import asyncio
import json

import pytest

from localcloud.processes import free_port
from localcloud.xray.__main__ import main
from localcloud.xray.daemon import Daemon
from tests.unit.localcloud.xray.made import a_changes_way, store_of, trace_id


@pytest.fixture
async def port():
    daemon = Daemon(store=store_of(a_changes_way()))
    await daemon.start()
    yield str(daemon.port)
    await daemon.stop()


@pytest.mark.parametrize(
    "order",
    [("journey", "ID", "--port", "PORT"), ("journey", "--port", "PORT", "ID"), ("--port", "PORT", "journey", "ID")],
)
async def test_an_id_may_stand_before_and_behind_the_options(port, order, capsys):
    words = [{"ID": trace_id(2), "PORT": port}.get(word, word) for word in order]
    assert await asyncio.to_thread(main, words) == 0
    said = capsys.readouterr().out
    assert all(name in said for name in ("poll", "process", "deliver", "waited 13.0 ms"))


async def test_without_an_id_the_newest_delivery_is_followed(port, capsys):
    assert await asyncio.to_thread(main, ["journey", "--port", port, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [trace["name"] for trace in told["traces"]] == ["poll", "process", "deliver"]


async def test_what_is_not_there_is_said_in_a_line(port, capsys):
    assert await asyncio.to_thread(main, ["trace", trace_id(99), "--port", port]) == 1
    assert f"there is no trace/{trace_id(99)}" in capsys.readouterr().err


def test_without_a_localcloud_it_asks_whether_one_runs(capsys):
    assert main(["--port", str(free_port())]) == 1
    assert "is localcloud running?" in capsys.readouterr().err
