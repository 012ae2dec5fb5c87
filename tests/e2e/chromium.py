"""Debian's Chromium for the tests of the page, and what they record in it."""

from __future__ import annotations

import os
import shutil

import pytest

PATH = shutil.which("chromium")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
# CI sets REQUIRE_BROWSER: there a missing browser is a failure, not a reason to skip.
needed = pytest.mark.skipif(
    PATH is None and not os.environ.get("REQUIRE_BROWSER"), reason="Chromium is not installed (apt install chromium)"
)

# Everything that the stream accepted, by topic, as [epoch, offset, replayed], from before the page's own scripts run.
RECORDER = """
addEventListener("load", () => {
  globalThis.accepted = {};
  globalThis.gaps = [];
  defiStream.stream.addEventListener("updates", ({ detail }) => {
    for (const { update, replayed } of detail.items) {
      (accepted[update.topic] ??= []).push([update.epoch, update.offset, replayed]);
    }
  });
  defiStream.stream.addEventListener("gap", ({ detail }) => gaps.push(detail.status));
});
"""
