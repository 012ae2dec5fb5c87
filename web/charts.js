/** uPlot, twice: a sparkline per visible row, updated in place, and the chart of the chosen topic. */
import { formatTicks } from "./format.js";

const SPARK_POINTS = 60;
const SPARK_HEIGHT = 30;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
let palette = {};

/** Read the theme's colours; call again when it changes, then redraw. */
export function readPalette() {
  const names = ["up", "down", "flat", "accent", "muted", "line"];
  palette = Object.fromEntries(names.map((name) => [name, colour(`--${name}`)]));
}

function trend(values) {
  const known = values.filter((value) => value !== null);
  const move = known.length > 1 ? known.at(-1) - known[0] : 0;
  return move > 0 ? "up" : move < 0 ? "down" : "flat";
}

export class Sparkline {
  constructor(host, row) {
    this.row = row;
    const data = this.#data();
    this.plot = new uPlot(
      {
        width: host.clientWidth || 112,
        height: SPARK_HEIGHT,
        padding: [3, 3, 3, 3],
        pxAlign: 0,
        cursor: { show: false },
        legend: { show: false },
        select: { show: false },
        scales: { x: { time: false } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: () => palette[this.direction], width: 1.5, points: { show: false } }],
      },
      data,
      host,
    );
  }

  update() {
    this.plot.setData(this.#data());
  }

  destroy() {
    this.plot.destroy();
  }

  #data() {
    const data = this.row.series.tail(SPARK_POINTS);
    this.direction = this.row.tab === "feed" ? "flat" : trend(data[1]);
    return data;
  }
}

/** Room for an axis: its longest label. */
function widest(_plot, labels) {
  return 14 + 6.5 * Math.max(0, ...(labels ?? []).map((label) => label.length));
}

export class DetailChart {
  constructor(host, row) {
    this.host = host;
    this.row = row;
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(host);
    this.plot = new uPlot(this.#options(), this.#data(), host);
  }

  update() {
    this.plot.setData(this.#data());
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }

  /** A single value has no line yet: it is drawn as lasting until now. */
  #data() {
    const { times, values } = this.row.series;
    if (times.length !== 1) return [times, values];
    return [[times[0], Math.max(times[0] + 1, Date.now() / 1000)], [values[0], values[0]]];
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width && height) this.plot.setSize({ width, height });
  }

  #options() {
    const axis = { stroke: () => palette.muted, font: "11px system-ui", ticks: { show: false } };
    const grid = { stroke: () => palette.line, width: 1 };
    const money = (_plot, ticks) => formatTicks(this.row.tab, ticks);
    const clock = (_plot, ticks) => ticks.map((tick) => new Date(tick * 1000).toLocaleTimeString("en-GB"));
    return {
      width: this.host.clientWidth || 300,
      height: this.host.clientHeight || 200,
      padding: [8, 20, 0, 0],
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      axes: [
        { ...axis, grid: { show: false }, values: clock, space: 80, size: 26 },
        { ...axis, grid, values: money, size: widest, space: 36 },
      ],
      series: [{}, { stroke: () => palette.accent, width: 2, points: { show: false }, fill: () => `${palette.accent}1f` }],
    };
  }
}
