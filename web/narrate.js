/** Tells people what the stream goes through: the state of the connection, what was lost, what came back. */
import { byId, setData, setText } from "./dom.js";
import { formatDelay, plural } from "./format.js";

const GAP_LINES_PER_SECOND = 5;
const STRIP_MS = 60_000; // the log keeps it

export function narrate({ stream, log, subscriptions }) {
  const strip = byId("recovery");
  byId("recovery-close").addEventListener("click", () => (strip.hidden = true));
  setInterval(paintState, 250);
  const gaps = new Throttle(GAP_LINES_PER_SECOND, (count) => log.add("warn", `… and ${plural(count, "more gap")} in this second`));
  let before = null;
  let hiding = null;

  function paintState() {
    const { name, reason, retryAt } = stream.connection.state;
    setData(byId("state"), "state", name);
    setText(byId("state-text"), describeState(name, reason, retryAt));
    byId("state").title = reason ?? "";
    byId("retry").hidden = !["reconnecting", "refused", "offline"].includes(name);
  }

  stream.addEventListener("state", ({ detail: { name, reason } }) => {
    paintState();
    if (name === "live" && before !== "live") log.add("good", "Connected");
    if (name === "reconnecting") log.add("warn", `Connection lost: ${reason}`);
    if (name === "refused") log.add("bad", `Refused: ${reason}`);
    if (name === "offline") log.add("warn", "This device has no network");
    before = name === "connecting" ? before : name;
  });

  stream.addEventListener("recovery", ({ detail }) => {
    const text = describeRecovery(detail);
    log.add(detail.lost ? "warn" : "good", text);
    setText(byId("recovery-text"), text);
    strip.className = `strip ${detail.lost ? "warn" : "good"}`;
    strip.hidden = false;
    clearTimeout(hiding);
    hiding = setTimeout(() => (strip.hidden = true), STRIP_MS);
  });

  stream.addEventListener("gap", ({ detail: { topic, status, offset } }) => {
    const line = {
      open: ["warn", `Gap: ${topic} lacks update ${offset}`],
      filled: ["info", `Gap filled: ${topic}, the update came late`],
      recovered: ["good", `Gap recovered: ${topic}, sent again`],
      lost: ["bad", `Not recovered: ${topic} after ${offset}, the newest value is shown`],
    }[status];
    if (gaps.allows(Date.now())) log.add(...line);
  });

  stream.addEventListener("epoch", ({ detail: { topic, epoch } }) => {
    if (gaps.allows(Date.now())) log.add("info", `New epoch ${epoch}: ${topic} starts afresh`);
  });
  stream.addEventListener("notice", ({ detail }) => log.add("info", `Notice: ${detail.message ?? detail.name}`));
  stream.addEventListener("alert", ({ detail }) => {
    if (!detail.snapshot) log.add("warn", `Alert ${detail.state}: ${detail.name} (${detail.topic} ${detail.condition})`);
  });
  stream.addEventListener("problem", ({ detail }) => log.add("bad", `The server said: ${detail.message}`));
  stream.addEventListener("rejected", ({ detail: { topic, message } }) => {
    log.add("bad", `Rejected: ${topic}: ${message}`);
    subscriptions.refused(topic, message);
  });
}

function describeState(name, reason, retryAt) {
  if (name === "live") return "Live";
  if (name === "offline") return "Offline";
  if (name === "refused") return `Refused: ${reason}`;
  if (name !== "reconnecting") return "Connecting";
  const seconds = Math.ceil((retryAt - Date.now()) / 1000);
  return seconds > 0 ? `Reconnecting in ${seconds} s` : "Reconnecting";
}

function describeRecovery({ downMs, topics, recovered, lost, replayed }) {
  const away = downMs ? `Back after ${formatDelay(downMs)}` : "The session was rebuilt";
  const whole = lost ? `${recovered} of ${plural(topics, "topic")} recovered` : `all ${plural(topics, "topic")} recovered`;
  const missed = `${plural(replayed, "missed update")} replayed`;
  return `${away}: ${whole}, ${missed}${lost ? `; ${plural(lost, "topic")} not, the newest value is shown` : ""}.`;
}

/** Lets `limit` things through a second and tells how many it held back. */
class Throttle {
  #second = 0;
  #count = 0;

  constructor(limit, onHeld) {
    Object.assign(this, { limit, onHeld });
  }

  allows(now) {
    const second = Math.floor(now / 1000);
    if (second !== this.#second) {
      if (this.#count > this.limit) this.onHeld(this.#count - this.limit);
      [this.#second, this.#count] = [second, 0];
    }
    this.#count += 1;
    return this.#count <= this.limit;
  }
}
