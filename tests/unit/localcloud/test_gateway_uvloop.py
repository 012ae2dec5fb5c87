"""Every behaviour of the gateway holds on uvloop too, which is what runs it."""

import asyncio
import inspect

import pytest
import uvloop

from tests.unit.localcloud import test_gateway_management, test_gateway_rest, test_gateway_websocket

MODULES = (test_gateway_websocket, test_gateway_management, test_gateway_rest)
SCENARIOS = [
    pytest.param(function, id=f"{module.__name__.rpartition('.')[2]}-{name}")
    for module in MODULES
    for name, function in vars(module).items()
    if name.startswith("test_") and inspect.iscoroutinefunction(function) and not inspect.signature(function).parameters
]


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_on_uvloop(scenario):
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(scenario())
