/** The REST API as a page asks it: JSON out, JSON in, and problems as errors. No DOM. */

/**
 * What the server refused or could not answer. `status` is 0 if it was not reached; `pointer` names what is wrong in
 * what was sent (RFC 6901), null if the problem is not there; `code` is the protocol's.
 */
export class ApiError extends Error {
  constructor(message, { status = 0, code = 0, pointer = null } = {}) {
    super(message);
    Object.assign(this, { status, code, pointer });
  }
}

export class Api {
  /** `key` null: nobody's. */
  constructor({ baseUrl, key, get = (...args) => fetch(...args) }) {
    Object.assign(this, { baseUrl, key, get });
  }

  /** The answer's body, null if it has none. `path` is what follows `/v1/`. Raises ApiError, or AbortError by `signal`. */
  async ask(path, { method = "GET", body, headers = {}, signal } = {}) {
    const sent = { accept: "application/json", ...headers };
    if (this.key) sent["x-api-key"] = this.key;
    if (body !== undefined) sent["content-type"] = "application/json";
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    let answer;
    try {
      answer = await this.get(`${this.baseUrl}/v1/${path}`, { method, headers: sent, body: text, signal });
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new ApiError("the server cannot be reached");
    }
    if (answer.ok) return answer.status === 204 ? null : answer.json();
    throw problemOf(answer.status, await answer.json().catch(() => ({})));
  }

  /** A request that makes something: one that is sent again by the browser or on the way makes it once. */
  make(path, body) {
    return this.ask(path, { method: "POST", body, headers: { "idempotency-key": crypto.randomUUID() } });
  }

  /** The items of all pages, at most `most`: `{items, more}`. `name` is the list's in the answer. */
  async all(path, name, { most, signal } = {}) {
    const items = [];
    let cursor = null;
    do {
      const page = await this.ask(cursor ? `${path}?cursor=${encodeURIComponent(cursor)}` : path, { signal });
      items.push(...page[name]);
      cursor = page.next;
    } while (cursor && items.length < most);
    return { items, more: Boolean(cursor) };
  }
}

function problemOf(status, { detail, title, message, code = 0, pointer = null }) {
  return new ApiError(detail ?? title ?? message ?? `the server answers ${status}`, { status, code, pointer });
}
