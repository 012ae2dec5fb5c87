/**
 * The live table. Guarantees: at most one pass over the document per animation frame; a row keeps its element for as
 * long as it is listed; rows sorted by figures are in order within RESORT_MS, except that none moves while somebody
 * points at one or moves among them by keyboard.
 */
import { byId, element, everyFrame, setText } from "./dom.js";
import { Hold } from "./hold.js";
import { keepPlaces, longestRun } from "./order.js";
import { RowView } from "./row.js";

// Rows listed at first: on a narrow page the panels lie below the table and must stay within reach.
const PAGE = matchMedia("(max-width: 900px)").matches ? 40 : 200;
const RESORT_MS = 400;
const COLUMNS = [
  ["name", "Topic", true],
  ["value", "Value", true],
  ["change", "Change", true],
  ["spark", "Trend", false],
  ["age", "Age", true],
  ["delay", "Delay", false],
];
const SOURCE_LABELS = { value: "Newest data", age: "Changed" }; // a source's value is an age itself
const KEYS = {
  name: (row) => row.name.toLowerCase(),
  value: (row) => row.value,
  change: (row) => row.change ?? -Infinity,
  age: (row) => row.publishedAt,
};

export class Table {
  #views = new Map();
  #dirty = new Set();
  #known = new Set(); // every row of this tab when it was last arranged, listed or not
  #order = [];
  #sortedAt = 0;
  #stale = true; // the set of listed rows may differ from what is shown
  #unsorted = false; // figures have changed since rows were last put in order
  #asked = true; // somebody asked for this view: rows go to their places whoever points at them
  #later = null;
  #opened = null; // the topic whose detail is open

