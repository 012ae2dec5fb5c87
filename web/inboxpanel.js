/** The list of alerts that were told, newest first, to be acknowledged; and the count beside the page's title. */
import { busy, into } from "./busy.js";
import { byId, element, setData, setText } from "./dom.js";
import { formatDuration, formatMoment, nameOf } from "./format.js";

const TITLE = document.title;
const STATES = { firing: "Firing", acknowledged: "Acknowledged", resolved: "Over" };

export class InboxPanel {
  #views = new Map(); // id -> {node, paint}
  #shown = false;

  /** `acknowledge(alert)` resolves when the server knows. */
  constructor({ inbox, acknowledge }) {
    Object.assign(this, { inbox, acknowledge });
    inbox.addEventListener("change", () => this.#paint());
    document.addEventListener("visibilitychange", () => this.#look());
    this.#paint();
  }

  show() {
    this.#shown = true;
    this.#look();
    this.#paint();
  }

  hide() {
    this.#shown = false;
  }

  #look() {
    if (this.#shown && !document.hidden) this.inbox.read();
  }

  #paint() {
    this.#look();
    const { unread, alerts } = this.inbox;
    document.title = unread ? `(${unread}) ${TITLE}` : TITLE;
    setText(byId("alerts-unread"), String(unread));
    byId("alerts-unread").hidden = unread === 0;
    byId("alerts-open").setAttribute("aria-label", unread ? `Alerts, ${unread} new` : "Alerts");
    const on = alerts.filter(({ state }) => state === "firing").length;
    setText(byId("inbox-note"), on ? `${on} not acknowledged` : "");
    this.#place(alerts);
  }

  #place(alerts) {
    const list = byId("inbox");
    const ids = new Set(alerts.map(({ id }) => id));
    for (const [id, { node }] of this.#views) {
      if (ids.has(id)) continue;
      node.remove();
      this.#views.delete(id);
    }
    if (!alerts.length) {
      list.replaceChildren(element("li", { className: "nothing" }, "Nothing has fired. What does while this page is open is listed here; the rest is in the history of its rule."));
      return;
    }
    list.querySelector(".nothing")?.remove();
    alerts.forEach((alert, index) => {
      const view = this.#views.get(alert.id) ?? this.#add(alert);
      if (list.children[index] !== view.node) list.insertBefore(view.node, list.children[index] ?? null);
      view.paint(alert);
    });
  }

  #add(alert) {
    const [phase, text, age] = [element("span", { className: "phase" }), element("p", { className: "what" }), element("p", { className: "muted" })];
    const seen = acknowledgeButton(alert, this.acknowledge);
    const head = element("header", {}, element("b", {}, alert.name), phase);
    const node = element("li", {}, head, text, age, element("div", { className: "bar" }, seen.button), seen.error);
    node.dataset.alert = alert.id;
    const paint = (now) => {
      setText(phase, STATES[now.state]);
      setData(phase, "phase", now.state === "resolved" ? "ended" : now.state);
      setText(text, sentence(now));
      setText(age, lasted(now));
      if (now.state !== "firing" && seen.button === document.activeElement) byId("alerts-tab-inbox").focus();
      seen.button.parentElement.hidden = now.state !== "firing";
    };
    const view = { node, paint };
    this.#views.set(alert.id, view);
    return view;
  }
}

/** `USD Coin at 0.9611 (value < 0.98 for 5m)`. */
export function sentence({ topic, value, condition }) {
  return `${nameOf(topic)}${value === null ? "" : ` at ${value}`} (${condition})`;
}

/** A button that acknowledges, and where it says that this did not work. */
export function acknowledgeButton(alert, acknowledge) {
  const button = element("button", { type: "button", className: "button small", textContent: "Acknowledge" });
  const error = element("p", { className: "note bad", hidden: true });
  error.setAttribute("role", "alert");
  button.setAttribute("aria-label", `Acknowledge ${alert.name}`);
  button.addEventListener("click", () => busy(button, () => acknowledge(alert), into(error)));
  return { button, error };
}

function lasted({ state, fired_at: fired, at }) {
  const begin = Date.parse(fired);
  if (state === "resolved") return `${formatMoment(begin)}, for ${formatDuration((Date.parse(at) - begin) / 1000)}`;
  return `Since ${formatMoment(begin)}`;
}
