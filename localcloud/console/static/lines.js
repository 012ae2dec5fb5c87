/** Lines as the API gives them, made ready to be drawn. Pure. */

export const isHere = (line) => line.source === "here";
export const isKnown = (value) => value !== null && value !== undefined;
export const hasData = (line) => line.values.some(isKnown);

/** One array of times for lines of any period, and each line's values at them. `lines`: [{start, period, values}]. */
export function aligned(lines) {
  const [first] = lines;
  const same = lines.every(({ start, period, values }) =>
    start === first.start && period === first.period && values.length === first.values.length);
  if (same) return { times: first ? first.values.map((_, i) => first.start + i * first.period) : [], values: lines.map((line) => line.values) };
  const places = new Map();
  for (const { start, period, values } of lines) values.forEach((_, i) => places.set(start + i * period, 0));
  const times = [...places.keys()].sort((a, b) => a - b);
  times.forEach((time, i) => places.set(time, i));
  const values = lines.map((line) => {
    // A longer period than the next line's: between its points there is nothing missing.
    const row = new Array(times.length).fill(undefined);
    line.values.forEach((value, i) => { row[places.get(line.start + i * line.period)] = value; });
    return row;
  });
  return { times, values };
}

/** Each row on top of those before it; where all are missing there is nothing. */
export function stacked(rows) {
  const sums = [];
  rows.forEach((row, i) => {
    sums.push(row.map((value, at) => {
      if (!rows.some((other) => isKnown(other[at]))) return null;
      return (value ?? 0) + (i ? sums[i - 1][at] ?? 0 : 0);
    }));
  });
  return sums;
}

/** Where a value stands alone: a line through one point would not be seen. */
export function lonely(values) {
  const known = (i) => isKnown(values[i]);
  const near = (i, step) => {
    let at = i + step;
    while (at >= 0 && at < values.length && values[at] === undefined) at += step;
    return at >= 0 && at < values.length && known(at);
  };
  return values.map((_, i) => i).filter((i) => known(i) && !near(i, -1) && !near(i, 1));
}

/** The newest value of a period that is over at `now`, else that of the one that goes on; null without any. */
export function latest(line, now) {
  for (let i = line.values.length - 1; i >= 0; i -= 1) {
    if (line.values[i] !== null && line.start + (i + 1) * line.period <= now) return line.values[i];
  }
  return line.values.findLast((value) => value !== null) ?? null;
}

/** The bounds of an axis: what its JSON says, else all that is drawn with a little air. */
export function bounds(axis, values, limits) {
  const known = [...values, ...limits].filter((value) => Number.isFinite(value));
  let low = axis?.min ?? Math.min(...known, known.length ? Infinity : 0);
  let high = axis?.max ?? Math.max(...known, known.length ? -Infinity : 1);
  const air = (high - low) * 0.08 || Math.abs(high) * 0.1 || 1;
  if (axis?.max === undefined) high += air;
  if (axis?.min === undefined && low !== 0) low -= air;
  return high > low ? [low, high] : [low, low + 1];
}
