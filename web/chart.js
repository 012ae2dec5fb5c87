/** The chart of one topic, drawn by uPlot: a line or candles, with what is missing shaded. */
import { palette } from "./charts.js";
import { formatTicks, formatTimes } from "./format.js";

const WIDEST_CANDLE = 14; // pixels

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

export class Chart {
  #shown = { columns: [[], [], [], [], []], gaps: [] };
  #from = 0;
  #until = 1;

  /** `onCursor(index)`: of the candle under the pointer, or null. `timeZone` undefined is the reader's own. */
  constructor(host, { tab, timeZone, style, width_s, onCursor }) {
    Object.assign(this, { host, tab, timeZone, style, width_s, onCursor });
    this.observer = new ResizeObserver(() => this.#fit());
    this.observer.observe(host);
    this.plot = new uPlot(this.#options(), this.#data(), host);
  }

  /** What Timeline.plotted gave, from `from_s` until `until_s`; `marks`, if there are, are `[[from, to]]` that stand out. */
  show(shown, from_s, until_s) {
    [this.#shown, this.#from, this.#until] = [shown, from_s, until_s];
    this.plot.setData(this.#data());
  }

  /** Put the cursor on a candle. */
  point(index) {
    const left = this.plot.valToPos(this.#shown.columns[0][index], "x");
    const top = this.plot.valToPos(this.#shown.columns[4][index], "y");
    this.plot.setCursor({ left, top });
  }

  destroy() {
    this.observer.disconnect();
    this.plot.destroy();
  }

  #data() {
    const { columns } = this.#shown;
    return this.style === "line" ? [columns[0], columns[4]] : columns;
  }

  #fit() {
    const { clientWidth: width, clientHeight: height } = this.host;
    if (width && height) this.plot.setSize({ width, height });
  }

  #options() {
    const axis = { stroke: () => palette.muted, font: "11px system-ui", ticks: { show: false } };
    const grid = { stroke: () => palette.line, width: 1 };
    const money = (_plot, ticks) => formatTicks(this.tab, ticks);
    const clock = (_plot, ticks, _axis, _space, step) => formatTimes(ticks, step, this.timeZone);
    const isLine = this.style === "line";
    const alone = { show: false, size: 5, filter: (plot, series) => isolated(plot.data[series]) };
    const line = { stroke: () => palette.accent, width: 2, points: alone };
    const unseen = { stroke: null, points: { show: false } }; // candles are drawn below; the scale comes from these
    return {
      width: this.host.clientWidth || 300,
      height: this.host.clientHeight || 200,
      padding: [8, 30, 0, 0], // half of the longest time stands to the right of the last mark
      tzDate: (seconds) => zoned(seconds, this.timeZone),
      scales: { x: { range: () => [this.#from, this.#until] }, y: { range: closeRange } },
      legend: { show: false },
      cursor: { drag: { x: false, y: false }, points: isLine ? { size: 7 } : { show: false } },
      axes: [
        { ...axis, grid: { show: false }, values: clock, space: 76, size: tallest },
        { ...axis, grid, values: money, size: widest, space: 36 },
      ],
      series: isLine ? [{}, line] : [{}, unseen, unseen, unseen, unseen],
      hooks: {
        drawAxes: [(plot) => this.#shade(plot)],
        draw: isLine ? [] : [(plot) => this.#candles(plot)],
        setCursor: [(plot) => this.onCursor(plot.cursor.left >= 0 ? plot.cursor.idx : null)],
      },
    };
  }

  #shade({ ctx, bbox, valToPos }) {
    ctx.save();
    ctx.fillStyle = palette.line;
    ctx.globalAlpha = 0.45;
    for (const [from, to] of this.#shown.gaps) {
      const left = Math.max(bbox.left, valToPos(from, "x", true));
      const right = Math.min(bbox.left + bbox.width, valToPos(to, "x", true));
      if (right > left) ctx.fillRect(left, bbox.top, right - left, bbox.height);
    }
    this.#mark(ctx, bbox, valToPos);
    ctx.restore();
  }

  /** A band, and a line where it begins: a short one would be a hair's breadth. */
  #mark(ctx, { left, top, width, height }, valToPos) {
    ctx.beginPath();
    ctx.rect(left, top, width, height);
    ctx.clip();
    ctx.fillStyle = palette.warn;
    for (const [from, to] of this.#shown.marks ?? []) {
      const [begin, end] = [valToPos(from, "x", true), valToPos(to, "x", true)];
      ctx.globalAlpha = 0.22;
      ctx.fillRect(begin, top, end - begin, height);
      ctx.globalAlpha = 1;
      ctx.fillRect(begin - devicePixelRatio, top, 2 * devicePixelRatio, height);
    }
  }

  #candles({ ctx, bbox, valToPos }) {
    const [times, opens, highs, lows, closes] = this.#shown.columns;
    const room = Math.abs(valToPos(this.width_s, "x", true) - valToPos(0, "x", true));
    const width = Math.max(1, Math.min(WIDEST_CANDLE * devicePixelRatio, Math.floor(room * 0.7)));
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    times.forEach((time, index) => {
      if (closes[index] === null) return;
      const x = Math.round(valToPos(time + this.width_s / 2, "x", true));
      const [open, high, low, close] = [opens, highs, lows, closes].map((column) => valToPos(column[index], "y", true));
      const direction = closes[index] > opens[index] ? "up" : closes[index] < opens[index] ? "down" : "flat";
      ctx.fillStyle = palette[direction];
      ctx.fillRect(x - devicePixelRatio / 2, high, devicePixelRatio, Math.max(1, low - high));
      const body = Math.max(devicePixelRatio, Math.abs(close - open));
      ctx.fillRect(x - width / 2, Math.min(open, close), width, body);
      if (direction === "up" && width >= 5 && body > 3 * devicePixelRatio) {
        ctx.fillStyle = palette.surface; // hollow: up and down differ in more than colour
        ctx.fillRect(x - width / 2 + devicePixelRatio, Math.min(open, close) + devicePixelRatio, width - 2 * devicePixelRatio, body - 2 * devicePixelRatio);
      }
    });
    ctx.restore();
  }
}

/** Values between two gaps, which no line would show. */
function isolated(values) {
  const isMissing = (index) => (values[index] ?? null) === null;
  return [...values.keys()].filter((index) => !isMissing(index) && isMissing(index - 1) && isMissing(index + 1));
}

function zoned(seconds, timeZone) {
  const date = new Date(seconds * 1000);
  return timeZone ? uPlot.tzDate(date, timeZone) : date;
}
