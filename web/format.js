/** How figures, names and times are written. Pure. */

export const TABS = [
  { id: "price", slug: "prices", label: "Prices", noun: "prices", prefix: "price:" },
  { id: "chain", slug: "chain-tvl", label: "Chain TVL", noun: "TVL of chains", prefix: "tvl:chain:" },
  { id: "protocol", slug: "protocol-tvl", label: "Protocol TVL", noun: "TVL of protocols", prefix: "tvl:protocol:" },
  { id: "peg", slug: "pegs", label: "Pegs", noun: "pegs", prefix: "peg:" },
  { id: "yield", slug: "yields", label: "Yields", noun: "yields", prefix: "yield:" },
  { id: "feed", slug: "sources", label: "Sources", noun: "sources", prefix: "feed:" },
].map((tab) => ({ ...tab, wildcard: `${tab.prefix}*` }));

const SUFFIXES = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "K"],
];

/** The tab that shows a topic, or null for kinds without one. */
export function tabOf(topic) {
  return TABS.find(({ prefix }) => topic.startsWith(prefix))?.id ?? null;
}

function restOf(topic) {
  const tab = TABS.find(({ prefix }) => topic.startsWith(prefix));
  return tab ? topic.slice(tab.prefix.length) : topic;
}

/** Whether nobody calls it anything: an address or the id of a pool. */
export function isNameless(topic) {
  const rest = restOf(topic);
  return rest.includes(":") || /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.test(rest);
}

/** What people call it: `price:wrapped-bitcoin` is "Wrapped Bitcoin"; addresses and ids are only shortened. */
export function nameOf(topic) {
  const rest = restOf(topic);
  if (isNameless(topic) || rest.length > 34) return rest.length > 26 ? `${rest.slice(0, 14)}…${rest.slice(-8)}` : rest;
  return rest
    .split("-")
    .map((word) => (/^(usd|btc|eth|dao|ton|bsc|amm|dex|v\d+)$/.test(word) ? word.toUpperCase() : capital(word)))
    .join(" ");
}

function capital(word) {
  return word.charAt(0).toUpperCase() + word.slice(1);
}

/** A value in its topic's unit: dollars, percent a year, or the age of a source's data when that was measured. */
export function formatValue(tab, value) {
  if (!Number.isFinite(value)) return "–";
  if (tab === "chain" || tab === "protocol") return `$${compact(value)}`;
  if (tab === "peg") return `$${value.toFixed(4)}`;
  if (tab === "yield") return `${value.toFixed(2)} %`;
  if (tab === "feed") return `was ${formatDuration(value)} old`;
  return formatPrice(value);
}

/** Dollars with the digits that matter: two from $1 upwards, four significant ones below. */
export function formatPrice(value) {
  const size = Math.abs(value);
  if (size >= 1) return `$${value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  if (size === 0) return "$0.00";
  return `$${value.toFixed(Math.min(18, 3 - Math.floor(Math.log10(size))))}`;
}

/** Labels of an axis: one unit for all, and as many digits as its step has: 52.5 K is not 53 K. */
export function formatTicks(tab, ticks) {
  const known = ticks.filter((tick) => tick !== null);
  const step = known.length > 1 ? Math.abs(known[1] - known[0]) : 1;
  const size = Math.max(...known.map(Math.abs));
  const [scale, suffix] = (tab !== "feed" && tab !== "yield" && SUFFIXES.find(([scale]) => size >= scale * 10)) || [1, ""];
  const digits = digitsOf(step / scale);
  const [before, after] = tab === "yield" ? ["", " %"] : tab === "feed" ? ["", " s"] : ["$", suffix && ` ${suffix}`];
  return ticks.map((tick) => `${before}${grouped(tick / scale, digits)}${after}`);
}

function digitsOf(step) {
  let digits = Math.min(12, Math.max(0, Math.ceil(-Math.log10(step) - 1e-9)));
  const isWhole = () => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-3;
  while (digits < 12 && !isWhole()) digits += 1;
  return digits;
}

function grouped(value, digits) {
  return value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function compact(value) {
  for (const [scale, suffix] of SUFFIXES) {
    if (Math.abs(value) >= scale * 0.9995) return `${(value / scale).toFixed(2)} ${suffix}`;
  }
  return value.toFixed(2);
}

/** `{text, direction}`: an arrow and a sign as well as the direction's colour; a growing lag has none, it is no gain. */
export function formatChange(percent, tab = null) {
  if (percent === null || !Number.isFinite(percent)) return { text: "–", direction: "flat" };
  const size = Math.abs(percent);
  const digits = size.toFixed(size >= 100 ? 0 : 2);
  if (Number(digits) === 0) return { text: "0.00 %", direction: "flat" };
  const text = percent > 0 ? `▲ +${digits} %` : `▼ −${digits} %`;
  return { text, direction: tab === "feed" ? "flat" : percent > 0 ? "up" : "down" };
}

/** Seconds as people say them: `4 s`, `3 min`, `2 h`, `5 d`. */
export function formatDuration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 100) return `${whole} s`;
  if (whole < 5400) return `${Math.round(whole / 60)} min`;
  if (whole < 172_800) return `${Math.round(whole / 3600)} h`;
  return `${Math.round(whole / 86_400)} d`;
}

export function formatDelay(ms) {
  if (ms === null || !Number.isFinite(ms)) return "–";
  return Math.abs(ms) < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(Math.abs(ms) < 9950 ? 1 : 0)} s`;
}

/** `19 May 2021`, in UTC. */
export function formatDay(ms) {
  return new Date(ms).toLocaleDateString("en-GB", { day: "numeric", month: "long", year: "numeric", timeZone: "UTC" });
}

/** `19 May 2021 14:00 UTC`. */
export function formatDate(ms) {
  return `${formatDay(ms)} ${new Date(ms).toISOString().slice(11, 16)} UTC`;
}

/**
 * Labels of a time axis that is marked every `step` seconds: the time and, under the first and wherever the day
 * changes, the date. Steps of days have dates alone. `timeZone` undefined is the reader's own.
 */
export function formatTimes(ticks, step, timeZone) {
  let day = null;
  return ticks.map((tick) => {
    const date = new Date(tick * 1000);
    const today = date.toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone });
    if (step >= 86_400) return today;
    const seconds = step < 60 ? { second: "2-digit" } : {};
    const time = date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit", ...seconds, timeZone });
    const changed = today !== day;
    day = today;
    return changed ? `${time}\n${today}` : time;
  });
}

/** `19 May, 14:00`, by the reader's clock. */
export function formatMoment(ms) {
  const date = new Date(ms);
  const day = date.toLocaleDateString("en-GB", { day: "numeric", month: "short" });
  return `${day}, ${date.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" })}`;
}

export function formatClock(ms) {
  return new Date(ms).toLocaleTimeString("en-GB");
}

export function plural(count, one, many = `${one}s`) {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : many}`;
}
