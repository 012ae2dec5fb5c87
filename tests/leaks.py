"""Reads everything that the tests wrote or logged, and fails the test whose output holds something secret.

Looked at: standard output and error, what a test read of them itself, log lines captured as objects (before anything is
blotted out of them), and what the handlers' processes wrote. A test that shows a key on purpose says so with the marker
``shows_a_secret``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from structlog.testing import LogCapture

from chalicelib.telemetry.redaction import SHAPES
from localcloud.runtime import Runtime

SECRET = re.compile("|".join(SHAPES.values()))


class Collected:
    """What was written since the last look; one for the whole run."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def add(self, text: object) -> None:
        self._texts.append(str(text))

    def take_leaks(self, more: str = "") -> list[str]:
        """The surroundings of each secret, itself cut short."""
        texts, self._texts = [*self._texts, more], []
        found = [(text, match) for text in texts for match in SECRET.finditer(text)]
        return [f"…{text[max(0, hit.start() - 80) : hit.start() + 8]}…" for text, hit in found]


collected = Collected()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[Any]:
    report = yield
    if report.when == "teardown":
        leaks = collected.take_leaks("\n".join(text for _, text in report.sections))
        if leaks and not item.get_closest_marker("shows_a_secret"):
            report.outcome = "failed"
            report.longrepr = "something secret was logged or printed:\n" + "\n".join(leaks)
    return report


def _tee() -> None:
    """Also read what does not end up in a report: consumed, captured as objects, or another process's."""
    read, capture, start = pytest.CaptureFixture.readouterr, LogCapture.__call__, Runtime.__init__

    def readouterr(self: Any) -> Any:
        result = read(self)
        collected.add(result.out)
        collected.add(result.err)
        return result

    def captured(self: Any, logger: Any, method: str, event: Any) -> Any:
        collected.add(event)
        return capture(self, logger, method, event)

    def started(self: Any, *args: Any, on_log: Any = None, **options: Any) -> None:
        def heard(function: str, line: str) -> None:
            collected.add(line)
            if on_log is not None:
                on_log(function, line)

        start(self, *args, on_log=heard, **options)

    pytest.CaptureFixture.readouterr = readouterr  # type: ignore[method-assign]
    LogCapture.__call__ = captured  # type: ignore[method-assign]
    Runtime.__init__ = started  # type: ignore[method-assign]


_tee()
