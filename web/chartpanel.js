/**
 * A topic's chart in the detail: ranges, style, history and the live updates joined to it, and what is wrong if it is.
 *
 * The order that loses nothing: updates are kept from the first moment, the history says from which position on the
 * stream has the rest, and from there the topic is subscribed to. A new session begins it all again.
 */
import { Chart } from "./chart.js";
import { byId, element, everyFrame, setText } from "./dom.js";
import { formatDate, formatMoment, formatValue, plural } from "./format.js";
import { keep, readFragment } from "./fragment.js";
import { HistoryError, RANGES, rangeOf, readHistory } from "./history.js";
import { Timeline } from "./timeline.js";

const LATE = 0.1; // of the range: a history that begins later than that is said to

export class ChartPanel {
  #row = null;
  #chart = null;
  #timeline = null;
  #shown = { columns: [[], [], [], [], []], gaps: [] };
  #asking = null; // AbortController of the history that is being read
  #pointed = null;

  /** `now(row)` is the present in ms, on the clock of the row's times. */
  constructor({ stream, now }) {
    Object.assign(this, { stream, now });
    this.host = byId("detail-chart");
    this.state = byId("chart-state");
    const said = readFragment();
    this.range = rangeOf(said.range);
    this.style = said.style === "candles" ? "candles" : "line";
    this.paint = everyFrame(() => this.#paint());
    this.#bind();
    stream.addEventListener("session", () => this.#row && this.#read());
  }

  open(row) {
    this.close();
    this.#row = row;
    this.#draw();
    this.#read();
  }

  close() {
    const row = this.#row;
    this.#asking?.abort();
    this.#chart?.destroy();
    this.#chart = this.#timeline = this.#row = this.#asking = this.#pointed = null;
    if (row) this.stream.unfollow(row.topic);
  }

  /** What is drawn, as Timeline.plotted gives it. */
  get shown() {
    return this.#shown;
  }

  get #width_s() {
    return this.style === "line" ? this.range.width_s : this.range.wide_s;
  }

  /** Colours have changed. */
  redraw() {
    if (this.#row) this.#draw();
  }

  /** By its place among the buttons. */
  chooseRange(index) {
    const range = RANGES[index];
    if (!this.#row || !range) return;
    this.range = range;
    this.#timeline = this.#pointed = null;
    keep({ range: range.id });
    this.#mark();
    this.#draw();
    this.#read();
  }

  toggleStyle() {
    if (!this.#row) return;
    this.style = this.style === "line" ? "candles" : "line";
    keep({ style: this.style });
    this.#mark();
    this.#draw();
  }

  #bind() {
    const buttons = RANGES.map(({ id, label }, index) => {
      const button = element("button", { type: "button", className: "button small", textContent: label });
      button.dataset.range = id;
      button.setAttribute("aria-keyshortcuts", String(index + 1));
      button.addEventListener("click", () => this.chooseRange(index));
      return button;
    });
    byId("chart-ranges").append(...buttons);
    byId("chart-style").addEventListener("click", () => this.toggleStyle());
    byId("chart-again").addEventListener("click", () => this.#read());
    this.host.addEventListener("keydown", (event) => this.#key(event));
    this.host.addEventListener("blur", () => this.#point(null));
    this.#mark();
  }

  #mark() {
    for (const button of byId("chart-ranges").children) {
      button.setAttribute("aria-pressed", String(button.dataset.range === this.range.id));
    }
    byId("chart-style").setAttribute("aria-pressed", String(this.style === "candles"));
  }

  async #read() {
    const [row, range, asking] = [this.#row, this.range, new AbortController()];
    this.#asking?.abort();
    this.#asking = asking;
    const timeline = new Timeline(range.width_s);
    this.stream.tap(row.topic, (update) => {
      timeline.add(update);
      this.#timeline?.add(update); // what is shown while a newer one is being read
      if (this.host.dataset.state === "empty") this.#say("ready", "");
      this.paint();
    });
    this.#say("loading", "Loading the history…");
    try {
      const { topic, recorded } = row;
      const options = { baseUrl: location.origin, now_s: this.now(row) / 1000, recorded, signal: asking.signal };
      const history = await readHistory(topic, range, options);
      if (asking.signal.aborted) return;
      timeline.load(history);
      this.#timeline = timeline;
      this.#say(timeline.size ? "ready" : "empty", timeline.size ? "" : "Nothing was observed in this time.");
      this.paint();
      if (history.live) await this.#join(topic, history.live, asking.signal);
    } catch (error) {
      if (asking.signal.aborted) return;
      if (!(error instanceof HistoryError)) throw error;
      this.#say("error", `No history: ${error.message}. Above is what came since the page opened.`);
    }
  }

  async #join(topic, live, signal) {
    const recovered = await this.stream.follow(topic, live);
    if (signal.aborted || recovered !== false) return;
    this.#say("ready", "Some changes between the history and now could not be had: the newest values are right.");
  }

  /** `state` is loading, ready, empty or error: said in words, and by it the chart is shown or dimmed. */
  #say(state, text) {
    this.host.dataset.state = state;
    this.state.hidden = !text;
    this.state.dataset.state = state;
    setText(byId("chart-state-text"), text);
    byId("chart-again").hidden = state !== "error";
    this.host.setAttribute("aria-busy", String(state === "loading"));
  }

  #draw() {
    const row = this.#row;
    this.#chart?.destroy();
    this.#chart = new Chart(this.host, {
      tab: row.tab,
      timeZone: row.recorded ? "UTC" : undefined,
      style: this.style,
      width_s: this.#width_s,
      onCursor: (index) => this.#readOut(index),
    });
    this.#paint();
  }

