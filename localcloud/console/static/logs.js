/** Log lines, narrowed by level, function, connection, topic and text; what is narrowed by is part of the address. */
import { ask } from "./api.js";
import { formatNumber, formatTime } from "./format.js";
import { element, empty, link, offer, pill, setText } from "./make.js";

const FIELDS = ["level", "function", "connection", "topic", "text"];
const TOLD_APART = new Set(["level", "event", "timestamp", "function", "stage", "version", "cold_start"]);

export class Logs {
  constructor(host, context) {
    this.context = context;
    this.inputs = {
      level: element("select", { ariaLabel: "Least level" }, new Option("Every level", "")),
      function: element("select", { ariaLabel: "Function" }, new Option("Every function", "")),
      connection: field("Connection"),
      topic: field("Topic", "Topic, like price:*"),
      text: field("Text"),
    };
    this.inputs.text.classList.add("find");
    const form = element("form", { className: "tools" }, ...Object.values(this.inputs));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("change", () => this.#narrow());
    this.said = element("p", { className: "note" });
    this.lines = element("div", { className: "lines", role: "log" });
    this.older = element("button", { className: "button", type: "button", textContent: "Older lines" });
    this.older.addEventListener("click", () => this.context.attempt(() => this.#more()));
    host.replaceChildren(form, this.said, element("div", { className: "card" }, this.lines, this.older));
    this.newest = 0;
  }

  async open(_path, query) {
    this.query = Object.fromEntries(FIELDS.map((name) => [name, query.get(name) ?? ""]));
    this.newest = 0;
    this.oldest = null;
    this.lines.replaceChildren();
    await this.refresh();
  }

  async refresh() {
    const { query } = this;
    const found = await ask("logs", { ...query, limit: 200 });
    if (query !== this.query) return;
    this.#offer(found);
    const fresh = found.lines.filter(({ number }) => number > this.newest);
    if (fresh.length === found.lines.length) this.lines.replaceChildren(); // none of those shown was among them
    this.lines.prepend(...fresh.map((line) => this.#row(line)));
    this.newest = Math.max(this.newest, ...fresh.map(({ number }) => number));
    this.oldest ??= found.lines.at(-1)?.number;
    while (this.lines.childElementCount > 1000) this.lines.lastElementChild.remove();
    this.older.hidden = found.lines.length < 200;
    if (!this.lines.childElementCount) this.lines.replaceChildren(empty("No such line."));
    setText(this.said, `The newest ${formatNumber(found.kept)} lines of all functions are kept.`);
  }

  close() {}

  async #more() {
    const { lines } = await ask("logs", { ...this.query, before: this.oldest, limit: 200 });
    this.lines.append(...lines.map((line) => this.#row(line)));
    this.oldest = lines.at(-1)?.number ?? this.oldest;
    this.older.hidden = lines.length < 200;
  }

  #narrow() {
    const query = new URLSearchParams(FIELDS.map((name) => [name, this.inputs[name].value.trim()]).filter(([, value]) => value));
    location.hash = `#/logs?${query}`;
  }

  #offer({ levels, functions }) {
    const { level, function: name } = this.inputs;
    if (level.options.length === 1) level.append(...levels.map((each) => new Option(`${each} and above`, each)));
    offer(name, functions);
    for (const [key, input] of Object.entries(this.inputs)) if (document.activeElement !== input) input.value = this.query[key];
  }

  #row({ at, function: name, level, fields, text }) {
    const said = fields ? String(fields.event ?? "") : text;
    const more = fields ? Object.entries(fields).filter(([key, value]) => !TOLD_APART.has(key) && value !== null && typeof value !== "object") : [];
    const line = element("summary", {}, element("time", { textContent: formatTime(at, true) }), pill(level, level),
      element("span", { className: "function", textContent: name }), element("b", { textContent: said }),
      element("span", { className: "muted more", textContent: more.map(([key, value]) => `${key}=${value}`).join(" ") }));
    const row = element("details", {}, line);
    row.addEventListener("toggle", () => { if (row.open && row.childElementCount === 1) row.append(...opened(fields, text)); });
    return row;
  }
}

function field(label, placeholder = label) {
  return element("input", { type: "search", placeholder, ariaLabel: label, autocomplete: "off", spellcheck: false });
}

function opened(fields, text) {
  if (!fields) return [element("pre", { textContent: text })];
  const links = [
    fields.trace_id && link(`#/traces/${encodeURIComponent(fields.trace_id)}`, "Its trace"),
    fields.connection_id && link(`#/logs?${new URLSearchParams({ connection: fields.connection_id })}`, "This connection's lines"),
    fields.request_id && link(`#/logs?${new URLSearchParams({ text: fields.request_id })}`, "This invocation's lines"),
  ].filter(Boolean);
  const { exception, ...others } = fields;
  return [element("p", { className: "links" }, ...links), element("pre", { textContent: JSON.stringify(others, null, 2) }),
    ...(exception ? [element("pre", { className: "exception", textContent: exception })] : [])];
}
