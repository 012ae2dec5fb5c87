/** The tabs by kind, and the rate and filter of the kind that is shown. */
import { byId, element, fillOptions, setText } from "./dom.js";
import { formatDay, TABS } from "./format.js";
import { keep, readFragment } from "./fragment.js";
import { CHANGE_OPTIONS, rateOptions } from "./panels.js";

const SORTS = { feed: { key: "name", ascending: true }, peg: { key: "name", ascending: true } };
const BY_VALUE = { key: "value", ascending: false };
const ANSWER_MS = 1500; // so long after a kind was opened, what it has would have come
const bySlug = (slug) => TABS.find((tab) => tab.slug === slug) ?? TABS[0];

export function bindTabs({ stream, market, table }) {
  const list = byId("tabs");
  const buttons = new Map(TABS.map((tab) => [tab.id, button(tab)]));
  const [rate, change] = [byId("tab-rate"), byId("tab-change")];
  fillOptions(change, CHANGE_OPTIONS);
  list.append(...buttons.values());
  let shown = bySlug(readFragment().tab);
  let shownAt = 0;

  function button({ id, label }) {
    const node = element("button", { type: "button", id: `tab-${id}` }, label, " ", element("span", { className: "badge" }));
    node.setAttribute("role", "tab");
    node.setAttribute("aria-controls", "board-panel");
    node.addEventListener("click", () => choose(id));
    return node;
  }

  function choose(id) {
    show(id);
    keep({ tab: shown.slug });
  }

  function show(id) {
    shown = TABS.find((tab) => tab.id === id);
    shownAt = Date.now();
    for (const [other, node] of buttons) {
      node.setAttribute("aria-selected", String(other === id));
      node.tabIndex = other === id ? 0 : -1;
    }
    byId("board-panel").setAttribute("aria-labelledby", `tab-${id}`);
    byId("board-panel").scrollTop = 0;
    table.set({ tab: id, sort: SORTS[id] ?? BY_VALUE });
    paintTools();
    if (id === "yield") visitYields();
  }

  /** Thousands of pools: they are subscribed to when somebody wants to see them. */
  function visitYields() {
    if (stream.visitedYields || !stream.begun) return; // if not yet begun, the first session comes back to it
    stream.visitedYields = true;
    if (!stream.subscriptions.has("yield:*")) stream.subscribe(["yield:*"], { rate: "fastest" });
  }

  function paintTools() {
    const wanted = stream.subscriptions.get(shown.wildcard);
    rate.disabled = change.disabled = !wanted;
    if (wanted) {
      rate.value = stream.effective(wanted).rate;
      change.value = wanted.minChangePct ?? "";
    }
    paintEmpty();
  }

  function paintEmpty() {
    const subscribed = [...stream.subscriptions.keys()].some((pattern) => pattern.startsWith(shown.prefix));
    const empty = byId("empty");
    empty.hidden = table.listed > 0;
    if (empty.hidden) return;
    if (table.filter) return setText(empty, `Nothing here matches “${table.filter}”.`);
    if (subscribed || !stream.begun) return setText(empty, stream.begun ? whyEmpty() : "Connecting…");
    if (empty.querySelector("button")?.textContent.endsWith(` ${shown.wildcard}`)) return; // it may have the focus
    const subscribe = element("button", { type: "button", className: "button primary" }, `Subscribe to ${shown.wildcard}`);
    subscribe.addEventListener("click", () => stream.subscribe([shown.wildcard], { rate: "fastest" }));
    empty.replaceChildren(element("p", {}, `You are not subscribed to any ${shown.noun}.`), subscribe);
  }

  /** A recording is whole before it is played: what it lacks on a day will not come by waiting. */
  function whyEmpty() {
    if (Date.now() - shownAt < ANSWER_MS) return "Asking for values…";
    if (market.tapeAt === null) return "Nothing published yet: values appear here as they come.";
    return `The recording has no ${shown.noun} at this date (${formatDay(market.tapeAt)}).`;
  }

  function paintCounts() {
    const counts = Object.fromEntries(TABS.map(({ id }) => [id, 0]));
    for (const row of market.rows.values()) counts[row.tab] += 1;
    for (const [id, node] of buttons) setText(node.lastChild, counts[id] ? String(counts[id]) : "");
  }

  function apply() {
    stream.subscribe([shown.wildcard], { rate: rate.value, minChangePct: change.value || null });
  }

  list.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(shown) + step + TABS.length) % TABS.length];
    choose(next.id);
    buttons.get(next.id).focus();
    event.preventDefault();
  });
  rate.addEventListener("change", apply);
  change.addEventListener("change", apply);
  stream.addEventListener("subscriptions", paintTools);
  table.onCount = paintEmpty;
  setInterval(() => {
    paintCounts();
    paintEmpty();
  }, 1000);
  show(shown.id);

  return {
    /** The fragment was changed by hand. */
    follow() {
      show(bySlug(readFragment().tab).id);
    },

    session(session) {
      fillOptions(rate, rateOptions(session));
      if (shown.id === "yield") visitYields();
      paintTools();
    },
  };
}
