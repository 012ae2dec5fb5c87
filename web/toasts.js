/** Tells of an alert as it comes: a note over the page, and outside of it if that was asked for. There is no sound. */
import { byId, element, setText } from "./dom.js";
import { acknowledgeButton, sentence } from "./inboxpanel.js";

const MOST = 3; // notes at once; the list has them all
const CHOICE = "defi-stream-notify";

export class Toasts {
  #shown = new Map(); // id -> node

  constructor({ inbox, acknowledge, open, say }) {
    Object.assign(this, { inbox, acknowledge, open, say });
    this.host = byId("toasts");
    this.more = element("button", { type: "button", className: "button small", hidden: true });
    this.more.addEventListener("click", () => this.open());
    this.host.append(this.more);
    inbox.addEventListener("fired", ({ detail }) => this.#fired(detail));
    inbox.addEventListener("change", () => this.#sweep());
  }

  #fired(alert) {
    if (document.hidden) notifyOutside(alert);
    if (!this.inbox.isUnread(alert.id)) return this.say(`${alert.name}: ${sentence(alert)}`); // it was seen as it came into the list
    const seen = acknowledgeButton(alert, this.acknowledge);
    const close = element("button", { type: "button", className: "button icon small", textContent: "✕" });
    close.setAttribute("aria-label", `Dismiss ${alert.name}`);
    close.addEventListener("click", () => this.#remove(alert.id));
    const show = element("button", { type: "button", className: "button small", textContent: "Show" });
    show.addEventListener("click", () => this.open());
    const text = element("div", {}, element("b", {}, alert.name), element("p", {}, sentence(alert)));
    text.setAttribute("role", "alert");
    const node = element("div", { className: "toast" }, text, close, element("div", { className: "bar" }, seen.button, show), seen.error);
    node.dataset.alert = alert.id;
    this.#shown.set(alert.id, node);
    this.host.prepend(node);
    this.#count();
  }

  /** What is acknowledged, over or was seen in the list needs no note. */
  #sweep() {
    for (const id of this.#shown.keys()) if (!this.inbox.isUnread(id)) this.#remove(id);
  }

  #remove(id) {
    this.#shown.get(id)?.remove();
    this.#shown.delete(id);
    this.#count();
  }

  #count() {
    const nodes = [...this.#shown.values()].reverse();
    nodes.forEach((node, index) => (node.hidden = index >= MOST));
    this.more.hidden = nodes.length <= MOST;
    setText(this.more, `${nodes.length - MOST} more`);
  }
}

/** The button that asks the browser to be let tell outside of the page: it is asked on a click and never else. */
export function bindNotify(say) {
  const button = byId("inbox-notify");
  if (!("Notification" in globalThis)) button.hidden = true;
  const paint = () => {
    button.setAttribute("aria-pressed", String(isWanted()));
    button.disabled = globalThis.Notification?.permission === "denied";
    button.title = button.disabled ? "Your browser forbids it: allow notifications for this page first" : "When another tab is in front; without a sound";
  };
  button.addEventListener("click", async () => {
    const wanted = !isWanted() && (await Notification.requestPermission()) === "granted";
    choose(wanted);
    paint();
    say(wanted ? "Alerts are told outside of this page too." : "Alerts are told on this page only.");
  });
  paint();
}

function isWanted() {
  try {
    return globalThis.Notification?.permission === "granted" && localStorage.getItem(CHOICE) === "on";
  } catch {
    return false;
  }
}

function choose(wanted) {
  try {
    localStorage.setItem(CHOICE, wanted ? "on" : "off");
  } catch {
    // storage may be forbidden: then they are told on the page only
  }
}

function notifyOutside(alert) {
  if (!isWanted()) return;
  try {
    const note = new Notification(alert.name, { body: sentence(alert), tag: alert.id, silent: true, icon: "/favicon.svg" });
    note.onclick = () => {
      focus();
      note.close();
    };
  } catch {
    // phones let only a service worker do this: the page has its own note
  }
}
