"""How people get about on the page: keyboard, tabs, the chosen row, an order that does not jump."""

from __future__ import annotations

import pytest

from tests.e2e import chromium
from tests.e2e.fake_server import FakeServer
from tests.e2e.page.looking import Opener, expect, row, until

pytestmark = [pytest.mark.asyncio(loop_scope="module"), chromium.needed]

# When the first row's element came to be another one, and when that one's value had changed.
RISE = """() => {
  globalThis.risen = {};
  const rows = document.getElementById("rows");
  const riser = rows.lastElementChild;
  new MutationObserver((changes) => {
    if (riser.querySelector(".value").textContent.includes("70,000")) risen.shown ??= performance.now();
    if (rows.firstElementChild === riser) risen.sorted ??= performance.now();
  }).observe(rows, { childList: true, subtree: true, characterData: true });
}"""


async def test_everything_is_within_reach_of_the_keyboard(open_page: Opener) -> None:
    """Filter, selection, detail, tabs, sorting and help without a pointer."""
    page = await open_page()
    focused = "document.activeElement"
    await page.keyboard.press("/")
    await page.keyboard.type("eth")
    await expect(page.locator("#rows .row")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.locator("#rows .row")).to_have_count(2)
    await page.keyboard.press("Escape")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("ArrowUp")
    assert await page.evaluate(f"{focused}.dataset.topic") == "price:bitcoin"
    await page.keyboard.press("ArrowDown")
    await expect(row(page, "price:ethereum")).to_have_attribute("aria-selected", "true")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("region", name="Ethereum")).to_be_visible()
    await expect(page.locator("#detail-chart canvas")).to_have_count(1)
    await page.keyboard.press("Escape")
    await expect(page.locator("#detail")).to_be_hidden()
    assert await page.evaluate(f"{focused}.dataset.topic") == "price:ethereum"
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keyboard")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("tab", name="Prices").focus()
    await page.keyboard.press("ArrowRight")
    await expect(row(page, "tvl:chain:Terra-Classic").locator(".value")).to_have_text("$4.56 B")
    await page.get_by_role("columnheader", name="Topic").get_by_role("button").press("Enter")
    await expect(page.get_by_role("columnheader", name="Topic")).to_have_attribute("aria-sort", "ascending")


@pytest.mark.parametrize(
    ("slug", "label"),
    [
        ("prices", "Prices"),
        ("chain-tvl", "Chain TVL"),
        ("protocol-tvl", "Protocol TVL"),
        ("pegs", "Pegs"),
        ("yields", "Yields"),
        ("sources", "Sources"),
        ("nonsense", "Prices"),
    ],
)
async def test_a_link_opens_its_tab(open_page: Opener, server: FakeServer, slug: str, label: str) -> None:
    """The fragment names key and tab; a tab that does not exist is Prices."""
    page = await open_page(path=f"/#key=dk_secret&tab={slug}", rows=False)
    await expect(page.locator('#tabs [aria-selected="true"]')).to_contain_text(label)
    assert server.keys == ["dk_secret"]


async def test_the_open_tab_is_kept_in_the_fragment(open_page: Opener, server: FakeServer) -> None:
    """Switching writes it beside the key; a changed fragment switches without a new session."""
    page = await open_page(path="/#key=dk_secret")
    await page.get_by_role("tab", name="Chain TVL").click()
    await expect(row(page, "tvl:chain:Terra-Classic")).to_be_visible()
    assert await page.evaluate("location.hash") == "#key=dk_secret&tab=chain-tvl"
    await page.evaluate("location.hash = '#key=dk_secret&tab=pegs'")
    await expect(row(page, "peg:usd-coin")).to_be_visible()
    assert server.tokens == 1
    await page.reload()
    await expect(row(page, "peg:usd-coin")).to_be_visible()


