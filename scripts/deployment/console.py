"""Progress for a person, a line for each step; with ``--json`` on the error output, to leave the other to a program."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from typing import TextIO

from scripts.deployment.stack import STACK_TYPE, StackEvent


class Console:
    """``stand_ins`` are types that the account only pretends to make; they are marked."""

    def __init__(
        self, *, json: bool = False, verbose: bool = False, stand_ins: Collection[str] = (), out: TextIO | None = None
    ) -> None:
        self._out = out or (sys.stderr if json else sys.stdout)
        self._verbose = verbose
        self._stand_ins = stand_ins
        self._rewrites = self._out.isatty() and not verbose
        self._started = time.monotonic()
        self._done = 0
        self.asks = self._out.isatty() and sys.stdin.isatty()

    def step(self, text: str) -> None:
        self._print(f"{self._clear()}  {time.monotonic() - self._started:6.1f} s  {text}")

    def title(self, text: str) -> None:
        self._print(f"{self._clear()}\n{text}")

    def line(self, text: str) -> None:
        self._print(f"{self._clear()}  {text}")

    def event(self, event: StackEvent) -> None:
        """A resource of the stack: every one with ``verbose``, else those that failed and a count."""
        note = "  (stand-in)" if event.type in self._stand_ins else ""
        if event.status.endswith("_FAILED") or event.type == STACK_TYPE:
            self.step(f"{event.status} {event.type} {event.logical_id}{f': {event.reason}' if event.reason else ''}")
        elif event.status.endswith("_COMPLETE"):
            self._done += 1
            if self._verbose:
                self.step(f"{event.status} {event.type} {event.logical_id}{note}")
            elif self._rewrites:
                text = f"{self._clear()}  {self._done} resources: {event.logical_id}{note}"
                print(text[:100], end="", flush=True, file=self._out)
            elif self._done % 50 == 0:
                self.step(f"{self._done} resources")

    def agrees(self, question: str) -> bool:
        """Yes if nobody is there to be asked."""
        if not self.asks:
            return True
        print(f"{self._clear()}\n{question} [y/N] ", end="", flush=True, file=self._out)
        return sys.stdin.readline().strip().lower() in ("y", "yes")

    def _clear(self) -> str:
        return "\r\033[K" if self._rewrites else ""

    def _print(self, text: str) -> None:
        print(text, flush=True, file=self._out)
