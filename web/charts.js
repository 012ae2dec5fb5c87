/** uPlot, twice: a sparkline per visible row, updated in place, and the chart of the chosen topic. */
import { formatTicks, formatTimes } from "./format.js";

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

/** The values' own range with a little air; never down to zero for its own sake. A flat line lies in the middle. */
function closeRange(_plot, low, high) {
  if (low === null) return [0, 1];
  const air = high > low ? (high - low) * 0.12 : Math.abs(low) * 0.002 || 1;
  return [low - air, high + air];
}

/** Room below: one line, or two where dates stand under times. */
function tallest(_plot, labels) {
  return labels?.some((label) => label.includes("\n")) ? 40 : 26;
}

/** Room for an axis: its longest label. */
function widest(_plot, labels) {
  return 14 + 6.5 * Math.max(0, ...(labels ?? []).map((label) => label.length));
}

export class DetailChart {
  /** `now()` is the present in seconds, on the clock of the row's times. */
  constructor(host, row, now) {
    Object.assign(this, { host, row, now });
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
    return [[times[0], Math.max(times[0] + 1, this.now())], [values[0], values[0]]];
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width && height) this.plot.setSize({ width, height });
  }

  #options() {
    const axis = { stroke: () => palette.muted, font: "11px system-ui", ticks: { show: false } };
    const grid = { stroke: () => palette.line, width: 1 };
    const money = (_plot, ticks) => formatTicks(this.row.tab, ticks);
    const timeZone = this.row.recorded ? "UTC" : undefined;
    const clock = (_plot, ticks, _axis, _space, step) => formatTimes(ticks, step, timeZone);
    return {
      width: this.host.clientWidth || 300,
      height: this.host.clientHeight || 200,
      padding: [8, 30, 0, 0], // half of the longest time stands to the right of the last mark
      tzDate: (seconds) => (timeZone ? uPlot.tzDate(new Date(seconds * 1000), timeZone) : new Date(seconds * 1000)),
      scales: { y: { range: closeRange } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: { size: 7 } },
      axes: [
        { ...axis, grid: { show: false }, values: clock, space: 76, size: tallest },
        { ...axis, grid, values: money, size: widest, space: 36 },
      ],
      series: [{}, { stroke: () => palette.accent, width: 2, points: { show: false } }],
    };
  }
}
