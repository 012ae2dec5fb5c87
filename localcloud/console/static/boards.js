/** The dashboards, each widget where its JSON puts it. */
import { ask } from "./api.js";
import { element, link } from "./make.js";
import { Widget } from "./widgets.js";

export class Boards {
  constructor(host, context) {
    this.context = context;
    this.tabs = element("nav", { className: "tabs", ariaLabel: "Dashboards" });
    this.grid = element("div", { className: "board" });
    host.replaceChildren(this.tabs, this.grid);
    this.widgets = [];
  }

  async open([name]) {
    this.names ??= (await ask("boards")).boards;
    const chosen = this.names.includes(name) ? name : this.names[0];
    this.tabs.replaceChildren(...this.names.map((each) => {
      const tab = link(`#/boards/${each}`, each);
      if (each === chosen) tab.ariaCurrent = "page";
      return tab;
    }));
    if (chosen !== this.name) this.#clear();
    this.name = chosen;
    await this.refresh();
  }

  async refresh() {
    const { name } = this;
    const board = await ask(`boards/${name}`, { minutes: this.context.minutes });
    if (name !== this.name) return; // another was chosen in the meantime
    if (this.widgets.length !== board.widgets.length) {
      this.#clear();
      const order = (a, b) => (a.y - b.y) || (a.x - b.x); // reading order, for small screens and the keyboard
      board.widgets.sort(order);
      this.widgets = board.widgets.map((widget) => new Widget(widget));
      this.grid.replaceChildren(...this.widgets.map(({ node }) => node));
    } else board.widgets.sort((a, b) => (a.y - b.y) || (a.x - b.x));
    this.widgets.forEach((widget, i) => widget.update(board.widgets[i], board));
    this.grid.dataset.board = board.name;
    this.grid.dataset.end = board.end;
  }

  /** The dashboard `step` further on. */
  turn(step) {
    const at = this.names.indexOf(this.name);
    location.hash = `#/boards/${this.names[(at + step + this.names.length) % this.names.length]}`;
  }

  recolour() {
    for (const widget of this.widgets) widget.recolour();
  }

  close() {
    this.#clear();
  }

  #clear() {
    for (const widget of this.widgets) widget.destroy();
    this.widgets = [];
    this.grid.replaceChildren();
  }
}
