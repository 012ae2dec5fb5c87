/** One rule in the list: what it waits for, where it is in its life, and what can be done with it. */
import { element, setData, setText } from "./dom.js";
import { busy } from "./busy.js";
import { confirmed } from "./confirm.js";
import { formatDuration, formatMoment, nameOf } from "./format.js";
import { topicsOf } from "./inbox.js";
import { RuleLog } from "./rulelog.js";

const MUTED_MS = 3_600_000;
const PHASES = { armed: "Armed", pending: "Pending", firing: "Firing", acknowledged: "Acknowledged", cooling: "Cooling down" };

export class RuleView {
  /** `edit(rule)` opens it, `acknowledge(alert)` resolves when the server knows; `now()` is the present of its times, in ms. */
  constructor(rule, { book, endpoints, edit, acknowledge, say, now }) {
    Object.assign(this, { rule, book, now });
    this.phase = element("span", { className: "phase" });
    this.quiet = element("span", { className: "tag", textContent: "muted" });
    this.name = element("b");
    this.what = element("p", { className: "what" });
    this.life = element("p", { className: "muted" });
    this.error = element("p", { className: "note bad", hidden: true });
    this.error.setAttribute("role", "alert");
    this.seen = this.#button("Acknowledge", () => acknowledge(this.#alert()));
    this.mute = this.#button("", () => this.#change({ muted_until: this.#muted() ? null : this.#inAnHour() }));
    this.able = this.#button("", () => this.#change({ enabled: !this.rule.enabled }));
    const change = element("button", { type: "button", className: "button small", textContent: "Edit" });
    change.addEventListener("click", () => edit(this.rule));
    const remove = element("button", { type: "button", className: "button small", textContent: "Delete" });
    confirmed(remove, "Really delete?", () => this.#run(remove, () => book.remove(this.rule)), say);
    this.log = new RuleLog(rule, { book, endpoints });
    const head = element("header", {}, this.name, this.quiet, this.phase);
    const actions = element("div", { className: "bar" }, this.seen, change, this.mute, this.able, remove);
    this.node = element("li", {}, head, this.what, this.life, actions, this.error, this.log.node);
    this.node.dataset.rule = rule.id;
    this.paint(rule);
  }

  paint(rule) {
    const changed = rule.state.phase !== this.rule.state.phase;
    this.rule = rule;
    const { phase } = rule.state;
    setText(this.name, rule.name);
    setText(this.what, describe(rule));
    setText(this.phase, phase === "ended" ? this.#end() : PHASES[phase]);
    setData(this.phase, "phase", phase);
    setText(this.life, this.#life());
    setText(this.mute, this.#muted() ? "Unmute" : "Mute 1 h");
    setText(this.able, rule.enabled ? "Disable" : "Enable");
    this.quiet.hidden = !this.#muted();
    this.quiet.title = this.#muted() ? `Until ${formatMoment(Date.parse(rule.muted_until))}` : "";
    this.seen.hidden = phase !== "firing";
    for (const [button, verb] of [[this.mute, this.mute.textContent], [this.able, this.able.textContent]]) {
      button.setAttribute("aria-label", `${verb}: ${rule.name}`);
    }
    if (changed) this.log.stale();
  }

  #end() {
    if (!this.rule.enabled) return "Disabled";
    return this.rule.expires_at && Date.parse(this.rule.expires_at) <= this.now() ? "Expired" : "Ended";
  }

  /** Since when it is where it is, and when that ends. */
  #life() {
    const { phase, since, due, value, fired_at: fired } = this.rule.state;
    const left = due ? formatDuration((Date.parse(due) - this.now()) / 1000) : null;
    if (phase === "pending") return `At ${value ?? "–"}: fires in ${left} if it lasts`;
    if (phase === "firing" || phase === "acknowledged") return `Since ${formatMoment(Date.parse(fired))}${value === null ? "" : `, at ${value}`}`;
    if (phase === "cooling") return `Does not fire again for ${left}`;
    if (phase === "ended") return since ? `Since ${formatMoment(Date.parse(since))}` : "";
    return fired ? `Fired last ${formatMoment(Date.parse(fired))}` : "Has not fired yet";
  }

  #alert() {
    const { id, state } = this.rule;
    return { rule: id, id: state.alert };
  }

  #muted() {
    return Boolean(this.rule.muted_until) && Date.parse(this.rule.muted_until) > this.now();
  }

  #inAnHour() {
    return new Date(this.now() + MUTED_MS).toISOString();
  }

  #change(changes) {
    return this.book.change(this.rule, changes);
  }

  #button(label, work) {
    const button = element("button", { type: "button", className: "button small", textContent: label });
    button.addEventListener("click", () => this.#run(button, work));
    return button;
  }

  #run(button, work) {
    return busy(button, work, (error) => {
      this.error.hidden = error === null;
      if (error === null) return;
      setText(this.error, error.status === 409 ? "It was changed meanwhile, and is read again: look, then try again." : error.message);
      if (error.status === 409) this.book.reread().catch(() => {});
    });
  }
}

/** `USD Coin: value < 0.98 for 5m`; of several topics the condition names them itself. */
function describe({ when, condition }) {
  const topics = topicsOf(when);
  return topics.length === 1 ? `${nameOf(topics[0])}: ${condition}` : condition;
}
