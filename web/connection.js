/**
 * One socket to the gateway, kept up: token, handshake, commands and replies, heartbeat, refresh, backoff.
 *
 * Events: `state` {name, reason, retryAt}, `session` {tier, fastestRate}, `open`, `push` (a server message), `closed`.
 * States: idle, connecting, live, reconnecting, offline, refused. Knows nothing of topics.
 */
import { Pace } from "./commands.js";
import { fetchToken, socketUrl, TokenError } from "./session.js";

export const TIMINGS = {
  backoffBaseMs: 1000,
  backoffCapMs: 30_000,
  steadyMs: 10_000, // live for so long, a connection has proved itself: the next backoff starts afresh
  silenceMs: 120_000,
  replyMs: 15_000,
  handshakeMs: 15_000,
};

/** The server refused a command, or the connection went before it answered (`lost`). */
export class CommandError extends Error {
  constructor({ code = 0, name = "lost", message = "the connection went", temporary = true, retry_after = null } = {}) {
    super(message);
    Object.assign(this, { code, name, temporary, retryAfterS: retry_after, lost: code === 0 });
  }
}

export class Connection extends EventTarget {
  #socket = null;
  #abort = null;
  #queue = [];
  #waiting = new Map(); // id -> {command, resolve, reject, sentAt}
  #nextId = 1;
  #attempt = 0;
  #retryTimer = null;
  #refreshAt = Infinity;

  constructor({ baseUrl, apiKey = null, random = Math.random, timings = {} }) {
    super();
    this.baseUrl = baseUrl;
    this.apiKey = apiKey;
    this.random = random;
    this.timings = { ...TIMINGS, ...timings };
    this.state = { name: "idle", reason: null, retryAt: null };
    this.session = null;
    this.heardAt = this.liveAt = 0;
    this.pace = new Pace(Date.now());
  }

  start() {
    if (this.state.name !== "idle") return;
    this.heart = setInterval(() => this.#beat(Date.now()), 250);
    globalThis.addEventListener?.("online", this.#online);
    globalThis.addEventListener?.("offline", this.#offline);
    this.#open();
  }

  stop() {
    clearInterval(this.heart);
    globalThis.removeEventListener?.("online", this.#online);
    globalThis.removeEventListener?.("offline", this.#offline);
    this.#drop();
    this.#become("idle");
  }

  /** Drop what there is and connect again at once, or after `delayMs`. */
  reconnect(reason, delayMs = 0) {
    this.#drop();
    this.#retryIn(delayMs, reason);
  }

  get ready() {
    return this.#socket?.readyState === 1;
  }

  /** The server knows nothing of us any more: commands on their way will not be answered as they should. */
  forgetCommands() {
    const dropped = [...this.#waiting.values(), ...this.#queue];
    this.#waiting.clear();
    this.#queue = [];
    for (const { reject } of dropped) reject(new CommandError());
  }

  /** The result of a command's reply. Commands leave at the tier's pace. Raises CommandError. */
  request(command) {
    return new Promise((resolve, reject) => {
      this.#queue.push({ command: { ...command, id: this.#nextId++ }, resolve, reject });
      this.#send(Date.now());
    });
  }

  #online = () => {
    if (this.state.name === "offline" || this.state.name === "reconnecting") this.reconnect("the network is back");
  };

  #offline = () => {
    this.#drop();
    this.#become("offline", "this device has no network");
  };

  async #open() {
    clearTimeout(this.#retryTimer);
    if (globalThis.navigator?.onLine === false) return this.#offline();
    this.#become("connecting", this.state.reason);
    this.#abort = new AbortController();
    const { signal } = this.#abort;
    const timeout = setTimeout(() => this.#abort?.abort(), this.timings.handshakeMs);
    try {
      const token = await fetchToken(this.baseUrl, this.apiKey, signal);
      if (signal.aborted) return;
      this.#began(token);
      this.#attach(new WebSocket(socketUrl(this.baseUrl, token.token)));
    } catch (error) {
      if (!(error instanceof TokenError)) throw error;
      if (this.#abort?.signal !== signal) return; // stopped or started again meanwhile
      if (error.final) this.#become("refused", error.message);
      else this.#backOff(error.message, error.retryAfterS);
    } finally {
      clearTimeout(timeout);
    }
  }

  #began({ tier, fastest_rate: fastestRate }) {
    this.session = { tier, fastestRate };
    this.pace = new Pace(Date.now());
    this.pace.tier(tier);
    this.#tell("session", this.session);
  }

  #attach(socket) {
    this.#socket = socket;
    this.heardAt = Date.now();
    const ours = (handle) => (event) => socket === this.#socket && handle(event);
    socket.onopen = ours(() => this.#tell("open"));
    socket.onmessage = ours((event) => this.#heard(event.data));
    socket.onclose = ours((event) => {
      const reason = closeReason(event, this.liveAt);
      this.#drop();
      this.#backOff(reason);
    });
  }

  #heard(text) {
    this.heardAt = Date.now();
    this.pinged = false;
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      return this.#tell("push", { type: "unreadable", text: String(text).slice(0, 200) });
    }
    if (message.type !== "reply") return this.#tell("push", message);
    const waiting = this.#waiting.get(message.id);
    this.#waiting.delete(message.id);
    if (!waiting) return message.ok || this.#unaddressed(message.error ?? {});
    if (!message.ok && isAuthentication(message.error)) return this.#unauthenticated(waiting, message.error);
    if (this.state.name !== "live") this.#become("live");
    if (!message.ok) return this.#refused(waiting, new CommandError(message.error));
    if (message.result?.session_expires) this.#expires(Date.parse(message.result.session_expires));
    waiting.resolve(message.result ?? {});
  }

  #refused(waiting, error) {
    if (error.retryAfterS) this.pace.hold(error.retryAfterS);
    waiting.reject(error);
  }

  /** A refusal that names no command. Past the limit a command is not even read: send those unanswered again. */
  #unaddressed(error) {
    if (!error.retry_after) return this.#tell("push", { type: "error", error });
    this.pace.hold(error.retry_after);
    this.#queue.unshift(...this.#waiting.values());
    this.#waiting.clear();
  }

  #unauthenticated(waiting, error) {
    waiting.reject(new CommandError());
    this.reconnect(`a new session is needed: ${error.message}`, this.#jitter());
  }

  #expires(at) {
    const left = at - Date.now();
    this.#refreshAt = Date.now() + Math.max(left - Math.max(60_000, left * 0.1), left / 2, 1000);
  }

  async #refresh() {
    this.#refreshAt = Infinity;
    try {
      const { token } = await fetchToken(this.baseUrl, this.apiKey);
      await this.request({ action: "refresh", token });
    } catch (error) {
      if (!error.lost) this.#refreshAt = Date.now() + 15_000 * (0.5 + this.random());
    }
  }

