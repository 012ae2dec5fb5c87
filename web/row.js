/** One row of the table: writes what changed into its cells, and keeps a sparkline while it is in view. */
import { Sparkline } from "./charts.js";
import { setData, setText } from "./dom.js";
import { formatChange, formatDelay, formatDuration, formatValue } from "./format.js";

const template = document.getElementById("row");
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const INTERPOLATED = "Interpolated between two recorded points";
const MEASURED = "How old the newest data of this source was when that was last measured";

export class RowView {
  #spark = null;
  #shown = null;

  constructor(row) {
    this.row = row;
    this.node = template.content.firstElementChild.cloneNode(true);
    this.node.dataset.topic = row.topic;
    const [name, value, change, spark, age, delay] = this.node.children;
    this.cells = { name, value, change, spark, age, delay };
    this.tag = name.querySelector(".tag");
    name.querySelector(".bell").setAttribute("aria-label", `Make an alert for ${row.name}`);
    name.querySelector("b").textContent = row.name;
    name.querySelector("b").classList.toggle("mono", row.nameless);
    name.querySelector("b").title = row.topic;
    name.querySelector(".chip").textContent = row.topic.split(":", 1)[0];
    name.querySelector(".topic").textContent = row.nameless ? "" : row.topic.slice(row.topic.indexOf(":") + 1);
    this.paint(Date.now());
  }

  /** Write the row's state. Returns its update if this is the first time that it is shown. */
  paint(now) {
    const { row, cells } = this;
    const text = formatValue(row.tab, row.value);
    const change = formatChange(row.change, row.tab);
    setText(cells.value, row.interpolated ? `~${text}` : text);
    setText(cells.change, change.text);
    setData(cells.change, "direction", change.direction);
    const title = row.interpolated ? INTERPOLATED : row.tab === "feed" ? MEASURED : "";
    if (cells.value.title !== title) cells.value.title = title;
    this.#paintGap();
    this.age(now);
    setText(cells.delay, formatDelay(row.delay));
    this.#spark?.update();
    if (this.#shown === row.update) return null;
    const first = this.#shown === null;
    this.#shown = row.update;
    if (!first) this.#flash(change.direction);
    return row.update;
  }

  age(now) {
    setText(this.cells.age, this.row.publishedAt ? formatDuration((now - this.row.publishedAt) / 1000) : "–");
  }

  delay(ms) {
    this.row.delay = ms;
    setText(this.cells.delay, formatDelay(ms));
  }

  /** Sparklines cost a canvas each: only rows in view have one. */
  inView(visible) {
    if (visible) this.#spark ??= new Sparkline(this.cells.spark, this.row);
    else this.redraw(false);
  }

  redraw(again = true) {
    if (!this.#spark) return;
    this.#spark.destroy();
    this.#spark = again ? new Sparkline(this.cells.spark, this.row) : null;
  }

  get visible() {
    return this.#spark !== null;
  }

  #paintGap() {
    const { gap } = this.row;
    this.tag.hidden = gap === null;
    if (gap === null) return;
    setText(this.tag, gap === "open" ? "gap" : "lost");
    setData(this.tag, "gap", gap);
    this.tag.title = gap === "open" ? "An update is missing: it is being fetched" : "An update could not be had any more";
  }

  #flash(direction) {
    if (calm.matches || !this.visible) return;
    const tint = direction === "up" ? "var(--up-tint)" : direction === "down" ? "var(--down-tint)" : "var(--hover)";
    this.cells.value.animate([{ backgroundColor: tint }, { backgroundColor: "transparent" }], { duration: 900, easing: "ease-out" });
  }
}
