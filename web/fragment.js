/** The page's fragment, `#key=…&tab=chain-tvl&topic=price:ethereum&range=7d`: it never reaches the server, and a link opens what was seen. */

/** `{key, tab, topic, range, style}`; null for what it does not say. */
export function readFragment() {
  const said = new URLSearchParams(location.hash.slice(1));
  return Object.fromEntries(["key", "tab", "topic", "range", "style"].map((name) => [name, said.get(name)]));
}

/** Write `{tab: "pegs", topic: null}` beside whatever else stands there, null ones away; no entry in the history. */
export function keep(values) {
  const said = new URLSearchParams(location.hash.slice(1));
  for (const [name, value] of Object.entries(values)) {
    if (value === null) said.delete(name);
    else said.set(name, value);
  }
  const text = said.toString().replaceAll("%3A", ":"); // a topic stays legible
  history.replaceState(history.state, "", `#${text}`);
}
