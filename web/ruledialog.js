/** The dialog in which a rule is written: fields for a single condition, JSON for all that a rule can say. */
import { busy } from "./busy.js";
import { byId, element, fillOptions, setText } from "./dom.js";
import { formatValue, nameOf } from "./format.js";
import { DryRun } from "./dryrun.js";
import { bodyOf } from "./rulebook.js";
import { fieldsOf, figuresFor, kindOf, KINDS, newFields, placeOf, ruleOf, suggestedName, WINDOWS } from "./ruleform.js";
import { Steps } from "./steps.js";

const SUGGESTED = 300; // topics
const TEXTS = ["name", "topic", "kind", "value", "unit", "window", "silence", "margin", "for", "cooldown", "repeat"];
const TIMES = ["expires_at", "muted_until"];

export class RuleDialog {
  #rule = null; // the one that is changed, null for a new one
  #asJson = false;
  #own = new Set(); // fields that somebody has written in: no default takes their place

  /** `clock(topic)` as of DryRun. */
  constructor({ api, book, endpoints, market, clock, say }) {
    Object.assign(this, { book, endpoints, market, clock, say });
    this.dialog = byId("rule");
    this.form = byId("rule-form");
    this.error = byId("rule-error");
    this.past = new DryRun({ api, clock });
    this.steps = new Steps({ endpoints, onChange: () => this.#clear() });
    fillOptions(this.#field("kind"), KINDS.map(({ id, label }) => [id, label]));
    fillOptions(this.#field("window"), WINDOWS.map((window) => [window, window]));
    this.#bind();
  }

  /** A new rule on `topic`, or on one that is still to be named. */
  create(topic = "") {
    this.#open(null, "New rule", "Create");
    this.#own.clear();
    this.#fill(newFields(topic, this.market.rows.get(topic)));
    this.#write(false);
    this.#field(topic ? "value" : "topic").focus();
    if (topic.startsWith("feed:")) this.#field("silence").focus();
  }

  /** A rule as it is; one of several conditions is shown as JSON. */
  edit(rule) {
    this.#open(rule, "Change the rule", "Save");
    const fields = fieldsOf(rule);
    this.#own = new Set(TEXTS);
    this.#fill(fields ?? { ...newFields("", null), ...bodyOf(rule) });
    byId("rule-json").value = JSON.stringify(bodyOf(rule), null, 2);
    this.#write(fields === null);
    (fields ? this.#field("topic") : byId("rule-json")).focus();
  }

  #bind() {
    byId("rule-close").addEventListener("click", () => this.dialog.close());
    byId("rule-as-form").addEventListener("click", () => this.#toForm());
    byId("rule-as-json").addEventListener("click", () => this.#toJson());
    byId("rule-try").addEventListener("click", () => this.#run(byId("rule-try"), (rule) => this.past.show(rule)));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#run(byId("rule-save"), (rule) => this.#save(rule));
    });
    this.form.addEventListener("input", ({ target }) => this.#typed(target));
    this.dialog.addEventListener("keydown", (event) => event.stopPropagation()); // the page's own keys are not for here
    this.dialog.addEventListener("close", () => this.past.close());
  }

  #field(name) {
    return this.form.elements[name];
  }

  #open(rule, title, save) {
    this.#rule = rule;
    setText(byId("rule-title"), title);
    setText(byId("rule-save"), save);
    this.#clear();
    this.past.close();
    byId("rule-topics").replaceChildren(...[...this.market.rows.keys()].slice(0, SUGGESTED).map((topic) => new Option(topic, topic)));
    this.endpoints.refresh().catch(() => {}); // without them this page is the way to tell
    if (!this.dialog.open) this.dialog.showModal();
    this.dialog.scrollTop = 0;
  }

  #fill(fields) {
    this.enabled = fields.enabled;
    for (const name of TEXTS) this.#field(name).value = fields[name] ?? "";
    for (const name of TIMES) this.#field(name).value = localText(fields[name]);
    this.steps.set(fields.notify);
    this.#arrange();
  }

  #read() {
    const texts = Object.fromEntries(TEXTS.map((name) => [name, this.#field(name).value.trim()]));
    const times = Object.fromEntries(TIMES.map((name) => [name, instant(this.#field(name).value)]));
    return { ...texts, ...times, enabled: this.enabled, notify: this.steps.read() };
  }

  /** Only the fields that its kind has, in the words and the unit of its topic. */
  #arrange() {
    const { topic, kind, unit } = this.#read();
    const { needs } = kindOf(kind);
    for (const label of this.form.querySelectorAll("[data-needs]")) label.hidden = !needs.includes(label.dataset.needs);
    const isPercent = needs.includes("unit") && unit === "change_pct";
    setText(byId("rule-value-label"), isPercent ? "Percent" : topic.startsWith("yield:") ? "Value (% a year)" : topic.startsWith("feed:") ? "Value (s)" : "Value ($)");
    const isCrossing = kind.startsWith("crosses");
    this.#field("for").closest("label").hidden = isCrossing; // it is over at once: nothing to last
    if (isCrossing) this.#field("for").value = "0s";
    this.#field("cooldown").closest("label").hidden = this.#field("repeat").value === "once";
    const row = this.market.rows.get(topic);
    setText(byId("rule-now"), row ? `${nameOf(topic)} is at ${formatValue(row.tab, row.value)} now (exactly ${row.update.value}).` : "");
    this.#field("name").placeholder = suggestedName(this.#read());
  }

  #typed(target) {
    this.past.close(); // of what was written before
    if (target.id === "rule-json") return this.#clear();
    this.#own.add(target.name);
    this.#clear();
    if (target.name === "kind" || target.name === "topic") this.#suggest(target.name);
    this.#arrange();
  }

  /** Another kind or topic has other defaults, but for what was written by hand. */
  #suggest(name) {
    const { topic, kind } = this.#read();
    const row = this.market.rows.get(topic);
    const fresh = name === "topic" && row ? newFields(topic, row) : {};
    const wanted = { ...fresh, ...figuresFor(this.#own.has("kind") ? kind : fresh.kind ?? kind, row) };
    for (const field of ["kind", "value", "margin", "for"]) {
      if (field in wanted && !this.#own.has(field)) this.#field(field).value = wanted[field];
    }
  }

  #toJson() {
    if (this.#asJson) return;
    byId("rule-json").value = JSON.stringify(ruleOf(this.#read()), null, 2);
    this.#write(true);
    byId("rule-json").focus();
  }

  #toForm() {
    if (!this.#asJson) return;
    const rule = this.#parsed();
    if (rule === null) return;
    const fields = rule.when && typeof rule.when === "object" ? fieldsOf({ ...ruleOf(newFields("", null)), ...rule }) : null;
    if (fields === null) return this.#complain("The form has room for a single condition on one topic. This rule is written as JSON.");
    this.#own = new Set(TEXTS);
    this.#fill(fields);
    this.#write(false);
    this.#field("topic").focus();
  }

  #write(asJson) {
    this.#asJson = asJson;
    byId("rule-as-form").setAttribute("aria-pressed", String(!asJson));
    byId("rule-as-json").setAttribute("aria-pressed", String(asJson));
    byId("rule-fields").hidden = asJson;
    byId("rule-written").hidden = !asJson;
    this.#clear();
  }

  #parsed() {
    try {
      return JSON.parse(byId("rule-json").value);
    } catch (error) {
      this.#complain(`This is not JSON: ${error.message}`);
      return null;
    }
  }

  #run(button, work) {
    this.#clear();
    const rule = this.#asJson ? this.#parsed() : ruleOf(this.#read());
    if (rule !== null) busy(button, () => work(rule), (error) => error && this.#refused(error));
  }

  async #save(rule) {
    const before = this.#rule;
    const kept = before ? await this.book.replace(before, rule) : await this.book.create(rule);
    this.dialog.close();
    this.say(`${before ? "Saved" : "Created"}: ${kept.name}.`);
    this.onSaved?.(kept);
  }

  /** Said where the server's pointer leads: at the field, or above them all. */
  #refused({ message, pointer, status }) {
    if (status === 409) return this.#complain(`${capital(message)}. Close this and open it anew: what you wrote would undo somebody's change.`);
    const places = this.#asJson ? [] : [...this.form.querySelectorAll("[data-at]")].filter((node) => !node.closest("[hidden]"));
    const path = placeOf(pointer, places.map((node) => node.dataset.at));
    if (path === null) return this.#complain(pointer ? `${pointer.replace(/^\/rule(?=\/)/, "")}: ${message}` : `${capital(message)}.`);
    const place = places.find((node) => node.dataset.at === path);
    const control = place.querySelector("input, select");
    place.append(element("small", { className: "bad", id: "rule-wrong", textContent: capital(message) }));
    control.setAttribute("aria-invalid", "true");
    control.setAttribute("aria-describedby", "rule-wrong");
    control.focus();
  }

  #complain(text) {
    this.error.hidden = false;
    setText(this.error, text);
    this.error.focus();
  }

  #clear() {
    this.error.hidden = true;
    byId("rule-wrong")?.remove();
    for (const node of this.form.querySelectorAll("[aria-invalid]")) {
      node.removeAttribute("aria-invalid");
      node.removeAttribute("aria-describedby");
    }
  }
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Between a time and what an input of dates and times has: the reader's own clock, to the minute. */
function localText(time) {
  if (!time) return "";
  const at = new Date(time);
  return new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function instant(text) {
  return text ? new Date(text).toISOString() : null;
}
