/** Tokens: short-lived permission to open or keep a connection. */

export class TokenError extends Error {
  /** `final`: asking again will not help. `retryAfterS`: when the server asked for a pause. */
  constructor(message, { final = false, retryAfterS = null } = {}) {
    super(message);
    this.final = final;
    this.retryAfterS = retryAfterS;
  }
}

/** A fresh token: `{token, expires_at, tier, fastest_rate}`. Raises TokenError. */
export async function fetchToken(baseUrl, apiKey, signal) {
  const headers = apiKey ? { "x-api-key": apiKey } : {};
  let response;
  try {
    response = await fetch(new URL("/v1/tokens", baseUrl), { method: "POST", headers, signal });
  } catch (error) {
    throw new TokenError("the server cannot be reached");
  }
  const body = await response.json().catch(() => null);
  if (response.ok && body?.token) return body;
  const why = body?.detail ?? body?.title ?? body?.message ?? `the server answered ${response.status}`;
  throw new TokenError(why, {
    final: [400, 401, 403, 404].includes(response.status),
    retryAfterS: response.status === 429 ? Number(response.headers.get("retry-after")) || 15 : null,
  });
}

export function socketUrl(baseUrl, token) {
  const url = new URL("/ws", baseUrl);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("token", token);
  return url;
}
