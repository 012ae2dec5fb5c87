"""X-Ray is loaded only where an invocation is traced."""

import subprocess
import sys

import pytest

PROGRAM = """
import sys
from chalicelib.telemetry import tracing
with tracing.subsegment("redis sequence"):
    pass
print("aws_xray_sdk" in sys.modules)
"""


@pytest.mark.parametrize(
    ("trace", "loaded"), [("Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=0", "False"), ("", "False")]
)
def test_an_invocation_that_is_not_traced_does_not_pay_for_the_sdk(trace, loaded):
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={"_X_AMZN_TRACE_ID": trace}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == loaded


def test_a_traced_invocation_times_its_parts():
    program = """
import os
from aws_xray_sdk.core import xray_recorder
from chalicelib.telemetry import tracing
xray_recorder.configure(context_missing="RUNTIME_ERROR")
sent = []
xray_recorder.emitter.send_entity = sent.append
xray_recorder.begin_segment("invocation")
with tracing.subsegment("redis sequence"):
    pass
segment = xray_recorder.current_segment()
xray_recorder.end_segment()
print([part.name for part in segment.subsegments], len(sent))
"""
    trace = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=3995c3f42cd8ad8;Sampled=1"
    ended = subprocess.run(
        [sys.executable, "-c", program], env={"_X_AMZN_TRACE_ID": trace}, capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "['redis sequence'] 1"
