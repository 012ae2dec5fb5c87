/** The drawer of alerts: opens beside the page, one of its panels at a time. */
import { byId, setText } from "./dom.js";

const PANELS = ["inbox", "rules", "channels"];

/** What happened, for those who do not see it. */
export function say(text) {
  setText(byId("alerts-said"), text);
}

export class Drawer {
  #panels = null;
  #shown = "inbox";
  #back = null;

  constructor() {
    this.dialog = byId("alerts");
    byId("alerts-open").addEventListener("click", () => (this.dialog.open ? this.close() : this.open()));
    byId("alerts-close").addEventListener("click", () => this.close());
    this.dialog.addEventListener("keydown", (event) => this.#key(event));
    for (const name of PANELS) byId(`alerts-tab-${name}`).addEventListener("click", () => this.choose(name));
  }

  /** `panels` by name, each with `show` and `hide`. Until they are there the drawer asks for a key. */
  fill(panels) {
    this.#panels = panels;
    byId("alerts-body").hidden = false;
    this.#mark();
  }

  /** One of its panels; else the one that `preferred` names, or that was open last. */
  open(name = this.preferred?.() ?? this.#shown) {
    if (!this.dialog.open) {
      this.#back = document.activeElement;
      this.dialog.show();
      byId("alerts-open").setAttribute("aria-expanded", "true");
    }
    if (!this.#panels) return byId("key").focus();
    this.choose(name);
    byId(`alerts-tab-${name}`).focus();
  }

  close() {
    if (!this.dialog.open) return;
    this.#panels?.[this.#shown].hide();
    this.dialog.close();
    byId("alerts-open").setAttribute("aria-expanded", "false");
    (this.#back?.isConnected && this.#back !== document.body ? this.#back : byId("alerts-open")).focus();
  }

  choose(name) {
    this.#panels[this.#shown].hide();
    this.#shown = name;
    this.#mark();
    this.#panels[name].show();
  }

  #mark() {
    for (const name of PANELS) {
      const [tab, panel] = [byId(`alerts-tab-${name}`), byId(`alerts-${name}`)];
      tab.setAttribute("aria-selected", String(name === this.#shown));
      tab.tabIndex = name === this.#shown ? 0 : -1;
      panel.hidden = name !== this.#shown;
    }
  }

  #key(event) {
    event.stopPropagation(); // the page's own keys are not for here
    if (event.key === "Escape") this.close();
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || event.target.role !== "tab") return;
    event.preventDefault();
    const next = PANELS[(PANELS.indexOf(this.#shown) + step + PANELS.length) % PANELS.length];
    this.choose(next);
    byId(`alerts-tab-${next}`).focus();
  }
}
