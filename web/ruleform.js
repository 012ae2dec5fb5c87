/** Between a rule and the fields that it is written with. Pure. */
import { nameOf } from "./format.js";
import { bodyOf } from "./rulebook.js";

/** What a single condition may say; `needs` are the fields that it has. */
export const KINDS = [
  { id: "below", label: "is below", needs: ["value", "margin"] },
  { id: "above", label: "is above", needs: ["value", "margin"] },
  { id: "crosses_down", label: "crosses downwards", needs: ["value", "margin"] },
  { id: "crosses_up", label: "crosses upwards", needs: ["value", "margin"] },
  { id: "falls", label: "falls by", needs: ["value", "unit", "window", "margin"] },
  { id: "rises", label: "rises by", needs: ["value", "unit", "window", "margin"] },
  { id: "stale", label: "is silent for", needs: ["silence"] },
];
export const WINDOWS = ["5m", "15m", "1h", "4h", "24h", "7d"];
export const kindOf = (id) => KINDS.find((kind) => kind.id === id);
const AWAY = { price: 0.02, peg: 0.02, chain: 0.05, protocol: 0.05, yield: 0.1 }; // of today's value: worth a word
const SIDES = { below: -1, crosses_down: -1, above: 1, crosses_up: 1 };

/** A new rule on a topic: what somebody would probably ask of it. `row` as the market has it, or null. */
export function newFields(topic, row) {
  const kind = topic.startsWith("feed:") ? "stale" : "below";
  return {
    name: "",
    topic,
    kind,
    ...figuresFor(kind, row),
    unit: "change_pct",
    window: "1h",
    silence: "10m",
    for: topic.startsWith("peg:") ? "5m" : "0s",
    cooldown: "15m",
    repeat: "always",
    expires_at: null,
    muted_until: null,
    enabled: true,
    notify: [{ channel: "socket" }],
  };
}

/** Value and margin to begin with. */
export function figuresFor(kind, row) {
  if (kind === "falls" || kind === "rises") return { value: "5", margin: "1" };
  if (!(kind in SIDES) || !row || !Number.isFinite(row.value)) return { value: "", margin: "" };
  const away = Math.abs(row.value) * (AWAY[row.tab] ?? 0.02);
  return { value: rounded(row.value + SIDES[kind] * away, row.tab === "peg" ? 2 : 3), margin: rounded(away / 4, 1) };
}

/** In so many significant digits, without an exponent. */
export function rounded(value, digits) {
  return Number(value.toPrecision(digits)).toLocaleString("en-US", { useGrouping: false, maximumFractionDigits: 18 });
}

/** The fields of a rule, or null if they cannot say it: then it is written as JSON. */
export function fieldsOf(rule) {
  const { when } = rule;
  const kind = kindIn(when);
  if (kind === null) return null;
  const { value = "", margin = "", over } = when;
  return {
    ...bodyOf(rule),
    topic: when.topic,
    kind,
    value: kind === "falls" ? negated(String(value)) : String(value),
    margin: String(margin),
    unit: when.of && when.of !== "value" ? when.of : "change_pct",
    window: kind === "stale" ? "1h" : over ?? "1h",
    silence: kind === "stale" ? over : "10m",
  };
}

function kindIn({ topic, is, of = "value", all, any, not }) {
  if (all || any || not || typeof topic !== "string") return null;
  if (is === "stale") return "stale";
  if (of === "value") return is in SIDES ? is : null;
  return { above: "rises", below: "falls" }[is] ?? null;
}

/** The rule as it is sent. What was left empty is left out, so that the server says what it lacks. */
export function ruleOf(fields) {
  const { name, repeat, enabled, muted_until, expires_at, notify } = fields;
  return {
    name: name.trim() || suggestedName(fields),
    when: conditionOf(fields),
    for: fields.for.trim() || "0s",
    cooldown: repeat === "once" ? "0s" : fields.cooldown.trim() || "0s",
    repeat,
    enabled,
    muted_until,
    expires_at,
    notify,
  };
}

function conditionOf({ topic, kind, value, margin, unit, window, silence }) {
  if (kind === "stale") return { topic, is: "stale", over: silence.trim() };
  const more = margin.trim() ? { margin: margin.trim() } : {};
  if (kind in SIDES) return { topic, is: kind, ...said(value), ...more };
  const figure = kind === "falls" ? negated(value.trim()) : value.trim();
  return { topic, of: unit, over: window, is: kind === "falls" ? "below" : "above", ...said(figure), ...more };
}

const said = (value) => (value.trim() ? { value: value.trim() } : {});

function negated(text) {
  if (!text || Number(text) === 0) return text;
  return text.startsWith("-") ? text.slice(1) : `-${text.replace(/^\+/, "")}`;
}

/** `USD Coin below 0.98`. */
export function suggestedName({ topic, kind, value, unit, window, silence }) {
  const name = nameOf(topic) || "…";
  const by = `${value || "…"}${unit === "change_pct" ? " %" : ""} within ${window}`;
  const words = {
    falls: `falls by ${by}`,
    rises: `rises by ${by}`,
    stale: `silent for ${silence}`,
  };
  return `${name} ${words[kind] ?? `${kindOf(kind).label.replace(/^is /, "")} ${value || "…"}`}`.slice(0, 100);
}

/**
 * The place that a problem's pointer names, among `places`: itself, or the nearest one that holds it; null if none does.
 * A pointer into a dry run begins with `/rule`.
 */
export function placeOf(pointer, places) {
  let path = (pointer ?? "").replace(/^\/rule(?=\/|$)/, "");
  while (path) {
    if (places.includes(path)) return path;
    path = path.slice(0, path.lastIndexOf("/"));
  }
  return null;
}
