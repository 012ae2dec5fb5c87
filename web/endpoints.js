/** A user's webhooks and e-mail addresses as the server has them. No DOM. Event: `change`. Raises ApiError. */
export class Endpoints extends EventTarget {
  list = [];

  constructor(api) {
    super();
    this.api = api;
  }

  /** What people call it: its address. An id of none that is known stays one. */
  nameOf(id) {
    const found = this.list.find((endpoint) => endpoint.id === id);
    return found ? found.url ?? found.address : id;
  }

  async refresh() {
    this.#set((await this.api.ask("endpoints")).endpoints);
  }

  /** The new endpoint, with the `secret` of a webhook: it is told this once. */
  async add(kind, address) {
    const made = await this.api.make("endpoints", { kind, [kind === "webhook" ? "url" : "address"]: address });
    this.#set([...this.list, made]);
    return made;
  }

  verify(id) {
    return this.#act(id, "verify");
  }

  enable(id) {
    return this.#act(id, "enable");
  }

  /** With its new `secret`, told this once. */
  rotate(id) {
    return this.#act(id, "rotate");
  }

  async remove(id) {
    await this.api.ask(`endpoints/${id}`, { method: "DELETE" });
    this.#set(this.list.filter((endpoint) => endpoint.id !== id));
  }

  async #act(id, what) {
    const now = await this.api.make(`endpoints/${id}/${what}`);
    this.#set(this.list.map((endpoint) => (endpoint.id === id ? now : endpoint)));
    return now;
  }

  /** Secrets are not kept. */
  #set(list) {
    this.list = list.map(({ secret: _, ...endpoint }) => endpoint);
    this.dispatchEvent(new CustomEvent("change"));
  }
}
