/**
 * The alerts that were told: by the stream, and those that are on when the page comes or comes back. No DOM, no clock.
 *
 * Guarantees: an alert is one entry however often and on whichever way it is told; it goes on to `acknowledged` and
 * `resolved` and never back; `fired` is told once for each alert, and only for one that is on.
 * Events: `change`, and `fired` with the alert.
 */
const ORDER = ["firing", "acknowledged", "resolved"];
const KEPT = 200;

export class Inbox extends EventTarget {
  #alerts = new Map(); // id -> alert, as it was told last
  #unread = new Set();
  #toldAt = new Map(); // id -> the tick at which it was told last
  tick = 0;

  /** Newest first. */
  get alerts() {
    return [...this.#alerts.values()].sort((a, b) => (a.fired_at < b.fired_at ? 1 : -1));
  }

  get unread() {
    return this.#unread.size;
  }

  isUnread(id) {
    return this.#unread.has(id);
  }

  get(id) {
    return this.#alerts.get(id);
  }

  /** An alert as it is told. One that is only shown (`ring` false: the last one, which may be over for long) is read. */
  take(alert, { ring = true } = {}) {
    const known = this.#alerts.get(alert.id);
    if (known && ORDER.indexOf(alert.state) <= ORDER.indexOf(known.state)) return;
    this.#alerts.set(alert.id, { ...known, ...alert });
    this.#toldAt.set(alert.id, (this.tick += 1));
    if (alert.state !== "firing") this.#unread.delete(alert.id);
    const fired = !known && ring && alert.state === "firing";
    if (fired) this.#unread.add(alert.id);
    for (const { id } of this.alerts.slice(KEPT)) this.#forget(id);
    this.#tell("change");
    if (fired) this.#tell("fired", alert);
  }

  /** All have been looked at. */
  read() {
    if (!this.#unread.size) return;
    this.#unread.clear();
    this.#tell("change");
  }

  /**
   * How the rules were at `asOf`, a tick, or later, for who was away or has missed something: what is on is listed,
   * what is off is over, but for what was told since.
   */
  reconcile(rules, { ring, asOf }) {
    const on = new Map(rules.map((rule) => [rule.id, onAlert(rule)]));
    for (const alert of this.alerts) {
      if (alert.state === "resolved" || !on.has(alert.rule) || this.#toldAt.get(alert.id) > asOf) continue;
      if (on.get(alert.rule)?.id !== alert.id) this.take({ ...alert, state: "resolved" }, { ring: false });
    }
    for (const alert of on.values()) if (alert) this.take(alert, { ring });
  }

  #forget(id) {
    this.#alerts.delete(id);
    this.#unread.delete(id);
    this.#toldAt.delete(id);
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** The alert that is on by a rule's state, or null. */
function onAlert({ id, name, condition, when, muted_until, state }) {
  if (!["firing", "acknowledged"].includes(state.phase) || !state.alert) return null;
  if (muted_until && muted_until > state.fired_at) return null; // told to nobody
  const { phase, alert, fired_at, value, since } = state;
  return { id: alert, rule: id, name, condition, state: phase, topic: topicsOf(when)[0], value, fired_at, at: since };
}

/** The topics that a condition names, each once. */
export function topicsOf(when) {
  const parts = when.all ?? when.any ?? (when.not ? [when.not] : null);
  return parts ? [...new Set(parts.flatMap(topicsOf))] : [when.topic];
}
