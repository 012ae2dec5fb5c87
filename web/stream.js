/**
 * The stream of updates: subscriptions and, per topic, nothing twice and nothing silently lost. No DOM.
 *
 * Events, each with `detail`: `updates` {sentAt, items: [{update, outcome, replayed}]} (accepted ones, in the order to
 * apply), `gap` {topic, status: open|filled|recovered|lost, offset}, `epoch` {topic, epoch}, `recovery` {downMs, topics,
 * recovered, lost, replayed}, `subscriptions` [...], `forget` [topic], `rejected` {topic, code, message}, `notice`,
 * `alert` {id, rule, name, state, topic, value, condition, fired_at, at, snapshot}, `problem` {message}; and the
 * connection's `state` and `session`. A `snapshot` of alerts is the last one, which may be over for long.
 */
import { allowedRate, coverOf, rejections, sinceParts, subscribeCommand } from "./commands.js";
import { Connection } from "./connection.js";
import { GAP_WAIT_MS, TopicTrack } from "./continuity.js";
import { Holding } from "./holding.js";
import { Recovery } from "./recovery.js";

const GAP_TRIES = 2;
const COMMAND_TRIES = 5;
const GOING_AWAY_SPREAD_MS = 5000; // so that a server's clients do not all come back at once

export class StreamClient extends EventTarget {
  #tracks = new Map();
  #holding = new Holding();
  #recovery = null;
  #lostAt = null;
  #tapped = [null, null]; // a topic, and who takes its updates as they come
  #followed = null;

