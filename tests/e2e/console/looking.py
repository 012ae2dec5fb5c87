"""What is looked for on the console, how it is waited for, and what is measured to be seen there."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from localcloud.testing import LocalCloud

STAGE = {"Stage": "local"}
MINUTE = timedelta(minutes=1)

Open = Callable[..., Awaitable[Any]]

# A widget by the beginning of its title; the [r, g, b, a] that covers most where its line is at a time; how many
# pixels of a limit's colour there are at a value; where the widget is of that title that is nearest to a place.
TOOLS = """
globalThis.widget = (title) => [...document.querySelectorAll(".widget")]
  .find((node) => node.querySelector("h3")?.textContent.startsWith(title));
globalThis.plotOf = (title) => widget(title)?.querySelector(".plot")?.plot;
globalThis.painted = (title, series, time) => {
  const plot = plotOf(title);
  const at = plot.data[0].indexOf(time);
  const scale = plot.series[series].scale;
  const [x, y] = [plot.valToPos(time, "x", true), plot.valToPos(plot.data[series][at], scale, true)];
  const near = plot.ctx.getImageData(Math.round(x) - 2, Math.round(y) - 2, 5, 5).data;
  const pixels = [...Array(near.length / 4).keys()].map((pixel) => [...near.slice(pixel * 4, pixel * 4 + 4)]);
  return pixels.reduce((best, pixel) => (pixel[3] > best[3] ? pixel : best));
};
globalThis.redIn = (title, value) => {
  const { ctx, bbox, valToPos } = plotOf(title);
  const row = ctx.getImageData(bbox.left, Math.round(valToPos(value, "y", true)) - 1, bbox.width, 3).data;
  const isRed = (i) => row[i] > 180 && row[i + 1] < 90 && row[i + 3] > 100;
  return [...Array(row.length / 4).keys()].filter((pixel) => isRed(pixel * 4)).length;
};
globalThis.boxNear = (title, x, y) => {
  const away = (box) => Math.hypot(box.x - x, box.y - y);
  const boxes = [...document.querySelectorAll(".widget")]
    .filter((node) => node.querySelector("h3").textContent === title)
    .map((node) => node.getBoundingClientRect());
  const [box] = boxes.sort((a, b) => away(a) - away(b));
  return [box.x, box.y, box.width, box.height];
};
"""


async def until(page: Any, expression: str) -> None:
    async with asyncio.timeout(30):
        while not await page.evaluate(f"Boolean({expression})"):  # noqa: ASYNC110 (the browser has no event for it)
            await asyncio.sleep(0.05)


def minutes_ago(minutes: int) -> datetime:
    return datetime.now(UTC).replace(second=0, microsecond=0) - minutes * MINUTE


def put(cloud: LocalCloud, name: str, at: datetime, *values: float) -> None:
    cloud.monitor.store.put("DefiStream", name, STAGE, at, values)