  #beat(now) {
    this.#send(now);
    if (this.liveAt && now - this.liveAt > this.timings.steadyMs) this.#attempt = 0;
    if (this.state.name === "live" && now >= this.#refreshAt) this.#refresh();
    if (!this.#socket) return;
    const silent = now - this.heardAt;
    if (this.#socket.readyState === 0 && silent > this.timings.handshakeMs) {
      return this.reconnect("the handshake took too long", this.#jitter());
    }
    if (silent > this.timings.silenceMs + this.timings.replyMs) return this.reconnect("the server fell silent");
    if (silent > this.timings.silenceMs && !this.pinged) {
      this.pinged = true;
      this.request({ action: "ping" }).catch(() => {});
    }
    for (const { sentAt } of this.#waiting.values()) {
      if (now - sentAt > this.timings.replyMs) return this.reconnect("a command was not answered", this.#jitter());
    }
  }

  #send(now) {
    while (this.#queue.length && this.#socket?.readyState === 1 && this.pace.take(now)) {
      const entry = this.#queue.shift();
      this.#waiting.set(entry.command.id, { ...entry, sentAt: now });
      this.#socket.send(JSON.stringify(entry.command));
    }
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#abort?.abort();
    this.#abort = null;
    clearTimeout(this.#retryTimer);
    socket?.close();
    this.liveAt = 0;
    this.#refreshAt = Infinity;
    if (socket) this.#tell("closed");
    this.forgetCommands();
  }

  #jitter() {
    const { backoffBaseMs, backoffCapMs } = this.timings;
    return this.random() * Math.min(backoffCapMs, backoffBaseMs * 2 ** this.#attempt++);
  }

  #backOff(reason, retryAfterS = null) {
    const jitter = this.#jitter();
    this.#retryIn(retryAfterS ? retryAfterS * 1000 + jitter : jitter, reason);
  }

  #retryIn(delayMs, reason) {
    this.#become("reconnecting", reason, Date.now() + delayMs);
    this.#retryTimer = setTimeout(() => this.#open(), delayMs);
  }

  #become(name, reason = null, retryAt = null) {
    this.state = { name, reason, retryAt };
    if (name === "live") this.liveAt = Date.now();
    this.#tell("state", this.state);
  }

  #tell(type, detail = null) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

function isAuthentication(error) {
  return error?.code >= 4000 && error.code < 4100;
}

function closeReason({ code, reason }, wasLive) {
  if (reason) return reason;
  return wasLive ? `the connection was cut (${code})` : "the server did not accept the connection";
}
