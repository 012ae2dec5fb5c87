/** What the client says: which subscription covers a topic, how a long `since` is cut, how fast it may speak. */

export const RATES = ["realtime", "1s", "5s", "15s", "60s"];
export const MIN_CHANGES = ["0.5", "1", "2", "5", "10"];

const PART_TOPICS = 100;
const PART_BYTES = 24_000; // the gateway's frames hold 32 KB

// Four fifths of each tier's commands a second and burst, so that a user's own click is never refused.
const ALLOWANCES = { free: [1.6, 8], pro: [8, 40], enterprise: [40, 160] };

export const MY_ALERTS = "alerts:me"; // the server tells them as `alerts:{user}`, and nobody else's

/** Whether a subscription to `pattern` (a topic, a wildcard or one's own alerts) covers `topic`. */
export function matches(pattern, topic) {
  if (pattern === MY_ALERTS) return topic.startsWith("alerts:");
  return pattern === topic || (pattern.endsWith(":*") && topic.startsWith(pattern.slice(0, -1)));
}

/** The pattern that delivers `topic`: an exact one beats a wildcard, a longer wildcard a shorter one. */
export function coverOf(patterns, topic) {
  let best = null;
  for (const pattern of patterns) {
    if (pattern === topic) return pattern;
    if (matches(pattern, topic) && (best === null || pattern.length > best.length)) best = pattern;
  }
  return best;
}

/** The slower of a wanted rate and the fastest one allowed. */
export function allowedRate(wanted, fastest) {
  return RATES.indexOf(wanted) < RATES.indexOf(fastest) ? fastest : wanted;
}

/** Cut `[topic, position]` pairs into `since` objects that each fit one command. */
export function sinceParts(pairs) {
  const parts = [];
  let size = Infinity;
  for (const [topic, position] of pairs) {
    const bytes = topic.length + position.epoch.length + 48;
    if (size + bytes > PART_BYTES || parts.at(-1).length >= PART_TOPICS) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1).push([topic, position]);
    size += bytes;
  }
  return parts.map(Object.fromEntries);
}

/** A subscribe command for `patterns` that share one rate and filter. */
export function subscribeCommand(patterns, { rate, minChangePct }, { since = null, snapshot = true } = {}) {
  const command = { action: "subscribe", topics: patterns, rate, snapshot };
  if (minChangePct) command.filter = { min_change_pct: minChangePct };
  if (since) command.since = since;
  return command;
}

/** What a reply refused, as `[{topic, code, message}]`, whether it came as a list or by topic. */
export function rejections({ rejected = [] }) {
  const entries = Array.isArray(rejected) ? rejected : Object.entries(rejected).map(([topic, why]) => ({ topic, ...why }));
  return entries.map((entry) => (typeof entry === "string" ? { topic: entry, message: "refused" } : { ...entry, ...entry.error }));
}

/** Spends a tier's allowance of commands: `take(now)` says whether one may be sent. */
export class Pace {
  constructor(now) {
    this.at = now;
    this.tier("free");
    this.left = this.burst;
  }

  tier(name) {
    [this.perSecond, this.burst] = ALLOWANCES[name] ?? ALLOWANCES.free;
    this.left = Math.min(this.left ?? this.burst, this.burst);
  }

  take(now) {
    this.left = Math.min(this.burst, this.left + ((now - this.at) / 1000) * this.perSecond);
    this.at = now;
    if (this.left < 1) return false;
    this.left -= 1;
    return true;
  }

  /** The server said no: hold everything for `seconds`. */
  hold(seconds) {
    this.left = Math.min(this.left, 1 - seconds * this.perSecond);
  }
}
