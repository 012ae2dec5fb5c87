/** The side panels: one topic's detail, the subscriptions, the log of events. */
import { ChartPanel } from "./chartpanel.js";
import { byId, element, everyFrame, fillOptions, setData, setText } from "./dom.js";
import { formatChange, formatClock, formatDate, formatDelay, formatValue, nameOf } from "./format.js";
import { keep, readFragment } from "./fragment.js";
import { MIN_CHANGES, MY_ALERTS, RATES } from "./commands.js";

const RATE_NAMES = { realtime: "Real time", "1s": "1 s", "5s": "5 s", "15s": "15 s", "60s": "1 min" };
const EVENTS_KEPT = 200;
const NAMELESS = { yield: "Yield pool", price: "Token" }; // their topic, an id or an address, stands below in full

/** Options for a rate selector: what the tier does not allow is there, disabled, with the reason. */
export function rateOptions(session) {
  const fastest = RATES.indexOf(session?.fastestRate ?? "realtime");
  return RATES.map((rate, index) => {
    const allowed = index >= fastest;
    return [rate, allowed ? RATE_NAMES[rate] : `${RATE_NAMES[rate]} (not in the ${session.tier} tier)`, !allowed];
  });
}

export const CHANGE_OPTIONS = [["", "any size"], ...MIN_CHANGES.map((pct) => [pct, `≥ ${pct} %`])];

export class Detail {
  row = null;
  #wanted = null; // a topic that a link named and that has no value yet

