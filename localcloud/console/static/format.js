/** How numbers, spans and times are written. Pure. */

const SUFFIXES = [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e4, "k"]];

/** Three digits that matter, four before the point: 1,234; 12.3k; 0.012. */
export function formatNumber(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "–";
  const size = Math.abs(value);
  for (const [limit, suffix] of SUFFIXES) {
    if (size >= limit) {
      const unit = suffix === "k" ? 1e3 : limit;
      return `${trimmed(value / unit)}${suffix}`;
    }
  }
  if (size >= 100 || Number.isInteger(value)) return Math.round(value).toLocaleString("en-US");
  return trimmed(value);
}

function trimmed(value) {
  return String(Number(value.toPrecision(3)));
}

/** Milliseconds as people say them. */
export function formatMs(ms) {
  if (ms === null || ms === undefined) return "–";
  if (ms >= 60_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 10) return `${Math.round(ms)} ms`;
  return `${ms.toFixed(1)} ms`;
}

const pad = (number, width = 2) => String(number).padStart(width, "0");

/** A time of day here, with milliseconds if asked. */
export function formatTime(seconds, precise = false) {
  const date = new Date(seconds * 1000);
  const text = `${pad(date.getHours())}:${pad(date.getMinutes())}:${pad(date.getSeconds())}`;
  return precise ? `${text}.${pad(date.getMilliseconds(), 3)}` : text;
}

/** How long ago, roughly. */
export function formatAgo(seconds, now = Date.now() / 1000) {
  const ago = Math.max(0, now - seconds);
  if (ago < 90) return `${Math.round(ago)} s ago`;
  if (ago < 5400) return `${Math.round(ago / 60)} min ago`;
  return `${(ago / 3600).toFixed(1)} h ago`;
}

export const STATE_NAMES = { ALARM: "In alarm", OK: "OK", INSUFFICIENT_DATA: "No data" };
