/** The list of a user's rules, kept fresh for as long as it is looked at. */
import { byId, element, setText } from "./dom.js";
import { plural } from "./format.js";
import { RuleView } from "./ruleview.js";

const FRESH_MS = 5000; // a rule's way through pending and cooling is told to nobody: it is asked for
const PAGE = 50;

export class RulesPanel {
  #views = new Map();
  #timer = null;

  /** `tools` are what RuleView needs. */
  constructor(tools) {
    Object.assign(this, { tools, book: tools.book });
    this.list = byId("rules");
    this.book.addEventListener("change", () => this.#paint());
    byId("rules-new").addEventListener("click", () => tools.edit(null));
    byId("rules-more").addEventListener("click", () => {
      this.book.most += 200;
      this.read();
    });
  }

  show() {
    this.hide();
    this.tools.endpoints.refresh().catch(() => {}); // their addresses, in the log of deliveries
    this.read();
    const pause = Math.max(FRESH_MS, (this.book.rules.length / PAGE) * FRESH_MS); // as many requests a minute, however many rules
    this.#timer = setInterval(() => document.hidden || this.read(), pause);
  }

  hide() {
    clearInterval(this.#timer);
    this.#timer = null;
  }

  /** An alert was told: where its rule is has changed. */
  told() {
    if (this.#timer !== null) this.read();
  }

  /** Read the rules anew; what was shown stays if they cannot be had. */
  async read() {
    const error = byId("rules-error");
    if (!this.book.loaded) setText(byId("rules-note"), "Loading…");
    try {
      await this.book.reread();
      error.hidden = true;
    } catch (problem) {
      error.hidden = false;
      setText(error, `Your rules cannot be read: ${problem.message}`);
      if (!this.book.loaded) setText(byId("rules-note"), "");
    }
  }

  #paint() {
    const { rules, more } = this.book;
    setText(byId("rules-note"), rules.length ? plural(rules.length, "rule") + (more ? ", the newest" : "") : "");
    byId("rules-more").hidden = !more;
    const ids = new Set(rules.map(({ id }) => id));
    for (const [id, view] of this.#views) if (!ids.has(id)) this.#remove(id, view);
    if (!rules.length) {
      this.list.replaceChildren(element("li", { className: "nothing" }, "None yet. Make one here, or from a topic: open its row and choose “Alert…”."));
      return;
    }
    this.list.querySelector(".nothing")?.remove();
    rules.forEach((rule, index) => {
      const known = this.#views.get(rule.id);
      const view = known ?? new RuleView(rule, this.tools);
      this.#views.set(rule.id, view);
      known?.paint(rule);
      if (this.list.children[index] !== view.node) this.list.insertBefore(view.node, this.list.children[index] ?? null);
    });
  }

  #remove(id, view) {
    const hadFocus = view.node.contains(document.activeElement);
    view.node.remove();
    this.#views.delete(id);
    if (hadFocus) byId("rules-new").focus();
  }
}