  #paint() {
    const row = this.#row;
    if (!row || !this.#chart) return;
    const has = Boolean(this.#timeline?.size);
    const until_s = this.now(row) / 1000 + (has ? this.#width_s / 2 : 1);
    const from_s = until_s - this.range.span_s;
    this.#shown = has ? this.#timeline.plotted(from_s, until_s, this.#width_s) : sincePageOpened(row, until_s);
    const first_s = this.#shown.columns[0][0] ?? from_s;
    this.#chart.show(this.#shown, has ? from_s : Math.min(first_s, until_s - 60), until_s);
    this.#describe(has);
    if (this.#pointed === null) this.#readOut(null);
  }

  /** What the picture shows, for those who do not see it. */
  #describe(has) {
    const closes = this.#shown.columns[4].filter((close) => close !== null);
    const { tab } = this.#row;
    const figures = closes.length
      ? `lowest ${formatValue(tab, Math.min(...closes))}, highest ${formatValue(tab, Math.max(...closes))}, last ${formatValue(tab, closes.at(-1))}`
      : "no values";
    const gaps = this.#shown.gaps.length ? `, ${plural(this.#shown.gaps.length, "gap")}` : "";
    const span = has ? `Last ${this.range.label}` : "Since the page opened";
    this.host.setAttribute("aria-label", `${span}: ${figures}${gaps}. Left and right read single values.`);
    this.host.dataset.points = String(closes.length);
    this.host.dataset.gaps = String(this.#shown.gaps.length);
  }

  #key(event) {
    const [times, , , , closes] = this.#shown.columns;
    const step = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity }[event.key];
    if (!step || !times.length) return;
    event.preventDefault();
    event.stopPropagation();
    let index = this.#pointed ?? (step < 0 ? times.length : -1);
    do index += Math.sign(step);
    while (Number.isFinite(step) ? closes[index] === null : times[index] !== undefined);
    if (!Number.isFinite(step)) index -= Math.sign(step);
    if (times[index] !== undefined) this.#point(index);
  }

  #point(index) {
    this.#pointed = index;
    if (index !== null) this.#chart?.point(index);
    this.#readOut(index);
  }

  #readOut(index) {
    const node = byId("chart-readout");
    const [times, opens, highs, lows, closes] = this.#shown.columns;
    if (index === null || (closes[index] ?? null) === null) {
      return setText(node, this.#missing() || " ");
    }
    const { tab } = this.#row;
    const [open, high, low, close] = [opens, highs, lows, closes].map((column) => formatValue(tab, column[index]));
    const figures = this.style === "line" ? close : `open ${open} · high ${high} · low ${low} · close ${close}`;
    setText(node, `${this.#time(times[index])} · ${figures}`);
  }

  /** What the picture lacks: its beginning, and gaps. */
  #missing() {
    const { gaps, columns } = this.#shown;
    const begins_s = columns[0][0];
    const from_s = this.now(this.#row) / 1000 - this.range.span_s;
    const isLate = this.#timeline?.size && begins_s - from_s > LATE * this.range.span_s;
    const said = isLate ? [`Nothing was recorded before ${this.#time(begins_s)}`] : [];
    if (gaps.length) said.push(`Shaded: nothing was observed (${plural(gaps.length, "gap")}, the last until ${this.#time(gaps.at(-1)[1])})`);
    return said.join(". ");
  }

  #time(at_s) {
    return this.#row.recorded ? formatDate(at_s * 1000) : formatMoment(at_s * 1000);
  }
}

/** Until there is a history; a single value has no line yet, so it is drawn as lasting until now. */
function sincePageOpened({ series }, until_s) {
  const { times, values } = series;
  const single = times.length === 1;
  const column = single ? [values[0], values[0]] : values;
  const at = single ? [times[0], Math.max(times[0] + 1, until_s)] : times;
  return { columns: [at, column, column, column, column], gaps: [] };
}
