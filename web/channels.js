/** The panel of webhooks and e-mail addresses: add, verify, enable, a new secret, delete. */
import { byId, element, setData, setText } from "./dom.js";
import { busy, into } from "./busy.js";
import { confirmed } from "./confirm.js";
import { formatMoment } from "./format.js";

const LABELS = { webhook: ["Address (https)", "https://example.com/hooks/defi"], email: ["Address", "you@example.com"] };

export class ChannelsPanel {
  constructor({ endpoints, say }) {
    Object.assign(this, { endpoints, say });
    this.tell = into(byId("channels-error"));
    byId("channel-kind").addEventListener("change", () => this.#label());
    byId("channel-form").addEventListener("submit", (event) => this.#submitted(event));
    byId("secret-close").addEventListener("click", () => this.#hideSecret());
    byId("secret-copy").addEventListener("click", () => this.#copy());
    endpoints.addEventListener("change", () => this.#paint());
    this.#label();
  }

  /** It is looked at. */
  show() {
    this.#run(null, () => this.endpoints.refresh());
  }

  hide() {
    this.#hideSecret();
  }

  #label() {
    const [label, example] = LABELS[byId("channel-kind").value];
    setText(byId("channel-label"), label);
    byId("channel-address").placeholder = example;
    byId("channel-address").inputMode = byId("channel-kind").value === "email" ? "email" : "url";
  }

  #submitted(event) {
    event.preventDefault();
    const [kind, address] = [byId("channel-kind").value, byId("channel-address")];
    this.#run(event.submitter, async () => {
      const made = await this.endpoints.add(kind, address.value.trim());
      address.value = "";
      if (made.secret) this.#showSecret("The secret of your new webhook", made.secret);
      else this.say(`Written to ${made.address}: follow the link in the message to confirm it.`);
    });
  }

  #paint() {
    const list = this.endpoints.list;
    const items = list.map((endpoint) => this.#item(endpoint));
    if (!items.length) items.push(element("li", { className: "nothing" }, "None yet. A webhook is told by a signed request, an e-mail address once it is confirmed."));
    byId("channels").replaceChildren(...items);
  }

  #item(endpoint) {
    const { id, kind, url, address, problem } = endpoint;
    const state = stateOf(endpoint);
    const badge = element("span", { className: "phase", textContent: state.label });
    setData(badge, "phase", state.phase);
    const name = url ?? address;
    const head = element("header", {}, element("b", { className: "mono" }, name), badge);
    const item = element("li", {}, head, element("p", { className: "muted" }, problem || state.note));
    const actions = element("div", { className: "bar" });
    const add = (label, act, question) => {
      const button = element("button", { type: "button", className: "button small", textContent: label });
      button.setAttribute("aria-label", `${label}: ${name}`);
      if (question) confirmed(button, question, () => this.#run(button, act), this.say);
      else button.addEventListener("click", () => this.#run(button, act));
      actions.append(button);
    };
    if (!endpoint.verified_at) add(kind === "webhook" ? "Ping it again" : "Write again", () => this.#verify(endpoint));
    if (endpoint.disabled_at) add("Enable", () => this.endpoints.enable(id));
    if (kind === "webhook") add("New secret", () => this.#rotate(endpoint), "Really a new secret?");
    add("Delete", () => this.endpoints.remove(id), "Really delete?");
    item.append(actions);
    return item;
  }

  async #verify({ id, kind }) {
    await this.endpoints.verify(id);
    this.say(kind === "webhook" ? "It is being pinged." : "A message is on its way: follow the link in it.");
  }

  async #rotate({ id }) {
    const { secret } = await this.endpoints.rotate(id);
    this.#showSecret("The new secret. The one before is good for another 24 hours", secret);
  }

  #showSecret(title, secret) {
    byId("secret").hidden = false;
    setText(byId("secret-title"), title);
    setText(byId("secret-text"), secret);
    setText(byId("secret-copy"), "Copy");
    byId("secret-title").focus();
  }

  #hideSecret() {
    byId("secret").hidden = true;
    setText(byId("secret-text"), "");
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(byId("secret-text").textContent);
      setText(byId("secret-copy"), "Copied");
    } catch {
      getSelection().selectAllChildren(byId("secret-text")); // not allowed here: it is marked, to be copied by hand
      setText(byId("secret-copy"), "Marked: copy it by hand");
    }
  }

  #run(button, work) {
    return busy(button, work, this.tell);
  }
}

function stateOf({ kind, verified_at: verified, disabled_at: disabled, failing_since: failing }) {
  const at = (time) => formatMoment(Date.parse(time));
  if (disabled) return { label: "Disabled", phase: "ended", note: `Since ${at(disabled)}: it is told nothing.` };
  if (!verified) return { label: "Not verified", phase: "pending", note: kind === "webhook" ? "It has not answered a ping with 2xx yet: it is told nothing." : "Follow the link in the message that we sent." };
  if (failing) return { label: "Failing", phase: "firing", note: `Not reached since ${at(failing)}.` };
  return { label: "Verified", phase: "armed", note: `Since ${at(verified)}.` };
}
