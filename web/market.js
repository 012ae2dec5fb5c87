/** What is known of every topic, as the page shows it: newest value, change, series, age, state of its continuity. */
import { isNameless, nameOf, tabOf } from "./format.js";

const SERIES_LENGTH = 600;
const OPENED_AT = Date.now();

export class Market {
  rows = new Map();
  tapeAt = null; // the newest source time among recorded values
  #interpolates = false;

  /** Apply accepted updates in order; returns the rows they changed. */
  apply(items, receivedAt) {
    const changed = new Set();
    for (const { update, outcome, replayed } of items) {
      const row = this.#row(update.topic);
      if (row === null) continue;
      if (outcome === "epoch") row.series.cut();
      const at = pointTime(update, receivedAt);
      if (outcome !== "late" && isRecorded(update) && row.series.isAfter(at)) row.series.clear(); // the tape was rewound
      row.series.add(at, Number(update.value));
      if (outcome !== "late") show(row, update, { receivedAt, replayed });
      if (row.recorded) this.tapeAt = Math.max(this.tapeAt ?? 0, Date.parse(update.observed_at));
      this.#interpolates ||= row.interpolated;
      changed.add(row);
    }
    return changed;
  }

  get interpolates() {
    return this.#interpolates;
  }

  forget(topics) {
    for (const topic of topics) this.rows.delete(topic);
  }

  /** A gap moved: `open`, `filled`, `recovered` or `lost`. Returns the row, if there is one. */
  gap(topic, status) {
    const row = this.rows.get(topic);
    if (!row) return null;
    row.gap = status === "open" || status === "lost" ? status : null;
    row.gapAt = Date.now();
    if (status === "lost") row.series.cut();
    return row;
  }

  #row(topic) {
    let row = this.rows.get(topic);
    if (row) return row;
    const tab = tabOf(topic);
    if (tab === null) return null;
    row = { topic, tab, name: nameOf(topic), nameless: isNameless(topic), series: new Series(), gap: null, delay: null, value: NaN, change: null };
    row.search = `${topic} ${row.name}`.toLowerCase();
    this.rows.set(topic, row);
    return row;
  }
}

function show(row, update, { receivedAt, replayed }) {
  row.update = update;
  row.value = Number(update.value);
  row.change = update.change_pct === null || update.change_pct === undefined ? null : Number(update.change_pct);
  row.publishedAt = Date.parse(update.published_at);
  row.receivedAt = receivedAt;
  row.recorded = isRecorded(update);
  row.interpolated = row.recorded && update.source.includes("interpolated");
  row.fresh = !update.snapshot && !replayed; // only such an update says how long the way is
  if (row.fresh) row.delay = receivedAt - row.publishedAt; // until it is on the screen, if its row is listed
  if (row.gap === "lost" && receivedAt - row.gapAt > 60_000) row.gap = null;
}

function isRecorded(update) {
  return Boolean(update.source?.startsWith("recorded"));
}

/**
 * Where a value stands on the chart. A recorded one: at the time of the record. A live one: when it was published; a
 * snapshot may be hours old, and on a chart that begins when the page opened it is the value at that moment.
 */
function pointTime(update, receivedAt) {
  if (isRecorded(update)) return Date.parse(update.observed_at);
  const published = Date.parse(update.published_at);
  return published < OPENED_AT ? (update.snapshot ? receivedAt : OPENED_AT) : published;
}

/** Values by time, those that came since the page opened, at most SERIES_LENGTH, in order even when frames are not. */
export class Series {
  times = []; // seconds, as the charting library wants them
  values = []; // null where the line must break: something was lost there

  add(ms, value) {
    const time = ms / 1000;
    let at = this.times.length;
    while (at > 0 && this.times[at - 1] > time) at -= 1;
    this.times.splice(at, 0, time);
    this.values.splice(at, 0, value);
    if (this.times.length > SERIES_LENGTH) {
      this.times.shift();
      this.values.shift();
    }
  }

  /** Whether its end lies after that time. */
  isAfter(ms) {
    return this.times.length > 0 && this.times.at(-1) > ms / 1000 + 0.001;
  }

  clear() {
    this.times.length = this.values.length = 0;
  }

  cut() {
    if (this.times.length && this.values.at(-1) !== null) {
      this.times.push(this.times.at(-1) + 0.001);
      this.values.push(null);
    }
  }

  /** The last `count` values, evenly spaced: for a sparkline. */
  tail(count) {
    const values = this.values.slice(-count);
    return [values.map((_, index) => index), values];
  }
}
