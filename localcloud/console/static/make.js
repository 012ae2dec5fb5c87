/** Elements. Text is only ever text: nothing that came from outside is parsed as HTML. */

export { byId, element, setText } from "/dom.js";
import { element } from "/dom.js";

const SVG = "http://www.w3.org/2000/svg";

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export function link(href, text, className = "") {
  return element("a", { href, textContent: text, className });
}

/** A state in a word and a colour. */
export function pill(state, text) {
  const node = element("span", { className: "pill", textContent: text });
  node.dataset.state = state;
  return node;
}

/** A list of names and values; a value may be a node. */
export function facts(pairs) {
  const rows = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return element("dl", { className: "facts" }, ...rows.flatMap(([name, value]) => [
    element("dt", { textContent: name }),
    element("dd", {}, value instanceof Node ? value : String(value)),
  ]));
}

/** Names that a select does not have yet. */
export function offer(select, names) {
  const known = new Set([...select.options].map(({ value }) => value));
  select.append(...names.filter((name) => !known.has(name)).map((name) => new Option(name, name)));
}

export function empty(text) {
  return element("p", { className: "empty muted", textContent: text });
}
