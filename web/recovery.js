/** What one reconnect brought back: tallied over the replies to its resumes and the updates they replay. */
export class Recovery {
  #open = 0;
  #settleAt = Infinity;

  constructor(downMs) {
    this.summary = { downMs, topics: 0, recovered: 0, lost: 0, replayed: 0 };
  }

  asked() {
    this.#open += 1;
  }

  /** A reply came (or never will); replayed updates may follow it until `settleAt`. */
  answered(settleAt) {
    this.#open -= 1;
    this.#settleAt = settleAt;
  }

  topic(recovered) {
    this.summary.topics += 1;
    this.summary[recovered ? "recovered" : "lost"] += 1;
  }

  settled(now) {
    return this.#open === 0 && now > this.#settleAt;
  }
}
