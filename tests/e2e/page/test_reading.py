"""What people read off the page: where data is from and how old, ids, dates, on any screen and in any light."""

from __future__ import annotations

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

# What is written on canvases from now on: the text, where it ends and how wide the canvas is.
LABELS = """() => {
  globalThis.labels = [];
  const write = CanvasRenderingContext2D.prototype.fillText;
  CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
    const { e } = this.getTransform();
    const width = this.measureText(text).width;
    const right = { right: 0, center: width / 2, left: width, start: width, end: 0 }[this.textAlign];
    labels.push([text, x + e + right, this.canvas.width]);
    write.call(this, text, x, y);
  };
}"""

CONTRAST = """() => {
  const canvas = document.createElement("canvas").getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const light = (name) => {
    canvas.fillStyle = style.getPropertyValue(`--${name}`).trim();
    canvas.fillRect(0, 0, 1, 1);
    const part = (c) => ((c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    const [r, g, b] = canvas.getImageData(0, 0, 1, 1).data;
    return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const pairs = [
    ["text", "surface"], ["text", "hover"], ["text", "accent-tint"], ["muted", "surface"], ["muted", "raised"],
    ["muted", "hover"], ["muted", "accent-tint"], ["up", "surface"], ["up", "up-tint"],
    ["up", "hover"], ["up", "accent-tint"], ["down", "surface"], ["down", "down-tint"], ["down", "hover"],
    ["down", "accent-tint"], ["warn", "warn-tint"], ["on-accent", "accent"], ["flat", "surface"], ["flat", "hover"],
  ];
  return Math.min(...pairs.map(([a, b]) => ratio(a, b)));
}"""


async def test_recorded_data_is_never_mistaken_for_live(open_page: Opener, server: FakeServer) -> None:
    """A banner tells the recorded time; interpolated values carry a mark that explains itself."""
    recorded = {"source": "recorded-interpolated", "observed_at": "2021-05-19T14:00:00Z"}
    page = await open_page()
    await expect(page.locator("#tape")).to_be_hidden()
    await server.publish("price:ethereum", "2500", **recorded)
    await expect(page.locator("#tape")).to_have_text(
        "Replaying recorded data: 19 May 2021 14:00 UTC. Values marked ~ are interpolated between recorded points."
    )
    await expect(row(page, "price:ethereum").locator(".value")).to_have_text("~$2,500.00")
    await expect(row(page, "price:ethereum").locator(".value")).to_have_attribute(
        "title", "Interpolated between two recorded points"
    )


async def test_an_id_is_shown_shortened_and_once(open_page: Opener, server: FakeServer) -> None:
    """A pool has no name that could be known here: its id stands in the row once, and in full in the detail."""
    pool = "747c1d2a-c668-4682-b9f9-296708a3dd90"
    server.create({f"yield:{pool}": "3.41"})
    page = await open_page(path="/#tab=yields")
    await expect(row(page, f"yield:{pool}").locator(".name")).to_have_text("747c1d2a-c668-…08a3dd90yield")
    await row(page, f"yield:{pool}").click()
    await expect(page.locator("#detail-name")).to_have_text("Yield pool")
    await expect(page.locator("#detail-topic")).to_have_text(f"yield:{pool}")


async def test_a_source_says_how_old_its_data_was(open_page: Opener, server: FakeServer) -> None:
    """An age at the time of measuring, in words that do not contradict the age of the update."""
    server.create({"feed:prices": "12"})
    page = await open_page(path="/#tab=sources")
    await expect(row(page, "feed:prices").locator(".value")).to_have_text("was 12 s old")
    await expect(page.get_by_role("columnheader", name="Newest data")).to_be_visible()
    await page.get_by_role("tab", name="Prices").click()
    await expect(page.get_by_role("columnheader", name="Value")).to_be_visible()


async def test_a_recorded_chart_has_the_dates_of_the_recording(open_page: Opener, server: FakeServer) -> None:
    """Its axis is the recorded time in UTC, whole at the right edge, and a rewound tape starts the line afresh."""
    page = await open_page(timezone_id="Asia/Tokyo")
    await page.evaluate(LABELS)
    for hour in range(20, 24):
        seen = f"2021-05-19T{hour}:30:00Z"
        await server.publish("price:ethereum", f"{2500 + hour}", source="recorded", observed_at=seen)
    await server.publish("price:ethereum", "2600", source="recorded", observed_at="2021-05-20T00:30:00Z")
    await row(page, "price:ethereum").click()
    await expect(page.locator("#detail-axes")).to_have_text(
        "Time of the recording, in UTC. The upright scale does not start at zero."
    )
    await until(page, "labels.some(([text]) => text === '20 May')")
    labels = await page.evaluate("labels")
    assert {"19 May", "20 May", "22:00", "00:00"} <= {text for text, _, _ in labels}
    assert [text for text, right, width in labels if right > width] == []
    await server.publish("price:ethereum", "2400", source="recorded", observed_at="2021-05-01T00:00:00Z")
    await until(page, "defiStream.market.rows.get('price:ethereum').series.times.length === 1")


async def test_a_live_chart_has_the_readers_time(open_page: Opener, server: FakeServer) -> None:
    page = await open_page()
    await server.publish("price:ethereum", "3001")
    await row(page, "price:ethereum").click()
    await expect(page.locator("#detail-axes")).to_contain_text("Your time.")
    assert (
        await page.evaluate("Date.now() / 1000 - defiStream.market.rows.get('price:ethereum').series.times.at(-1)") < 60
    )


@pytest.mark.parametrize("width", [360, 390, 768])
async def test_a_phone_needs_no_sideways_scrolling(open_page: Opener, server: FakeServer, width: int) -> None:
    """Long names, a long address and the detail sheet all fit."""
    server.create({"price:base:0x833589fcd6edb6e08f4c7c32d4f71b54bda02913": "123456.78"})
    page = await open_page(viewport={"width": width, "height": 740}, is_mobile=True, has_touch=True)
    await row(page, "price:ethereum").tap()
    await expect(page.locator("#detail")).to_be_in_viewport()
    assert await page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = """[...document.querySelectorAll('.top *, .row *, aside *')]
      .filter((node) => node.checkVisibility() && node.getBoundingClientRect().right > innerWidth + 1)
      .map((node) => node.outerHTML)"""
    assert await page.evaluate(overflowing) == []
    await page.locator("#detail-close").tap()
    await expect(page.locator("#detail")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_text_stands_out_in_both_themes(open_page: Opener, scheme: str) -> None:
    """The system's choice is followed, a click changes and keeps it, and text has a contrast of 4.5:1 at least."""
    page = await open_page(color_scheme=scheme)
    assert await page.evaluate("theme.current") == scheme
    assert await page.evaluate(CONTRAST) >= 4.5
    await page.locator("#theme").click()
    await page.reload()
    await page.wait_for_selector("#rows .row")
    assert await page.evaluate("theme.current") != scheme