  constructor(stream, market) {
    Object.assign(this, { stream, market });
    this.panel = byId("detail");
    this.chart = new ChartPanel({ stream, now: (row) => this.#now(row) });
    this.paint = everyFrame(() => this.#paint());
    byId("detail-close").addEventListener("click", () => this.close());
    stream.addEventListener("rejected", ({ detail }) => this.#refused(detail));
  }

  open(row) {
    this.#wanted = null;
    this.row = row;
    this.#show(row.topic, row.nameless ? NAMELESS[row.tab] ?? row.name : row.name);
    const clock = row.recorded ? "Time of the recording, in UTC" : "Your time";
    setText(byId("detail-axes"), `${clock}. The upright scale does not start at zero.`);
    keep({ topic: row.topic });
    this.onOpen?.(row);
    this.chart.open(row);
    this.#paint();
  }

  /** What the fragment names: now, or when its first value comes. */
  follow() {
    const { topic } = readFragment();
    if (!topic || topic === this.row?.topic) return;
    const row = this.market.rows.get(topic);
    if (row) return this.open(row);
    this.#wanted = topic;
    this.#show(topic, nameOf(topic));
    byId("detail-note").hidden = false;
    setText(byId("detail-note"), "Waiting for its first value…");
    if (this.stream.begun && this.stream.coverOf(topic) === null) this.stream.subscribe([topic], { rate: "fastest" });
  }

  /** Rows have changed. */
  changed(rows) {
    if (rows.has(this.row)) this.paint();
    const row = this.#wanted && this.market.rows.get(this.#wanted);
    if (row) this.open(row);
  }

  /** True if it was open. */
  close() {
    if (this.panel.hidden) return false;
    this.chart.close();
    this.row = this.#wanted = null;
    this.panel.hidden = true;
    keep({ topic: null });
    this.onClose?.();
    return true;
  }

  redraw() {
    this.chart.redraw();
  }

  #show(topic, name) {
    this.panel.hidden = false;
    this.panel.parentElement.scrollTop = 0;
    setText(byId("detail-name"), name);
    setText(byId("detail-topic"), topic);
    for (const id of ["detail-value", "detail-change"]) setText(byId(id), "");
    byId("detail-facts").replaceChildren();
  }

  #refused({ topic, message }) {
    if (topic === this.#wanted) setText(byId("detail-note"), `${message}.`);
  }

  #now(row) {
    return row.recorded ? this.market.tapeAt : Date.now();
  }

  #paint() {
    if (!this.row) return;
    const { row } = this;
    const change = formatChange(row.change, row.tab);
    setText(byId("detail-value"), (row.interpolated ? "~" : "") + (row.tab === "feed" ? "data " : "") + formatValue(row.tab, row.value));
    setText(byId("detail-change"), change.text);
    setData(byId("detail-change"), "direction", change.direction);
    byId("detail-note").hidden = !row.interpolated;
    setText(byId("detail-note"), "Interpolated between two recorded points.");
    this.chart.paint();
    const facts = Object.entries(this.#facts()).filter(([, value]) => value !== null && value !== undefined);
    byId("detail-facts").replaceChildren(
      ...facts.map(([name, value]) => element("div", {}, element("dt", {}, name), element("dd", {}, String(value)))),
    );
  }

  #facts() {
    const { row } = this;
    const { update } = row;
    const cover = this.stream.coverOf(row.topic);
    const wanted = this.stream.subscriptions.get(cover);
    return {
      "Exact value": update.value,
      Previous: update.previous,
      "Seen at the source": formatDate(Date.parse(update.observed_at)),
      Published: formatClock(row.publishedAt),
      "Delay of the last": row.delay === null ? null : formatDelay(row.delay),
      Source: update.source,
      Confidence: update.confidence,
      Position: `${update.epoch} / ${update.offset}`,
      "Comes through": wanted ? describe(cover, this.stream.effective(wanted)) : null,
    };
  }
}

function describe(pattern, { rate, minChangePct }) {
  return `${pattern} · ${RATE_NAMES[rate]}${minChangePct ? ` · ≥ ${minChangePct} %` : ""}`;
}

export class Subscriptions {
  constructor(stream) {
    this.stream = stream;
    this.form = byId("subscribe");
    fillOptions(byId("change"), CHANGE_OPTIONS);
    this.form.addEventListener("submit", (event) => this.#submitted(event));
    byId("topic").addEventListener("input", () => this.#suggest());
    stream.addEventListener("subscriptions", () => this.paint());
  }

  session(session) {
    const select = byId("rate");
    const chosen = select.value;
    fillOptions(select, rateOptions(session));
    const allowed = [...select.options].find((option) => option.value === chosen && !option.disabled);
    select.value = allowed ? chosen : session.fastestRate;
    byId("rate-hint").hidden = session.fastestRate === "realtime";
    byId("rate-hint").textContent = `The ${session.tier} tier gets at most one update per topic every ${RATE_NAMES[session.fastestRate]}. Open this page with #key=… for faster ones.`;
    this.paint();
  }

  refused(topic, message) {
    byId("subscribe-error").hidden = false;
    byId("subscribe-error").textContent = `${topic}: ${message}`;
  }

  paint() {
    const chosen = [...this.stream.subscriptions].filter(([pattern]) => pattern !== MY_ALERTS); // the page's own
    const items = chosen.map(([pattern, wanted]) => {
      const options = this.stream.effective(wanted);
      const remove = element("button", { type: "button", className: "button icon small", textContent: "✕" });
      remove.setAttribute("aria-label", `Unsubscribe from ${pattern}`);
      remove.addEventListener("click", () => this.stream.unsubscribe([pattern]));
      const note = `${RATE_NAMES[options.rate]}${options.minChangePct ? ` · ≥ ${options.minChangePct} %` : ""}`;
      return element("li", {}, element("code", {}, pattern), element("span", { className: "muted" }, note), remove);
    });
    if (!items.length) items.push(element("li", { className: "muted" }, "None: nothing arrives until you subscribe."));
    byId("subscriptions").replaceChildren(...items);
  }

  #submitted(event) {
    event.preventDefault();
    byId("subscribe-error").hidden = true;
    const topics = byId("topic").value.split(/[,\s]+/).filter(Boolean);
    this.stream.subscribe(topics, { rate: byId("rate").value, minChangePct: byId("change").value || null });
    this.form.reset();
    byId("rate").value = this.stream.connection.session?.fastestRate ?? "5s";
  }

  /** Names to choose from, a moment after the last key; without them the box works all the same. */
  #suggest() {
    clearTimeout(this.timer);
    this.timer = setTimeout(async () => {
      const kind = byId("topic").value.match(/^(?:tvl:(?:chain|protocol)|[a-z]+):/)?.[0];
      if (!kind || kind === this.suggested) return;
      try {
        const answer = await fetch(`/v1/topics?match=${encodeURIComponent(`${kind}*`)}`);
        const { topics } = await answer.json();
        byId("topics").replaceChildren(...topics.map(({ topic }) => new Option(topic, topic)));
        this.suggested = kind;
      } catch {
        this.suggested = null;
      }
    }, 250);
  }
}

/** Newest first; `kind` is info, good, warn or bad and is written out as well as coloured. */
export class EventLog {
  constructor() {
    this.list = byId("events");
  }

  add(kind, text) {
    const time = element("time", { dateTime: new Date().toISOString() }, formatClock(Date.now()));
    const item = element("li", {}, time, element("span", {}, text));
    item.dataset.kind = kind;
    this.list.prepend(item);
    while (this.list.childElementCount > EVENTS_KEPT) this.list.lastElementChild.remove();
  }
}
