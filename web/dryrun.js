/** What a rule would have done: asked of the server, drawn over the topic's past and listed. */
import { Chart } from "./chart.js";
import { byId, element, setText } from "./dom.js";
import { formatDate, formatDuration, formatMoment, nameOf, plural, tabOf } from "./format.js";
import { rangeOf, readHistory } from "./history.js";
import { topicsOf } from "./inbox.js";
import { Timeline } from "./timeline.js";

const RANGE = rangeOf("7d");
const LISTED = 20;

export class DryRun {
  #chart = null;
  #asking = null;

  /** `clock(topic)` is `{now, recorded}`: the present of its times in ms, and whether that is a recording's. */
  constructor({ api, clock }) {
    Object.assign(this, { api, clock });
    this.section = byId("past");
  }

  close() {
    this.#asking?.abort();
    this.#chart?.destroy();
    this.#asking = this.#chart = null;
    this.section.hidden = true;
  }

  /** Raises ApiError if the rule is none, or its past cannot be had. */
  async show(rule) {
    this.close();
    const { signal } = (this.#asking = new AbortController());
    const topic = topicsOf(rule.when)[0];
    const { now, recorded } = this.clock(topic);
    const span = { from: new Date(now - RANGE.span_s * 1000).toISOString(), to: new Date(now).toISOString() };
    const asked = recorded ? span : {}; // a recording's past is not the last seven days of the server's clock
    try {
      const answer = await this.api.ask("alerts/dry-run", { method: "POST", body: { rule, ...asked }, signal });
      this.section.hidden = false;
      this.#tell(answer, recorded, topic);
      await this.#draw(answer, topic, recorded, signal);
      byId("past-title").focus({ preventScroll: true });
      this.section.scrollIntoView();
    } catch (error) {
      if (error.name !== "AbortError") throw error;
    }
  }

  #tell({ fired, observations, interval, truncated, from, to }, recorded, topic) {
    const time = recorded ? (at) => formatDate(Date.parse(at)) : (at) => formatMoment(Date.parse(at));
    const times = fired.length ? `have fired ${plural(fired.length, "time")}` : "not have fired";
    setText(byId("past-title"), `It would ${times}`);
    const figures = interval === "raw" ? plural(observations, "observation") : `${plural(observations, "figure")} of candles of ${interval}`;
    const cut = truncated ? " There was no room for more." : "";
    const nothing = observations ? "" : ` Nothing is known of ${topic} in this time, so this says little.`;
    setText(byId("past-note"), `From ${time(from)} until ${time(to)}, by ${figures}.${cut}${nothing}`);
    const items = fired.slice(0, LISTED).map(({ at, topic: of, value, resolved_at: end }) => {
      const lasted = end ? `for ${formatDuration((Date.parse(end) - Date.parse(at)) / 1000)}` : "still on";
      return element("li", {}, element("time", { dateTime: at }, time(at)), `${nameOf(of)}${value === null ? "" : ` at ${value}`}, ${lasted}`);
    });
    if (fired.length > LISTED) items.push(element("li", { className: "muted" }, `… and ${fired.length - LISTED} more: a margin or a longer cool-down makes it calmer.`));
    byId("past-fired").replaceChildren(...items);
  }

  /** Without a history the list still says it all. */
  async #draw({ fired, from, to }, topic, recorded, signal) {
    const host = byId("past-chart");
    host.hidden = true;
    const until_s = Date.parse(to) / 1000;
    const timeline = new Timeline(RANGE.width_s);
    try {
      timeline.load(await readHistory(topic, RANGE, { baseUrl: this.api.baseUrl, now_s: until_s, recorded, signal }));
    } catch (error) {
      if (error.name === "AbortError") throw error;
      return;
    }
    if (!timeline.size || signal.aborted) return;
    host.hidden = false;
    const marks = fired.map(({ at, resolved_at: end }) => [Date.parse(at) / 1000, end ? Date.parse(end) / 1000 : until_s]);
    host.setAttribute("aria-label", `${nameOf(topic)} over the last seven days; ${plural(marks.length, "alert")} marked`);
    host.dataset.marks = String(marks.length);
    const timeZone = recorded ? "UTC" : undefined;
    this.#chart = new Chart(host, { tab: tabOf(topic), timeZone, style: "line", width_s: RANGE.width_s, onCursor: () => {} });
    const from_s = Date.parse(from) / 1000;
    this.#chart.show({ ...timeline.plotted(from_s, until_s), marks }, from_s, until_s);
  }
}