  /** `onOpen(row)` when a row is opened; `onShown(view, now)` when an update has reached the document; `onAlert(topic)`. */
  constructor(market, { onOpen, onShown, onAlert }) {
    Object.assign(this, { market, onOpen, onShown, onAlert });
    Object.assign(this, { tab: "price", filter: "", sort: { key: "value", ascending: false }, limit: PAGE, selected: null, chosen: false });
    this.body = byId("rows");
    this.heads = this.#drawHeads();
    this.schedule = everyFrame(() => this.#frame());
    this.hold = new Hold(this.body, this.schedule);
    this.seen = new IntersectionObserver((entries) => this.#looked(entries), { rootMargin: "80px" });
    this.body.addEventListener("click", (event) => this.#clicked(event));
    byId("more").addEventListener("click", () => this.set({ limit: this.limit + PAGE }));
    setInterval(() => this.#tick(), 1000);
  }

  /** Change what is listed: any of tab, filter, sort, limit. */
  set(changes) {
    if (changes.tab && changes.tab !== this.tab) this.limit = PAGE;
    Object.assign(this, changes);
    this.#markHeads();
    this.#stale = this.#asked = true;
    this.schedule();
  }

  changed(rows) {
    for (const row of rows) {
      this.#dirty.add(row);
      if (row.tab !== this.tab) continue;
      this.#unsorted = true;
      if (!this.#known.has(row)) this.#stale = true;
    }
    this.schedule();
  }

  /** Topics were unsubscribed. */
  refresh() {
    this.set({});
  }

  redraw() {
    for (const view of this.#views.values()) view.redraw();
  }

  /** Select the row `step` further down, or the one at `index`; keeps it in view. */
  move({ step = 0, index = null }) {
    if (!this.#order.length) return;
    const now = this.#order.findIndex((row) => row.topic === this.selected);
    const wanted = index ?? (now < 0 ? 0 : now + step);
    this.select(this.#order.at(Math.max(-1, Math.min(wanted, this.#order.length - 1))) ?? this.#order[0]);
  }

  select(row, focus = true) {
    const before = this.#views.get(this.selected);
    this.selected = row.topic;
    this.chosen ||= focus;
    const view = this.#views.get(row.topic);
    this.#mark(before, false);
    this.#mark(view, true);
    if (!focus) return;
    view?.node.focus({ preventScroll: true });
    view?.node.scrollIntoView({ block: "nearest" });
  }

  /** The topic of the row that somebody has selected, or null. */
  current() {
    return this.chosen ? this.selected : null;
  }

  openSelected() {
    const row = this.market.rows.get(this.selected);
    if (row) this.onOpen(row);
  }

  /** The detail was opened, from here or by a link: its row is marked, without the focus. */
  opened(row) {
    this.#opened = row.topic;
    if (this.selected === row.topic && this.chosen) return;
    this.chosen = true;
    this.select(row, false);
  }

  /** The detail was closed: the focus goes back to its row, if that is still there. */
  closed() {
    const back = this.#opened !== null && this.#opened === this.selected;
    this.#opened = null;
    if (back) this.move({});
  }

  /** The focus leaves the rows, and they are free to move. */
  leave() {
    if (this.body.contains(document.activeElement)) document.activeElement.blur();
  }

  get listed() {
    return this.#order.length;
  }

  /** The first row can be tabbed to from the start, but is shown as selected only once somebody selects. */
  #mark(view, selected) {
    view?.node.setAttribute("aria-selected", String(selected && this.chosen));
    if (view) view.node.tabIndex = selected ? 0 : -1;
  }

  #clicked(event) {
    const node = event.target.closest(".row");
    if (!node) return;
    if (event.target.closest(".bell")) return this.onAlert(node.dataset.topic);
    this.select(this.market.rows.get(node.dataset.topic));
    this.openSelected();
  }

  #frame() {
    const now = Date.now();
    const held = this.hold.active;
    if (this.#stale || (!held && this.#sortDue(now))) this.#arrange(now, held && !this.#asked);
    byId("held").hidden = !(held && this.#unsorted && this.sort.key !== "name");
    const shown = [];
    for (const row of this.#dirty) {
      const view = this.#views.get(row.topic);
      if (view?.paint(now)) shown.push(view);
    }
    this.#dirty.clear();
    for (const view of shown) this.onShown(view, now);
  }

  #tick() {
    const now = Date.now();
    for (const view of this.#views.values()) if (view.visible) view.age(now);
  }

  /** Whether rows are to be put in order now; if it is too early, a later frame will do it. */
  #sortDue(now) {
    if (this.sort.key === "name" || !this.#unsorted) return false;
    const wait = this.#sortedAt + RESORT_MS - now;
    if (wait <= 0) return true;
    this.#later ??= setTimeout(() => {
      this.#later = null;
      this.schedule();
    }, wait);
    return false;
  }

  /** With `held`, listed rows keep their places and new ones follow them. */
  #arrange(now, held) {
    this.#stale = this.#asked = false;
    this.#unsorted = held;
    this.#sortedAt = now;
    const words = this.filter.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = [...this.market.rows.values()].filter((row) => row.tab === this.tab && row.update);
    this.#known = new Set(rows);
    const matching = rows.filter((row) => words.every((word) => row.search.includes(word)));
    matching.sort(compareBy(this.sort));
    this.#order = (held ? keepPlaces(matching, this.#order) : matching).slice(0, this.limit);
    this.#place();
    this.#tellCounts(rows.length, matching.length);
  }

  /** Make the document's rows those of the order, moving as few as can be. */
  #place() {
    const wanted = new Set(this.#order.map((row) => row.topic));
    for (const [topic, view] of this.#views) if (!wanted.has(topic)) this.#remove(topic, view);
    const focused = document.activeElement;
    const places = new Map([...this.body.children].map((node, place) => [node, place]));
    const nodes = this.#order.map((row) => (this.#views.get(row.topic) ?? this.#add(row)).node);
    const staying = longestRun(nodes.map((node) => places.get(node) ?? -1));
    for (let index = nodes.length - 1; index >= 0; index -= 1) {
      if (!staying.has(index)) this.body.insertBefore(nodes[index], nodes[index + 1] ?? null);
    }
    if (focused !== document.activeElement && this.body.contains(focused)) focused.focus({ preventScroll: true });
    if (!wanted.has(this.selected) && this.#order.length) this.#fallBack();
  }

  /** The selected row is not listed here: none is shown as selected but the one whose detail is open. */
  #fallBack() {
    const opened = this.#order.find((row) => row.topic === this.#opened);
    this.chosen = Boolean(opened);
    this.select(opened ?? this.#order[0], false);
  }

  #add(row) {
    const view = new RowView(row);
    this.#views.set(row.topic, view);
    this.seen.observe(view.node);
    this.#mark(view, row.topic === this.selected);
    return view;
  }

  #remove(topic, view) {
    this.seen.unobserve(view.node);
    view.inView(false);
    view.node.remove();
    this.#views.delete(topic);
  }

  #looked(entries) {
    for (const { target, isIntersecting } of entries) this.#views.get(target.dataset.topic)?.inView(isIntersecting);
  }

  #tellCounts(total, matching) {
    byId("count").textContent = matching === total ? `${total} topics` : `${matching} of ${total} topics`;
    byId("more").hidden = matching <= this.limit;
    byId("more").textContent = `Show ${Math.min(PAGE, matching - this.limit)} more of ${matching}`;
    byId("board-panel").dataset.empty = String(matching === 0);
    this.onCount?.({ total, matching });
  }

  #drawHeads() {
    const heads = COLUMNS.map(([key, label, sortable]) => {
      const head = element("div", { className: key }, sortable ? element("button", { type: "button" }, label) : label);
      head.setAttribute("role", "columnheader");
      if (sortable) head.firstChild.addEventListener("click", () => this.#sortBy(key));
      return [key, head];
    });
    byId("heads").append(...heads.map(([, head]) => head));
    return heads.filter(([key]) => key in KEYS);
  }

  #sortBy(key) {
    const { sort } = this;
    this.set({ sort: { key, ascending: sort.key === key ? !sort.ascending : key === "name" } });
  }

  #markHeads() {
    for (const [key, head] of this.heads) {
      const mine = key === this.sort.key;
      setText(head.firstChild, (this.tab === "feed" && SOURCE_LABELS[key]) || COLUMNS.find(([id]) => id === key)[1]);
      head.setAttribute("aria-sort", mine ? (this.sort.ascending ? "ascending" : "descending") : "none");
    }
  }
}

function compareBy({ key, ascending }) {
  const of = KEYS[key];
  const sign = ascending ? 1 : -1;
  return (a, b) => {
    const [x, y] = [of(a), of(b)];
    if (x === y) return a.topic < b.topic ? -1 : 1;
    return (x < y ? -1 : 1) * sign;
  };
}
