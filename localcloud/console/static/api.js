/** What localcloud answers. An answer that says no is an Error with its message. */

const ROOT = "/console/api/";

async function answer(response) {
  const body = await response.json();
  if (!response.ok) throw new Error(body.message ?? response.statusText);
  return body;
}

export async function ask(path, query = {}, signal = undefined) {
  const given = Object.entries(query).filter(([, value]) => value !== "" && value !== null && value !== undefined);
  const search = given.length ? `?${new URLSearchParams(given)}` : "";
  return answer(await fetch(ROOT + path + search, { signal }));
}

export async function evaluateNow() {
  return answer(await fetch(`${ROOT}evaluate`, { method: "POST" }));
}
