/** The ways by which a rule tells: a list of selects, each with how long it waits for an acknowledgement. */
import { byId, element, fillOptions } from "./dom.js";

const MOST = 8;
const SOCKET = "socket";

export class Steps {
  constructor({ endpoints, onChange }) {
    Object.assign(this, { endpoints, onChange });
    this.list = byId("rule-steps");
    byId("rule-step").addEventListener("click", () => this.#add());
    endpoints.addEventListener("change", () => this.set(this.read()));
  }

  /** As a rule's `notify`. The first is told at once. */
  read() {
    return [...this.list.children].map((item, index) => {
      const [way, after] = [item.querySelector("select").value, item.querySelector("input").value.trim()];
      if (way === SOCKET) return { channel: SOCKET };
      const [channel, endpoint] = way.split(" ");
      return { channel, endpoint, ...(index > 0 && after && after !== "0s" ? { after } : {}) };
    });
  }

  set(steps) {
    const kept = this.list.contains(document.activeElement);
    this.list.replaceChildren(...steps.map((step, index) => this.#item(step, index, steps.length)));
    byId("rule-step").hidden = steps.length >= MOST || !this.#unused(steps).length;
    if (kept) this.list.querySelector("select")?.focus();
  }

  #add() {
    const steps = this.read();
    const [[way]] = this.#unused(steps);
    const [channel, endpoint] = way.split(" ");
    this.set([...steps, { channel, ...(endpoint ? { endpoint, after: "10m" } : {}) }]);
    this.list.lastElementChild.querySelector("select").focus();
    this.onChange();
  }

  #ways() {
    const known = this.endpoints.list.map(({ id, kind, url, address, verified_at: verified, disabled_at: disabled }) => [
      `${kind} ${id}`,
      `${kind === "email" ? "E-mail" : "Webhook"} ${url ?? address}${disabled ? " (disabled)" : verified ? "" : " (not verified)"}`,
    ]);
    return [[SOCKET, "This page (and every socket of yours)"], ...known];
  }

  #unused(steps) {
    const used = steps.map(wayOf);
    return this.#ways().filter(([way]) => !used.includes(way));
  }

  #item(step, index, count) {
    const way = wayOf(step);
    const ways = this.#ways();
    const select = element("select");
    fillOptions(select, ways.some(([known]) => known === way) ? ways : [...ways, [way, way]]);
    select.value = way;
    select.setAttribute("aria-label", `Way ${index + 1}`);
    const after = element("input", { value: step.after ?? "", placeholder: "at once", autocomplete: "off" });
    after.setAttribute("list", "durations");
    const wait = element("label", { className: "after" }, "if not acknowledged after ", after);
    wait.dataset.at = `/notify/${index}/after`;
    const paint = () => (wait.hidden = index === 0 || select.value === SOCKET);
    select.addEventListener("change", () => {
      if (select.value === SOCKET) after.value = "";
      paint();
    });
    paint();
    const remove = element("button", { type: "button", className: "button icon small", textContent: "✕" });
    remove.setAttribute("aria-label", `Remove way ${index + 1}`);
    remove.addEventListener("click", () => {
      this.set(this.read().filter((_, place) => place !== index));
      byId("rule-step").focus();
      this.onChange();
    });
    remove.hidden = count < 2;
    const item = element("li", {}, select, wait, remove);
    item.dataset.at = `/notify/${index}`;
    return item;
  }
}

const wayOf = ({ channel, endpoint }) => (endpoint ? `${channel} ${endpoint}` : channel);