async def test_an_empty_tab_says_whether_waiting_helps(open_page: Opener, server: FakeServer) -> None:
    """Live, values may still come; a recording is whole, and what it lacks it lacks."""
    page = await open_page(path="/#tab=yields", rows=False)
    await expect(page.locator("#empty")).to_have_text("Nothing published yet: values appear here as they come.")
    await server.publish("price:ethereum", "2500", source="recorded", observed_at="2021-05-19T14:00:00Z")
    await expect(page.locator("#empty")).to_have_text("The recording has no yields at this date (19 May 2021).")


async def test_another_tab_marks_no_row_that_nobody_chose(open_page: Opener, server: FakeServer) -> None:
    """Neither another tab nor a filter moves the mark of the open detail to a stranger; it is back with its row."""
    page = await open_page()
    await row(page, "price:ethereum").click()
    await page.get_by_role("tab", name="Chain TVL").click()
    await expect(row(page, "tvl:chain:Terra-Classic")).to_have_attribute("aria-selected", "false")
    await page.get_by_role("tab", name="Prices").click()
    await expect(row(page, "price:ethereum")).to_have_attribute("aria-selected", "true")
    await page.locator("#filter").fill("bitcoin")
    await expect(page.locator("#rows .row")).to_have_count(1)
    await expect(row(page, "price:bitcoin")).to_have_attribute("aria-selected", "false")


async def test_with_a_detail_open_the_rest_of_the_column_is_within_reach(open_page: Opener) -> None:
    """What does not fit is announced, and one click shows it."""
    page = await open_page(viewport={"width": 1280, "height": 900})
    await expect(page.locator("#cue")).to_be_hidden()
    await row(page, "price:ethereum").click()
    await page.get_by_role("button", name="More below").click()
    await expect(page.locator("#events")).to_be_in_viewport()
    await expect(page.get_by_role("button", name="Subscribe", exact=True)).to_be_in_viewport(ratio=1)
    await expect(page.locator("#cue")).to_be_hidden()


async def test_rows_are_in_order_at_once_but_never_move_underhand(open_page: Opener, server: FakeServer) -> None:
    """Within half a second, unless a row is pointed at or in focus by keyboard; then as soon as it is not."""
    page = await open_page()
    order = "[...document.querySelectorAll('#rows .row')].map(({ dataset }) => dataset.topic).join()"
    bitcoin_first, ethereum_first = "price:bitcoin,price:ethereum", "price:ethereum,price:bitcoin"
    assert await page.evaluate(order) == bitcoin_first
    await page.evaluate(RISE)
    await server.publish("price:ethereum", "70000")
    await until(page, f"{order} === '{ethereum_first}'")
    assert await page.evaluate("risen.sorted - risen.shown") < 600
    await row(page, "price:bitcoin").hover()
    await row(page, "price:ethereum").hover()
    await server.publish("price:ethereum", "50000")
    await expect(page.locator("#held")).to_be_visible()
    await server.publish("price:dai", "55000")
    await until(page, f"{order} === '{ethereum_first},price:dai'")
    await page.mouse.move(1200, 20)
    await until(page, f"{order} === 'price:bitcoin,price:dai,price:ethereum'")
    await page.keyboard.press("ArrowDown")
    await server.publish("price:ethereum", "80000")
    await expect(page.locator("#held")).to_be_visible()
    await page.keyboard.press("Escape")
    await until(page, f"{order} === '{ethereum_first},price:dai'")


async def test_as_few_rows_as_can_be_are_moved(open_page: Opener) -> None:
    """What stays is a longest increasing run: one row that falls moves alone."""
    page = await open_page()
    runs = await page.evaluate("""async () => {
      const { longestRun } = await import("/order.js");
      const cases = [[], [0, 1, 2], [1, 2, 3, 0], [3, 0, 1, 2], [2, -1, 0, -1, 1], [2, 1, 0]];
      return cases.map((places) => [...longestRun(places)].toSorted((a, b) => a - b));
    }""")
    assert runs == [[], [0, 1, 2], [0, 1, 2], [1, 2, 3], [2, 4], [2]]
