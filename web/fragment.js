/** The page's fragment, `#key=…&tab=chain-tvl`: it never reaches the server, and a link opens what was seen. */

/** `{key, tab}`; null for what it does not say. */
export function readFragment() {
  const said = new URLSearchParams(location.hash.slice(1));
  return { key: said.get("key"), tab: said.get("tab") };
}

/** Write the open tab beside whatever else stands there; no entry in the history. */
export function keepTab(slug) {
  const said = new URLSearchParams(location.hash.slice(1));
  said.set("tab", slug);
  history.replaceState(history.state, "", `#${said}`);
}
