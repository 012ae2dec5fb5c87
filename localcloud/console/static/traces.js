/** Traces: the newest, one as a waterfall, and a change's whole way through those that are linked. */
import { ask } from "./api.js";
import { formatAgo, formatMs, formatTime } from "./format.js";
import { element, empty, link, offer, pill } from "./make.js";
import { waterfall } from "./waterfall.js";

const HEADS = [["When"], ["Began with"], ["Took", "number"], [""], ["Spans", "number"], ["About"]];

export class Traces {
  constructor(host, context) {
    this.context = context;
    this.name = element("select", { ariaLabel: "Function" }, new Option("Every function", ""));
    this.annotation = element("input", { type: "search", className: "find", placeholder: "Annotation, like topic=price:ethereum", ariaLabel: "Annotation" });
    this.failed = element("input", { type: "checkbox" });
    for (const field of [this.name, this.annotation, this.failed]) field.addEventListener("change", () => this.context.attempt(() => this.refresh()));
    this.tools = element("form", { className: "tools" }, this.name, this.annotation, element("label", { className: "check" }, this.failed, " failed only"));
    this.tools.addEventListener("submit", (event) => event.preventDefault());
    this.body = element("div", { className: "card" });
    host.replaceChildren(this.tools, this.body);
  }

  async open([id, kind]) {
    this.id = id;
    this.kind = kind === "trace" ? "trace" : "journey";
    this.tools.hidden = Boolean(id);
    this.done = false;
    await this.refresh();
  }

  async refresh() {
    if (!this.id) return this.#list();
    if (this.done) return undefined; // what is open stays as it is, whatever comes
    return this.#show();
  }

  close() {}

  async #list() {
    const asked = { function: this.name.value, failed: this.failed.checked ? "1" : "", seconds: this.context.minutes * 60, limit: 100 };
    const annotation = this.annotation.value.includes("=") ? this.annotation.value : "";
    const { traces, functions } = await ask("xray/traces", { ...asked, annotation });
    if (this.id) return;
    offer(this.name, functions);
    const slowest = Math.max(1, ...traces.map((trace) => trace.duration_ms));
    const heads = HEADS.map(([textContent, className = ""]) => element("th", { textContent, className }));
    this.body.replaceChildren(traces.length
      ? element("table", { className: "traces" }, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...traces.map((trace) => row(trace, slowest))))
      : empty("No such trace in this time."));
  }

  async #show() {
    const { id, kind } = this;
    const found = await ask(`xray/${kind}/${encodeURIComponent(id)}`);
    if (id !== this.id || kind !== this.kind) return;
    const traces = kind === "trace" ? [{ ...found, offset_ms: 0 }] : found.traces;
    this.done = !traces.some((trace) => trace.partial);
    const tabs = element("nav", { className: "segments" }, ...[["journey", "Whole way"], ["trace", "This trace"]].map(([name, text]) => {
      const tab = link(`#/traces/${id}/${name}`, text);
      tab.ariaPressed = String(name === kind);
      return tab;
    }));
    const told = kind === "trace" ? `${found.spans} spans` : `${traces.length} traces, ${found.hops.length} hops${found.missing.length ? `, ${found.missing.length} no longer here` : ""}`;
    const head = element("header", { className: "trace-head" }, link("#/traces", "← Traces"), element("h2", { className: "mono", textContent: id }), tabs);
    this.body.replaceChildren(head,
      element("p", { className: "muted", textContent: `${formatTime(found.start, true)} · ${formatMs(found.duration_ms)} · ${told}` }),
      waterfall(traces, found.hops ?? [], found.duration_ms, id));
  }
}

function row(trace, slowest) {
  const bar = element("i", {});
  bar.style.width = `${Math.max(1, (100 * trace.duration_ms) / slowest)}%`;
  const states = [trace.fault && "fault", trace.error && "error", trace.throttle && "throttle", trace.partial && "partial"].filter(Boolean);
  const about = ["topic", "connection_id"].flatMap((name) => trace.annotations[name] ?? []);
  return element("tr", {},
    element("td", { title: formatTime(trace.start, true), textContent: formatAgo(trace.start) }),
    element("td", {}, link(`#/traces/${trace.id}`, trace.name), " ", ...states.map((state) => pill(state, state))),
    element("td", { className: "number", textContent: formatMs(trace.duration_ms) }),
    element("td", { className: "took" }, bar),
    element("td", { className: "number", textContent: trace.spans }),
    element("td", { className: "mono muted about", textContent: about.slice(0, 3).join(", ") + (about.length > 3 ? ` +${about.length - 3}` : "") }));
}