  /** Options: `baseUrl`, `apiKey`, `random`, `timings` (see connection.js; `gapMs` besides). */
  constructor(options) {
    super();
    this.gapMs = options.timings?.gapMs ?? GAP_WAIT_MS;
    this.subscriptions = new Map(); // pattern -> {rate, minChangePct}
    this.counters = { updates: 0, duplicates: 0, gaps: 0, filled: 0, recovered: 0, lost: 0, replayed: 0, reconnects: 0 };
    this.connection = new Connection(options);
    this.connection.addEventListener("open", () => this.#opened());
    this.connection.addEventListener("push", ({ detail }) => this.#pushed(detail));
    this.connection.addEventListener("closed", () => this.#closed());
    for (const type of ["state", "session"]) {
      this.connection.addEventListener(type, ({ detail }) => this.#tell(type, detail));
    }
  }

  start() {
    this.watch = setInterval(() => this.#watch(Date.now()), Math.min(250, this.gapMs / 2));
    this.connection.start();
  }

  stop() {
    clearInterval(this.watch);
    this.connection.stop();
  }

  track(topic) {
    return this.#tracks.get(topic);
  }

  /** Subscribe, or change rate and filter. Takes effect now or with the next connection. */
  subscribe(patterns, { rate, minChangePct = null }) {
    for (const pattern of patterns) this.subscriptions.set(pattern, { rate, minChangePct });
    this.#tell("subscriptions");
    if (this.connection.ready) this.#enter(patterns);
  }

  unsubscribe(patterns) {
    const known = patterns.filter((pattern) => this.subscriptions.delete(pattern));
    if (!known.length) return;
    const forgotten = [...this.#tracks.keys()].filter((topic) => this.coverOf(topic) === null);
    for (const topic of forgotten) this.#tracks.delete(topic);
    this.#tell("forget", forgotten);
    this.#tell("subscriptions");
    if (!this.connection.ready) return;
    this.connection.request({ action: "unsubscribe", topics: known }).catch((error) => this.#problem(error));
  }

  /** Hand every update of `topic` to `take` as it comes, known or not. One topic at a time. */
  tap(topic, take) {
    this.#tapped = [topic, take];
  }

  /**
   * Have a topic sent from a position on, at the fastest rate unless it is subscribed to already. One at a time, until
   * `unfollow`. Resolves to whether every update since then comes; undefined if there was no answer.
   */
  async follow(topic, since) {
    if (!this.subscriptions.has(topic)) {
      this.#followed = topic;
      this.subscriptions.set(topic, { rate: "fastest", minChangePct: null });
      this.#tell("subscriptions");
    }
    const options = this.effective(this.subscriptions.get(topic));
    const result = await this.#subscribe([topic], options, { since: { [topic]: since }, gapResume: true });
    return result?.topics?.[topic]?.recovered;
  }

  unfollow(topic) {
    if (this.#tapped[0] === topic) this.#tapped = [null, null];
    if (this.#followed !== topic) return;
    this.#followed = null;
    this.unsubscribe([topic]);
  }

  /** An alert was seen: no later step of its rule is told of it. Resolves when the server knows; rejects with its error. */
  acknowledge({ rule, id }) {
    return this.connection.request({ action: "ack", rule, alert: id });
  }

  coverOf(topic) {
    return coverOf(this.subscriptions.keys(), topic);
  }

  /** The rate and filter that `pattern` gets, once the tier has had its say. */
  effective({ rate, minChangePct }) {
    const fastest = this.connection.session?.fastestRate ?? "5s";
    return { rate: rate === "fastest" ? fastest : allowedRate(rate, fastest), minChangePct };
  }

  #opened() {
    if (this.#lostAt !== null && this.#tracks.size) {
      this.#recovery = new Recovery(Date.now() - this.#lostAt);
      this.counters.reconnects += 1;
    }
    this.#lostAt = null;
    this.#enter([...this.subscriptions.keys()]);
    if (!this.subscriptions.size) this.connection.request({ action: "ping" }).catch(() => {});
  }

  #closed() {
    this.#lostAt ??= Date.now();
    this.#recovery = null;
    this.#holding.clear();
  }

  /** The server lost this session, not the socket: begin again from what is known. */
  #resubscribe() {
    this.connection.forgetCommands();
    this.#holding.clear();
    if (this.#tracks.size) this.#recovery = new Recovery(0);
    this.#enter([...this.subscriptions.keys()]);
  }

  /** Subscribe to `patterns`, resuming what is known of each. Fresh ones of one rate and filter share a command. */
  #enter(patterns) {
    const known = Map.groupBy(this.#tracks.keys(), (topic) => this.coverOf(topic));
    const fresh = new Map();
    for (const pattern of patterns) {
      const options = this.effective(this.subscriptions.get(pattern));
      const pairs = (known.get(pattern) ?? []).map((topic) => [topic, this.#tracks.get(topic).since()]);
      const resumable = pairs.filter(([, since]) => since !== null);
      const key = JSON.stringify(options);
      if (resumable.length) this.#resume(pattern, options, resumable);
      else fresh.set(key, [...(fresh.get(key) ?? []), pattern]);
    }
    for (const [key, group] of fresh) this.#subscribe(group, JSON.parse(key));
  }

  /** Parts of a long `since`; only the last asks for snapshots of what no part names: topics new since we left. */
  #resume(pattern, options, pairs) {
    const parts = sinceParts(pairs);
    parts.forEach((since, index) => {
      this.#subscribe([pattern], options, { since, snapshot: index === parts.length - 1 });
    });
  }

  async #subscribe(patterns, options, extra = {}, tries = 1) {
    const pending = this.#holding.begin(patterns, extra.since ?? null);
    const recovery = pending.since && !extra.gapResume ? this.#recovery : null;
    recovery?.asked();
    try {
      const result = await this.connection.request(subscribeCommand(patterns, options, extra));
      if (this.#holding.has(pending)) this.#answered(pending, result, recovery);
      return result;
    } catch (error) {
      if (!error.lost && error.temporary && tries < COMMAND_TRIES) {
        setTimeout(() => this.#retry(pending, options, extra, tries + 1), 1000 * (error.retryAfterS ?? 2 ** tries));
      } else if (extra.gapResume) this.#problem(error);
      else if (!error.lost) this.#refused(patterns, error);
    } finally {
      recovery?.answered(Date.now() + this.gapMs);
      this.#take(this.#holding.release(pending), null);
    }
  }

  #retry({ patterns }, options, extra, tries) {
    const wanted = patterns.filter((pattern) => this.subscriptions.has(pattern));
    if (wanted.length && this.connection.ready) this.#subscribe(wanted, options, extra, tries);
  }

  #refused(patterns, error) {
    for (const topic of patterns) this.#tell("rejected", { topic, code: error.code, message: error.message });
    for (const pattern of patterns) this.subscriptions.delete(pattern);
    this.#tell("subscriptions");
  }

  #answered(pending, result, recovery) {
    const now = Date.now();
    for (const [topic, position] of Object.entries(result.topics ?? {})) {
      const since = pending.since?.[topic];
      if (since) this.#resumed(topic, since, position, now, recovery);
      else if (!topic.endsWith(":*") && !pending.since) this.#trackOf(topic).positioned(position);
    }
    for (const why of rejections(result)) this.#refused([why.topic], why);
  }

  #resumed(topic, since, position, now, recovery) {
    const track = this.#tracks.get(topic);
    if (!track) return;
    const hadGap = track.gap !== null && !track.gap.silent;
    const lost = track.resumed(since, position, now);
    recovery?.topic(position.recovered);
    if (!position.recovered && (hadGap || lost || recovery)) this.#lost(topic, since.offset);
  }

  #lost(topic, offset) {
    this.counters.lost += 1;
    this.#tell("gap", { topic, status: "lost", offset });
  }

  #trackOf(topic) {
    if (!this.#tracks.has(topic)) this.#tracks.set(topic, new TopicTrack(topic));
    return this.#tracks.get(topic);
  }

  #pushed(message) {
    if (message.type === "updates") return this.#take(message.updates, message.sent_at);
    if (message.type !== "notice") return this.#problem(message.error ?? { message: `unexpected: ${message.type}` });
    this.#tell("notice", message);
    if (message.name === "resubscribe") this.#resubscribe();
    if (message.name === "going_away") {
      const delayMs = this.connection.random() * GOING_AWAY_SPREAD_MS;
      setTimeout(() => this.connection.ready && this.connection.reconnect("the server asked us to reconnect"), delayMs);
    }
  }

  #take(updates, sentAt) {
    const items = [];
    for (const update of updates) if (!this.#holding.hold(update)) this.#apply(update, Date.now(), items);
    if (items.length) this.#tell("updates", { sentAt, items });
  }

  #apply(update, now, items) {
    if (this.coverOf(update.topic) === null) return; // unsubscribed while it was on its way
    if (update.topic === this.#tapped[0]) this.#tapped[1](update);
    const { outcome, gap, replayed } = this.#trackOf(update.topic).apply(update, now);
    if (gap) this.#gapMoved(update.topic, gap, update.prev);
    if (outcome === "duplicate" && !this.#trackOf(update.topic).promised(update.offset)) this.counters.duplicates += 1;
    if (outcome === "epoch") this.#tell("epoch", { topic: update.topic, epoch: update.epoch });
    if (["duplicate", "old", "known"].includes(outcome)) return;
    this.counters.updates += 1;
    if (replayed) this.counters.replayed += 1;
    if (replayed && this.#recovery) this.#recovery.summary.replayed += 1;
    if (update.alert) return this.#tell("alert", { ...update.alert, snapshot: update.snapshot });
    items.push({ update, outcome, replayed });
  }

  #gapMoved(topic, gap, offset) {
    this.counters[gap === "opened" ? "gaps" : gap] += 1;
    this.#tell("gap", { topic, status: gap === "opened" ? "open" : gap, offset });
  }

  #watch(now) {
    if (this.#recovery?.settled(now)) {
      this.#tell("recovery", this.#recovery.summary);
      this.#recovery = null;
    }
    if (this.connection.state.name !== "live") return;
    const due = [];
    for (const track of this.#tracks.values()) {
      if (track.gap && now - track.gap.at >= this.gapMs) due.push(track);
    }
    if (due.length) this.#mend(due, now);
  }

  /** Gaps that did not fill by themselves: resume from before them, one command per subscription. */
  #mend(due, now) {
    const retry = new Map();
    for (const track of due) {
      if (track.gap.silent) this.#gapMoved(track.topic, "opened", Math.min(...track.missing));
      if (track.gap.tries >= GAP_TRIES) {
        track.giveUp();
        this.#lost(track.topic, track.highest);
        continue;
      }
      track.gap = { at: now, silent: false, tries: track.gap.tries + 1 };
      const pattern = this.coverOf(track.topic);
      retry.set(pattern, [...(retry.get(pattern) ?? []), [track.topic, track.since()]]);
    }
    for (const [pattern, pairs] of retry) {
      for (const since of sinceParts(pairs)) {
        const options = this.effective(this.subscriptions.get(pattern));
        this.#subscribe([pattern], options, { since, snapshot: false, gapResume: true });
      }
    }
  }

  #problem(error) {
    if (!error.lost) this.#tell("problem", { message: error.message, code: error.code });
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
