/** What a rule told, and what became of telling it elsewhere: read when somebody opens it. */
import { busy } from "./busy.js";
import { element, setText } from "./dom.js";
import { formatMoment } from "./format.js";

const STATES = { firing: "Fired", acknowledged: "Acknowledged", resolved: "Resolved" };

export class RuleLog {
  constructor(rule, { book, endpoints }) {
    Object.assign(this, { rule, book, endpoints });
    this.history = new Fold("History", () => this.#history());
    this.deliveries = new Fold("Deliveries", () => this.#deliveries());
    this.node = element("div", { className: "logs" }, this.history.node, this.deliveries.node);
  }

  /** Something has happened: what is open is read again. */
  stale() {
    for (const fold of [this.history, this.deliveries]) fold.reload();
  }

  async #history() {
    const { items, more } = await this.book.history(this.rule.id);
    if (!items.length) return [element("li", { className: "muted" }, "It has told nothing yet.")];
    const lines = items.map(({ state, at, value, muted }) => {
      const figure = state === "firing" && value !== null ? ` at ${value}` : "";
      return line(at, `${STATES[state]}${figure}${muted ? " (muted: nobody was told)" : ""}`, state);
    });
    if (more) lines.push(element("li", { className: "muted" }, "These are the newest."));
    return lines;
  }

  async #deliveries() {
    const { items, more } = await this.book.deliveries(this.rule.id);
    if (!items.length) return [element("li", { className: "muted" }, "No webhook or e-mail was sent for it.")];
    const lines = items.map((attempt) => this.#attempt(attempt));
    if (more) lines.push(element("li", { className: "muted" }, "These are the newest."));
    return lines;
  }

  #attempt({ delivery, endpoint, what, at, number, arrived, status, duration_ms: ms, error, next_at: next, replay }) {
    const outcome = arrived ? `arrived${status ? ` (${status})` : ""} in ${ms} ms` : error || `was answered ${status}`;
    const again = next ? `; next try ${formatMoment(Date.parse(next))}` : "";
    const item = line(at, `${what} to ${this.endpoints.nameOf(endpoint)}, ${replay ? "replay, " : ""}try ${number}: ${outcome}${again}`, arrived ? "resolved" : "firing");
    const button = element("button", { type: "button", className: "button small", textContent: "Send again" });
    button.setAttribute("aria-label", `Send ${what} of ${formatMoment(Date.parse(at))} again`);
    button.addEventListener("click", () => this.#replay(button, delivery));
    item.append(button);
    return item;
  }

  #replay(button, delivery) {
    const work = async () => {
      await this.book.replay(this.rule.id, delivery);
      setText(button, "Sent again");
    };
    return busy(button, work, (error) => error && setText(button, `Not sent: ${error.message}`));
  }
}

/** A heading that opens a list, which is read each time that it is opened. */
class Fold {
  constructor(title, read) {
    this.read = read;
    this.list = element("ol", { className: "log" });
    this.node = element("details", {}, element("summary", {}, title), this.list);
    this.node.addEventListener("toggle", () => this.reload());
  }

  async reload() {
    if (!this.node.open) return;
    if (!this.list.childElementCount) this.list.replaceChildren(element("li", { className: "muted" }, "Loading…"));
    try {
      this.list.replaceChildren(...(await this.read()));
    } catch (error) {
      this.list.replaceChildren(element("li", { className: "bad" }, `It cannot be had: ${error.message}`));
    }
  }
}

function line(at, text, state) {
  const item = element("li", {}, element("time", { dateTime: at }, formatMoment(Date.parse(at))), element("span", {}, text));
  item.dataset.state = state;
  return item;
}
