/** Lines over time with uPlot: plain or stacked, with a right axis and limits drawn across. */
import { formatNumber, formatTime } from "./format.js";
import { aligned, bounds, isHere, isKnown, lonely, stacked } from "./lines.js";
import { element, setText } from "./make.js";

const COLOURS = 12;
const SILENT_MANY = 3;
const AXIS_FONT = "11px system-ui, sans-serif";
const together = () => uPlot.sync("console");

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function colourOf(line, index) {
  return line.color || css(`--c${index % COLOURS}`);
}

/** A graph in `host`; `update(spec)` draws other data. spec: {lines, stacked, axes: {left, right}, limits, start, end}. */
export class Graph {
  constructor(host, { legend = true, spark = false } = {}) {
    this.host = host;
    this.spark = spark;
    this.plotHost = element("div", { className: "plot" });
    this.legend = legend ? element("ul", { className: "legend" }) : null;
    host.replaceChildren(this.plotHost, ...(this.legend ? [this.legend] : []));
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(this.plotHost);
  }

  update(spec) {
    this.spec = spec;
    const drawn = spec.lines.filter(isHere); // what is made of metrics that are not here would be a guess
    const { times, values } = aligned(drawn);
    this.values = values;
    const rows = spec.stacked ? stacked(values) : values;
    const shape = JSON.stringify([drawn.map((line) => [line.label, line.axis]), spec.stacked, spec.limits, spec.axes]);
    this.drawn = drawn;
    if (this.plot && shape === this.shape) this.plot.setData([times, ...rows]);
    else this.#build(shape, [times, ...rows]);
    if (this.legend) this.#tellSilent();
    this.#tell(null);
  }

  /** Anew, in the colours of now. */
  recolour() {
    this.shape = null;
    if (this.spec) this.update(this.spec);
  }

  destroy() {
    this.observer.disconnect();
    this.plot?.destroy();
  }

  #build(shape, data) {
    this.plot?.destroy();
    this.shape = shape;
    this.plot = new uPlot(this.#options(), data, this.plotHost);
    this.plotHost.plot = this.plot; // for whoever looks from outside
    this.#buildLegend();
  }

  #options() {
    const { spec, drawn } = this;
    const right = drawn.some((line) => line.axis === "right");
    return {
      ...this.#size(),
      padding: this.spark ? [2, 0, 0, 0] : [24, right ? 4 : 10, 0, 0],
      legend: { show: false },
      select: { show: false },
      cursor: this.spark ? { show: false } : { sync: { key: together().key, setSeries: false }, drag: { x: false, y: false }, y: false, points: { size: 6 } },
      scales: {
        x: { time: true, range: () => [this.spec.start, this.spec.end] },
        y: { range: (plot) => this.#bounds(plot, "left") },
        right: { range: (plot) => this.#bounds(plot, "right") },
      },
      axes: this.spark ? [{ show: false }, { show: false }] : this.#axes(right),
      series: [{}, ...drawn.map((line, i) => this.#series(line, i))],
      bands: spec.stacked ? drawn.slice(1).map((_, i) => ({ series: [i + 2, i + 1] })) : [],
      hooks: { draw: [(plot) => this.#drawLimits(plot)], setCursor: [(plot) => this.#tell(plot.cursor.idx)] },
    };
  }

  #series(line, index) {
    const stroke = this.spark ? css("--accent") : colourOf(line, index);
    const fill = this.spec.stacked ? `${stroke}59` : this.spark ? `${stroke}22` : undefined;
    return {
      label: line.label,
      scale: line.axis === "right" ? "right" : "y",
      stroke,
      fill,
      width: 1.6,
      points: { show: true, size: 5, fill: stroke, filter: (plot, i) => lonely(plot.data[i]) },
    };
  }

  #axes(right) {
    const [muted, line] = [css("--muted"), css("--line")];
    const common = { stroke: muted, font: AXIS_FONT, ticks: { show: false }, grid: { stroke: line, width: 1 } };
    const numbers = (plot, splits) => splits.map(formatNumber);
    const side = { ...common, values: numbers, size: widest, gap: 5, space: 28 };
    return [
      { ...common, size: 24, gap: 4, space: 64, grid: { show: false }, values: (plot, splits) => splits.map((at) => clock(at, this.spec)) },
      { ...side, scale: "y" },
      ...(right ? [{ ...side, scale: "right", side: 1, grid: { show: false } }] : []),
    ];
  }

  #bounds(plot, side) {
    const rows = plot.data.slice(1).filter((_, i) => (this.drawn[i]?.axis === "right" ? "right" : "left") === side);
    const flat = rows.flatMap((row) => row.filter(isKnown));
    const limits = (this.spec.limits ?? []).filter((limit) => (limit.yAxis ?? "left") === side).map((limit) => limit.value);
    return bounds(this.spark ? undefined : this.spec.axes?.[side], flat, limits);
  }

  #drawLimits(plot) {
    const { ctx, bbox } = plot;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.textBaseline = "alphabetic";
    ctx.font = `${11 * ratio}px system-ui, sans-serif`;
    for (const limit of this.spec.limits ?? []) {
      const y = Math.round(plot.valToPos(limit.value, limit.yAxis === "right" ? "right" : "y", true));
      ctx.strokeStyle = limit.color || css("--down");
      ctx.fillStyle = css("--down"); // readable in both themes, which a colour of the JSON need not be
      ctx.lineWidth = ratio;
      ctx.textAlign = "left";
      ctx.setLineDash([5 * ratio, 4 * ratio]);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
      if (limit.label) ctx.fillText(limit.label, bbox.left + 6 * ratio, y - 4 * ratio);
    }
    this.#drawUnits(ctx, bbox, ratio);
    ctx.restore();
  }

  #drawUnits(ctx, bbox, ratio) {
    if (this.spark) return;
    ctx.fillStyle = css("--muted");
    for (const [side, axis] of Object.entries(this.spec.axes ?? {})) {
      if (!axis?.label) continue;
      const right = side === "right";
      ctx.textAlign = right ? "right" : "left";
      ctx.fillText(axis.label, right ? bbox.left + bbox.width + 30 * ratio : 8 * ratio, bbox.top - 13 * ratio);
    }
  }

