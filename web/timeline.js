/**
 * One topic's candles: those of its history, and what the stream has brought since. Pure: no I/O, no clock.
 *
 * Guarantees: updates may come before the history, more than once and in any order; each is in one candle, and none
 * that the history already has changes it. The result is the same as if the history had been read afterwards.
 */
const SPACINGS = 3; // so many usual distances without a value are a gap
const NEAR = 6; // what is usual is told by so many distances before and after
const ENOUGH = 2; // one on a side tells nothing: it may be a gap itself

export class Timeline {
  #candles = new Map(); // start -> candle
  #waiting = []; // updates that came before the history
  #seen = new Set(); // "epoch offset" of updates
  #loaded = false;
  #live = null;

  /** Candles of `width_s` seconds. */
  constructor(width_s) {
    this.width_s = width_s;
  }

  get loaded() {
    return this.#loaded;
  }

  get size() {
    return this.#candles.size;
  }

  /** The history: points in order of time, and the position from which on the stream has the rest. */
  load({ points, live }) {
    this.#live = live;
    this.#loaded = true;
    for (const point of points) this.#merge(point);
    for (const update of this.#waiting.splice(0)) this.#take(update);
  }

  /** One of the stream's updates. */
  add(update) {
    if (this.#loaded) this.#take(update);
    else this.#waiting.push(update);
  }

  /**
   * In candles of `wide_s`: `[times, opens, highs, lows, closes]` from `from_s` until `until_s`, in order, and `gaps`, `[[from, to]]` of where
   * nothing was observed for longer than is usual thereabouts, since a past may be daily and the present hourly: all but the times are null there.
   */
  plotted(from_s, until_s, wide_s = this.width_s) {
    const fine = [...this.#candles.values()].filter(({ start }) => start + this.width_s > from_s && start <= until_s);
    fine.sort((a, b) => a.start - b.start);
    const candles = wider(spaced(fine), wide_s);
    const [columns, gaps] = [[[], [], [], [], []], []];
    const put = (...values) => values.forEach((value, index) => columns[index].push(value));
    let last = null;
    for (const { start, open, high, low, close, usual_s } of candles) {
      if (last !== null && start - last > Math.max(1.5 * wide_s, SPACINGS * usual_s)) {
        gaps.push([last + wide_s, start]);
        put((last + start) / 2, null, null, null, null);
      }
      put(start, open, high, low, close);
      last = start;
    }
    return { columns, gaps };
  }

  #take(update) {
    const key = `${update.epoch} ${update.offset}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const known = this.#live !== null && update.epoch === this.#live.epoch && update.offset <= this.#live.offset;
    if (known) return;
    const [at, value] = [Date.parse(update.observed_at) / 1000, Number(update.value)];
    this.#merge({ at, open: value, high: value, low: value, close: value });
  }

  /** Into its candle: extremes by size, the close by time. What is older than all that is there opens it. */
  #merge({ at, open, high, low, close }) {
    const start = floor(at, this.width_s);
    const kept = this.#candles.get(start);
    if (!kept) {
      this.#candles.set(start, { start, open, high, low, close, firstAt: at, lastAt: at });
      return;
    }
    kept.high = Math.max(kept.high, high);
    kept.low = Math.min(kept.low, low);
    if (at < kept.firstAt) [kept.open, kept.firstAt] = [open, at];
    if (at >= kept.lastAt) [kept.close, kept.lastAt] = [close, at];
  }
}

function floor(at, width) {
  return at - (((at % width) + width) % width);
}

/** Candles in order, each of them in one of `wide_s`. */
function wider(candles, wide_s) {
  const found = [];
  for (const { start, open, high, low, close, usual_s } of candles) {
    const wide = floor(start, wide_s);
    if (found.at(-1)?.start !== wide) found.push({ start: wide, open, high, low, close, usual_s });
    else {
      const last = found.at(-1);
      Object.assign(last, { high: Math.max(last.high, high), low: Math.min(last.low, low), close });
    }
  }
  return found;
}

/** Candles in order, each with the distance that is usual around the one before it: the longer of before and after. */
function spaced(candles) {
  const distances = candles.slice(1).map(({ start }, index) => start - candles[index].start);
  const overall = median(distances);
  return candles.map((candle, index) => {
    const sides = [distances.slice(Math.max(0, index - 1 - NEAR), Math.max(0, index - 1)), distances.slice(index, index + NEAR)];
    const telling = sides.filter((side) => side.length >= ENOUGH);
    return { ...candle, usual_s: telling.length ? Math.max(...telling.map(median)) : overall };
  });
}

function median(distances) {
  return distances.toSorted((a, b) => a - b)[Math.floor(distances.length / 2)] ?? 0;
}
