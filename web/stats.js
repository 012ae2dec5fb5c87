/** The last `size` numbers, and their percentiles. */
export class Window {
  #values = [];

  constructor(size) {
    this.size = size;
  }

  add(value) {
    this.#values.push(value);
    if (this.#values.length > this.size) this.#values.shift();
  }

  /** Nearest-rank percentile, or null while there is nothing. */
  percentile(share) {
    if (!this.#values.length) return null;
    const sorted = this.#values.toSorted((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)];
  }
}

/** Events a second over the last `seconds`. */
export class Rate {
  #buckets = new Map();

  constructor(seconds) {
    this.seconds = seconds;
  }

  add(count, now) {
    const second = Math.floor(now / 1000);
    this.#buckets.set(second, (this.#buckets.get(second) ?? 0) + count);
  }

  perSecond(now) {
    const last = Math.floor(now / 1000);
    let total = 0;
    for (const [second, count] of this.#buckets) {
      if (second <= last - this.seconds) this.#buckets.delete(second);
      else total += count;
    }
    return total / this.seconds;
  }
}
