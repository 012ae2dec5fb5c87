/** The alarms: all of them by state, and one with its graph, history and runbook. */
import { ask, evaluateNow } from "./api.js";
import { formatAgo, formatNumber, formatTime, STATE_NAMES } from "./format.js";
import { Graph } from "./graph.js";
import { element, empty, facts, link, pill } from "./make.js";

const ORDER = ["ALARM", "INSUFFICIENT_DATA", "OK"];
const SHOWN = { all: "All", ALARM: "In alarm", OK: "OK", INSUFFICIENT_DATA: "No data" };

export class Alarms {
  constructor(host, context) {
    this.context = context;
    this.shown = "all";
    this.search = element("input", { type: "search", placeholder: "Filter alarms…", ariaLabel: "Filter alarms", className: "find" });
    this.search.addEventListener("input", () => this.#list());
    this.filters = element("div", { className: "segments" });
    this.now = element("button", { className: "button small", type: "button", textContent: "Evaluate now" });
    this.now.addEventListener("click", () => this.context.attempt(async () => { await evaluateNow(); await this.refresh(); }));
    this.list = element("ul", { className: "list", ariaLabel: "Alarms" });
    this.detail = element("section", { className: "detail card", ariaLabel: "The chosen alarm" });
    const tools = element("div", { className: "tools" }, this.filters, this.search, this.now);
    host.replaceChildren(tools, element("div", { className: "split" }, this.list, this.detail));
  }

  async open([name]) {
    this.name = name ?? "";
    this.graph?.destroy();
    this.graph = null;
    await this.refresh();
    if (name) this.detail.scrollIntoView({ block: "nearest" });
  }

  async refresh() {
    const { alarms } = await ask("alarms");
    this.alarms = alarms.sort((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state) || (a.severity || "P9").localeCompare(b.severity || "P9") || a.name.localeCompare(b.name));
    this.context.alarming(alarms.filter(({ state }) => state === "ALARM").length);
    this.#list();
    this.detail.classList.toggle("none", !this.name);
    if (this.name) await this.#show();
    else this.detail.replaceChildren(empty("Choose an alarm to see its graph, its history and its runbook."));
  }

  recolour() {
    this.graph?.recolour();
  }

  close() {
    this.graph?.destroy();
  }

  #list() {
    this.filters.replaceChildren(...Object.entries(SHOWN).map(([state, text]) => {
      const count = state === "all" ? this.alarms.length : this.alarms.filter((alarm) => alarm.state === state).length;
      const button = element("button", { type: "button", textContent: `${text} ${count}`, value: state, ariaPressed: String(this.shown === state) });
      button.addEventListener("click", () => { this.shown = state; this.#list(); });
      return button;
    }));
    const words = this.search.value.toLowerCase();
    const wanted = this.alarms.filter((alarm) => (this.shown === "all" || alarm.state === this.shown)
      && `${alarm.name} ${alarm.description} ${alarm.condition}`.toLowerCase().includes(words));
    this.list.replaceChildren(...wanted.map((alarm) => this.#row(alarm)), ...(wanted.length ? [] : [empty("No such alarm.")]));
  }

  #row(alarm) {
    const row = element("a", { href: `#/alarms/${encodeURIComponent(alarm.name)}`, className: "row" },
      pill(alarm.state, STATE_NAMES[alarm.state]),
      element("span", { className: "what" }, element("b", { textContent: alarm.name }), element("small", { className: "muted", textContent: alarm.condition })),
      element("span", { className: "end" }, ...(alarm.source === "aws" ? [pill("none", "AWS only")] : []), pill(alarm.severity, alarm.severity)));
    if (alarm.name === this.name) row.ariaCurrent = "true";
    return element("li", {}, row);
  }

  async #show() {
    const { name } = this;
    const alarm = await ask(`alarms/${encodeURIComponent(name)}`, { minutes: this.context.minutes });
    if (name !== this.name) return;
    if (!this.graph && alarm.graph) {
      this.graphHost = element("div", { className: "alarm-graph" });
      this.graph = new Graph(this.graphHost, { legend: false });
    }
    this.detail.replaceChildren(...this.#heading(alarm), ...(alarm.graph ? [this.graphHost] : this.#children(alarm)), ...this.#rest(alarm));
    if (alarm.graph) {
      const label = `${alarm.condition.split(",")[0]}`;
      this.graph.update({ lines: [alarm.graph], start: alarm.start, end: alarm.end, limits: [{ value: alarm.threshold, label }], axes: {} });
      this.graphHost.dataset.threshold = alarm.threshold;
    }
  }

  #heading(alarm) {
    const runbook = alarm.runbook ? [link(`#/runbooks/${alarm.runbook}`, "Runbook", "button small")] : [];
    return [
      element("header", {}, element("h2", { textContent: alarm.name }), pill(alarm.state, STATE_NAMES[alarm.state]), ...runbook),
      element("p", { textContent: alarm.description }),
      element("p", { className: "reason", textContent: alarm.reason }),
      ...(alarm.source === "aws" ? [element("p", { className: "note", textContent: "Nothing on this machine measures what it looks at: its state is what missing data makes of it." })] : []),
    ];
  }

  #children(alarm) {
    return [element("p", { className: "mono rule", textContent: alarm.rule }), element("ul", { className: "states" },
      ...Object.entries(alarm.children).map(([name, state]) => element("li", {}, pill(state, STATE_NAMES[state]), link(`#/alarms/${encodeURIComponent(name)}`, name))))];
  }

  #rest(alarm) {
    const told = alarm.actions.ALARM?.map((arn) => arn.split(":").at(-1)).join(", ");
    const measured = alarm.metrics?.map(({ namespace, name, dimensions }) => `${namespace} ${name} ${Object.entries(dimensions).map((pair) => pair.join("=")).join(" ")}`);
    return [
      facts([
        ["Condition", alarm.condition],
        ["Expression", alarm.expression],
        ["Missing data", alarm.missing],
        ["Newest value", alarm.value === null ? "" : formatNumber(alarm.value)],
        ["Evaluated", alarm.evaluated ? formatAgo(alarm.evaluated) : "not yet"],
        ["Tells", told],
        ["Held back by", alarm.suppressed_by],
        ["Metrics", measured?.length ? element("ul", { className: "mono" }, ...measured.map((text) => element("li", { textContent: text }))) : ""],
      ]),
      element("h3", { textContent: "History" }),
      alarm.history.length ? element("ol", { className: "history" }, ...alarm.history.map(change)) : empty("It has had no other state since the start."),
    ];
  }
}

function change({ at, from, to, reason, actions }) {
  const told = actions.length ? ` Told ${actions.map((arn) => arn.split(":").at(-1)).join(", ")}.` : "";
  return element("li", {}, element("time", { textContent: formatTime(at) }), pill(from, STATE_NAMES[from]), "→", pill(to, STATE_NAMES[to]),
    element("p", { className: "muted", textContent: reason + told }));
}
