import { matches } from "./commands.js";

/** Live updates that arrive before the reply that says what they mean: kept per unanswered subscribe. */
export class Holding {
  #pending = new Set();

  /** A subscribe goes out: `since` is null, or positions by topic. Returns the handle for `release`. */
  begin(patterns, since) {
    const pending = { patterns, since, held: new Map() };
    this.#pending.add(pending);
    return pending;
  }

  has(pending) {
    return this.#pending.has(pending);
  }

  /** Forget all: what is held will come again, since the next resume starts before it. */
  clear() {
    this.#pending.clear();
  }

  /** True when the update was taken and will come out of `release`. */
  hold(update) {
    const holder = this.#pending.size ? this.#holderOf(update.topic) : null;
    if (holder === null) return false;
    holder.held.set(update.topic, [...(holder.held.get(update.topic) ?? []), update]);
    return true;
  }

  /** The held updates, each topic's in the order of its offsets. */
  release(pending) {
    if (!this.#pending.delete(pending)) return [];
    const byOffset = (a, b) => (a.epoch === b.epoch ? a.offset - b.offset : 0);
    return [...pending.held.values()].flatMap((updates) => updates.sort(byOffset));
  }

  /** One that resumes the topic decides; else one that covers it. */
  #holderOf(topic) {
    let covering = null;
    for (const pending of this.#pending) {
      if (pending.since && topic in pending.since) return pending;
      if (!pending.since && pending.patterns.some((pattern) => matches(pattern, topic))) covering = pending;
    }
    return covering;
  }
}
