/**
 * The continuity of one topic: which offsets were seen, which are missing, where to resume from.
 *
 * Pure: no I/O, no clock. Times come in as milliseconds. Guarantees: every offset of an epoch is accepted once;
 * an offset named by somebody's `prev` and not seen is `missing` until it arrives or is given up.
 */

/** How long a gap may fill by itself: frames may arrive out of order. */
export const GAP_WAIT_MS = 2000;
const SEEN_LIMIT = 512;
const EPOCHS_LIMIT = 8;

export class TopicTrack {
  constructor(topic) {
    this.topic = topic;
    this.epoch = null;
    this.highest = -1; // highest offset accepted in this epoch
    this.shown = -1; // highest offset shown: a snapshot may run ahead of the replay that it overtakes
    this.floor = -1; // what is at or below was before our time and is not owed to us
    this.seen = new Set();
    this.missing = new Set();
    this.gap = null; // {at, silent, tries}: since when something is missing
    this.replay = null; // {from, to, at}: what the last resume promised
    this.retired = [];
    this.publishedAt = ""; // newest publication seen, whatever its epoch (RFC 3339 with milliseconds sorts as text)
    this.doubtful = false; // whether a snapshot that is older than what was known began this epoch
  }

  /** The position to resume from: everything up to it was seen. Null before the first update. */
  since() {
    if (this.epoch === null) return null;
    if (!this.missing.size) return { epoch: this.epoch, offset: Math.max(this.highest, this.floor) };
    const firstMissing = Math.min(...this.missing);
    let offset = Math.min(this.floor, firstMissing - 1);
    for (const seen of this.seen) if (seen < firstMissing && seen > offset) offset = seen;
    return { epoch: this.epoch, offset: Math.max(offset, 0) };
  }

  /**
   * Take one update. Returns `{outcome, replayed, gap}`; outcome is `first`, `next` (show it), `late` (true, but older
   * than what is shown), `epoch` (replaces all), `known` (a repeated snapshot), `duplicate` or `old` (drop); gap is
   * `opened`, `filled` (by itself), `recovered` (by a resume), `lost` or null.
   */
  apply(update, now) {
    const unheard = this.publishedAt === "";
    const older = update.published_at < this.publishedAt;
    if (!older) this.publishedAt = update.published_at;
    if (this.epoch === null) return this.#start(update, "first");
    if (update.epoch !== this.epoch) {
      // A late frame cannot bring an epoch back; only if a late snapshot took us out of one does its next update.
      if (this.retired.includes(update.epoch) && (older || update.snapshot || !this.doubtful)) return verdict("old");
      if (older && !update.snapshot) return verdict("old");
      // Of an epoch that only a reply told, nothing is known to compare with: this may be a late frame before it.
      this.doubtful = older || unheard;
      return this.#start(update, "epoch");
    }
    return update.snapshot ? this.#snapshot(update) : this.#live(update, now);
  }

  /** A subscribe without `since` was answered: what lies before its position is not owed to us. */
  positioned({ epoch, offset }) {
    if (this.epoch === null) [this.epoch, this.floor] = [epoch, offset];
    else if (this.epoch === epoch) this.#giveUpBefore(offset);
  }

  /** A resume from `since` was answered. Returns how many missing offsets had to be given up. */
  resumed(since, answer, now) {
    this.floor = Math.max(this.floor, since.offset); // since() is chosen so: nothing owed lies at or below it
    if (answer.recovered) {
      this.replay = { from: since.offset, to: answer.offset, at: now };
      return 0;
    }
    this.replay = null;
    const lost = this.missing.size;
    if (answer.epoch === this.epoch) this.#giveUpBefore(answer.offset);
    return lost;
  }

  /** Whether the last resume asked for it: then it is no duplicate if it was known. */
  promised(offset) {
    return this.replay !== null && offset > this.replay.from && offset <= this.replay.to;
  }

  /** Stop waiting for what is missing. Returns how many offsets that were. */
  giveUp() {
    const lost = this.missing.size;
    this.missing.clear();
    this.gap = null;
    return lost;
  }

  #start(update, outcome) {
    if (this.epoch !== null) this.retired = [...this.retired, this.epoch].slice(-EPOCHS_LIMIT);
    this.epoch = update.epoch;
    this.highest = this.shown = update.offset;
    this.floor = update.snapshot ? update.offset : (update.prev ?? update.offset - 1);
    this.seen = new Set([update.offset]);
    this.missing.clear();
    const lost = this.gap !== null && !this.gap.silent;
    this.gap = this.replay = null;
    return verdict(outcome, { gap: lost ? "lost" : null });
  }

  #snapshot({ offset }) {
    const outcome = offset > this.shown ? "next" : "known";
    this.shown = Math.max(this.shown, offset);
    // What a snapshot jumps over is owed to us only if a resume has promised it: then it proves nothing was received.
    if (this.replay !== null && offset <= this.replay.to) return verdict(outcome);
    const gap = this.#arrived(offset);
    this.highest = Math.max(this.highest, offset);
    if (!this.missing.size) this.floor = Math.max(this.floor, offset);
    return verdict(outcome, { gap });
  }

  #live({ offset, prev }, now) {
    const between = this.#nothingBetween(prev ?? -1, offset);
    if (this.seen.has(offset)) return verdict("duplicate", { gap: between });
    if (offset <= this.floor && !this.missing.has(offset)) return verdict("old", { gap: between });
    const replayed = this.promised(offset);
    let gap = this.#arrived(offset) ?? between;
    if (prev !== null && prev !== undefined && prev > this.floor && !this.seen.has(prev)) {
      this.missing.add(prev);
      const told = this.#noteGap(prev, now);
      if (gap !== null) gap = null; // one hole closed and another opened: still the same gap
      else if (told) gap = "opened";
    }
    const outcome = offset > this.shown ? "next" : "late";
    this.highest = Math.max(this.highest, offset);
    this.shown = Math.max(this.shown, offset);
    return verdict(outcome, { gap, replayed });
  }

  /** True when the gap is worth telling: what a resume has just promised is on its way and no gap yet. */
  #noteGap(prev, now) {
    if (this.gap !== null) return false;
    const promised = this.replay !== null && prev <= this.replay.to && now - this.replay.at < GAP_WAIT_MS;
    this.gap = { at: now, silent: promised, tries: 0 };
    return !promised;
  }

  #arrived(offset) {
    this.#see(offset);
    return this.missing.delete(offset) ? this.#closed() : null;
  }

  /** An update says that none between its `prev` and itself is due: a slower rate is told the newest value only. */
  #nothingBetween(prev, offset) {
    const moot = [...this.missing].filter((missing) => missing > prev && missing < offset);
    for (const missing of moot) this.missing.delete(missing);
    return moot.length ? this.#closed() : null;
  }

  #closed() {
    if (this.missing.size) return null;
    const { silent, tries } = this.gap ?? { silent: true };
    this.gap = null;
    if (silent) return null;
    return tries ? "recovered" : "filled";
  }

  #see(offset) {
    this.seen.add(offset);
    if (this.seen.size <= SEEN_LIMIT) return;
    const oldest = this.seen.values().next().value;
    this.seen.delete(oldest);
    if (!this.missing.size) this.floor = Math.max(this.floor, oldest);
  }

  #giveUpBefore(offset) {
    for (const gone of this.missing) if (gone <= offset) this.missing.delete(gone);
    this.floor = Math.max(this.floor, offset);
    if (!this.missing.size) this.gap = null;
  }
}

function verdict(outcome, { gap = null, replayed = false } = {}) {
  return { outcome, gap, replayed };
}
