/** A topic's past, as `GET /v1/history/{topic}` tells it. No DOM. */

const MINUTE_S = 60;
const HOUR_S = 3600;
const DAY_S = 86_400;
const PAGES = 20; // of a thousand; what is behind them would not be told apart on a screen

/** What may be looked at: `span_s` back from now, read in candles of `width_s`, drawn as candles of `wide_s`. */
export const RANGES = [
  { id: "1h", label: "1 h", span_s: HOUR_S, width_s: MINUTE_S, wide_s: MINUTE_S, interval: "1m" },
  { id: "24h", label: "24 h", span_s: DAY_S, width_s: 5 * MINUTE_S, wide_s: 30 * MINUTE_S, interval: "5m" },
  { id: "7d", label: "7 d", span_s: 7 * DAY_S, width_s: HOUR_S, wide_s: 3 * HOUR_S, interval: "1h" },
  { id: "30d", label: "30 d", span_s: 30 * DAY_S, width_s: HOUR_S, wide_s: 12 * HOUR_S, interval: "1h" },
  { id: "1y", label: "1 y", span_s: 365 * DAY_S, width_s: DAY_S, wide_s: 7 * DAY_S, interval: "1d" },
];

export const rangeOf = (id) => RANGES.find((range) => range.id === id) ?? RANGES[1];

/** What the server refused or could not answer; `status` is 0 if it was not reached. */
export class HistoryError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

/**
 * Everything from `now_s - range.span_s` on: `{points: [{at, open, high, low, close}], live}`, times in seconds, in
 * order; `live` is `{epoch, offset}`, from which on the stream has what is not among the points, or null.
 *
 * `recorded`: the clock is a recording's. Fine candles are made of recent data alone, so single observations are asked
 * for. Raises HistoryError, or AbortError by `signal`.
 */
export async function readHistory(topic, range, { baseUrl, now_s, recorded, signal, get = fetch }) {
  const interval = recorded && range.width_s < HOUR_S ? "raw" : range.interval;
  const from = new Date((now_s - range.span_s) * 1000).toISOString();
  const address = `${baseUrl}/v1/history/${encodeURIComponent(topic)}?${new URLSearchParams({ from, interval })}`;
  const points = [];
  let live = null;
  let cursor = null;
  for (let page = 0; page < PAGES; page += 1) {
    const answer = await ask(cursor ? `${address}&cursor=${encodeURIComponent(cursor)}` : address, { signal, get });
    for (const item of answer.candles ?? answer.observations) points.push(pointOf(item));
    ({ live, next: cursor } = answer);
    if (!cursor) break;
  }
  return { points, live };
}

async function ask(address, { signal, get }) {
  let answer;
  try {
    answer = await get(address, { signal, headers: { accept: "application/json" } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new HistoryError("the server cannot be reached", 0);
  }
  if (answer.ok) return answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new HistoryError(problem.detail ?? problem.title ?? `the server answers ${answer.status}`, answer.status);
}

function pointOf({ start, open, high, low, close, observed_at, value }) {
  const [at, one] = [Date.parse(start ?? observed_at) / 1000, Number(value)];
  if (start === undefined) return { at, open: one, high: one, low: one, close: one };
  return { at, open: Number(open), high: Number(high), low: Number(low), close: Number(close) };
}
