/**
 * A user's rules as the server has them, and what can be done with them. No DOM.
 *
 * Events: `change`; `replacing`, with the promise of the rule as it then is. Every change of a rule names the version that it changes, so none of somebody else's is overwritten.
 */
import { ApiError } from "./api.js";

const MOST = 200; // of rules that are looked at; more can be asked for
const FIELDS = ["name", "when", "for", "cooldown", "repeat", "enabled", "muted_until", "expires_at", "notify"];

/** What of a rule its user has written: what is sent to change it. */
export const bodyOf = (rule) => Object.fromEntries(FIELDS.map((name) => [name, rule[name]]));

export class RuleBook extends EventTarget {
  #rules = new Map();
  #loading = null;
  #changes = 0; // a list that was asked for before a change does not know of it

  constructor(api) {
    super();
    this.api = api;
    this.most = MOST;
    this.more = false; // whether there are more than are looked at
    this.loaded = false;
  }

  /** Newest first. */
  get rules() {
    return [...this.#rules.values()].sort((a, b) => (a.created_at < b.created_at ? 1 : -1));
  }

  get(id) {
    return this.#rules.get(id);
  }

  /** Read them all anew; who asks meanwhile gets the same. Raises ApiError. */
  refresh() {
    this.#loading ??= this.#load().finally(() => (this.#loading = null));
    return this.#loading;
  }

  /** As `refresh`, but nothing that was asked for before now will do. */
  async reread() {
    await this.#loading?.catch(() => {});
    return this.refresh();
  }

  async create(body) {
    return this.#keep(await this.api.make("alerts", body));
  }

  /** Raises ApiError, of status 409 if the rule was changed since it was read. */
  replace(rule, body) {
    const headers = { "if-match": `"${rule.version}"` };
    const answer = this.api.ask(`alerts/${rule.id}`, { method: "PUT", body, headers }).then((kept) => this.#keep(kept));
    this.#tell("replacing", answer);
    return answer;
  }

  change(rule, changes) {
    return this.replace(rule, { ...bodyOf(rule), ...changes });
  }

  async remove(rule) {
    try {
      await this.api.ask(`alerts/${rule.id}`, { method: "DELETE" });
    } catch (error) {
      if (!(error instanceof ApiError) || error.status !== 404) throw error; // somebody else was faster
    }
    this.#changes += 1;
    this.#rules.delete(rule.id);
    this.#tell();
  }

  async acknowledge(alert) {
    this.#keep(await this.api.ask(`alerts/${alert.rule}/acknowledge`, { method: "POST", body: { alert: alert.id } }));
  }

  /** What a rule told, newest first: `{items, more}`. */
  history(id) {
    return this.api.all(`alerts/${id}/history`, "alerts", { most: 50 });
  }

  /** The tries to tell it elsewhere, newest first: `{items, more}`. */
  deliveries(id) {
    return this.api.all(`alerts/${id}/deliveries`, "deliveries", { most: 50 });
  }

  replay(id, delivery) {
    return this.api.make(`alerts/${id}/deliveries/${encodeURIComponent(delivery)}/replay`);
  }

  async #load() {
    let before;
    let found;
    do {
      before = this.#changes;
      found = await this.api.all("alerts", "rules", { most: this.most });
    } while (before !== this.#changes);
    this.#rules = new Map(found.items.map((rule) => [rule.id, rule]));
    [this.more, this.loaded] = [found.more, true];
    this.#tell();
  }

  #keep(rule) {
    this.#changes += 1;
    this.#rules.set(rule.id, rule);
    this.#tell();
    return rule;
  }

  #tell(type = "change", detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