  #buildLegend() {
    if (!this.legend) return;
    const rows = this.spec.lines.map((line) => {
      const index = this.drawn.indexOf(line);
      const value = element("b", {});
      const swatch = element("i", {});
      if (index >= 0) swatch.style.background = colourOf(line, index);
      const row = element("li", { title: line.source === "aws" ? "Only AWS measures this" : isHere(line) ? "" : line.source },
        swatch, element("span", { textContent: line.axis === "right" ? `${line.label} →` : line.label }), value);
      if (!isHere(line)) row.className = "absent";
      return { row, value, index, label: line.label };
    });
    this.told = rows;
    this.silent = element("li", { className: "absent" });
    this.legend.replaceChildren(...rows.map(({ row }) => row), this.silent);
  }

  /** Lines without data are one word: the legend is for those that can be seen. */
  #tellSilent() {
    const silent = this.told.filter(({ index }) => index >= 0 && !this.values[index].some(isKnown));
    const many = silent.length >= SILENT_MANY;
    for (const each of this.told) each.row.hidden = many && silent.includes(each);
    this.silent.hidden = !many;
    setText(this.silent, `${silent.length} without data`);
    this.silent.title = silent.map(({ label }) => label).join(", ");
  }

  /** The values under the cursor, else the newest of each line. */
  #tell(at) {
    const time = this.plot?.data[0][at];
    this.host.dataset.at = time ? formatTime(time) : "";
    for (const { value, index } of this.told ?? []) {
      if (index < 0) { setText(value, "AWS only"); continue; }
      const row = this.values[index] ?? [];
      const shown = at === null || at === undefined ? row.findLast(isKnown) : row[at];
      setText(value, formatNumber(shown));
    }
  }

  #size() {
    return { width: Math.max(40, this.plotHost.clientWidth), height: Math.max(24, this.plotHost.clientHeight) };
  }

  #fit() {
    if (this.plot && this.plotHost.clientWidth) this.plot.setSize(this.#size());
  }
}

function widest(_plot, labels) {
  return 12 + 6.4 * Math.max(2, ...(labels ?? []).map((label) => label.length));
}

function clock(at, { start, end }) {
  const text = formatTime(at);
  return end - start > 240 ? text.slice(0, 5) : text;
}
