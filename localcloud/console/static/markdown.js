/** The part of Markdown that dashboards and runbooks use: headings, lists, tables, fences, and marks inside a line. */
import { element } from "./make.js";

const INLINE = /(`[^`]+`)|(\*\*[^*]+\*\*)|(\*[^*\s][^*]*\*)|(\[[^\]]+\]\([^)\s]+\))/;

/** Nodes of a text. `href(target)` gives the address of a link, or null for one that leads nowhere here. */
export function markdown(text, href = safe) {
  const lines = text.replaceAll("\r", "").split("\n");
  const nodes = [];
  while (lines.length) nodes.push(...block(lines, href));
  return nodes;
}

function safe(target) {
  return /^(https?:|#)/.test(target) ? target : null;
}

function block(lines, href) {
  const line = lines.shift();
  if (!line.trim()) return [];
  if (line.startsWith("```")) return [fence(lines)];
  const heading = /^(#{1,4})\s+(.*)/.exec(line);
  if (heading) return [element(`h${Math.min(heading[1].length + 1, 5)}`, {}, ...inline(heading[2], href))];
  if (/^\s*([-*]|\d+\.)\s/.test(line)) return [list(line, lines, href)];
  if (line.startsWith("|")) return [table(line, lines, href)];
  const words = [line];
  while (lines.length && lines[0].trim() && !/^(#|```|\||\s*([-*]|\d+\.)\s)/.test(lines[0])) words.push(lines.shift());
  return [element("p", {}, ...inline(words.join(" "), href))];
}

function fence(lines) {
  const code = [];
  while (lines.length && !lines[0].startsWith("```")) code.push(lines.shift());
  lines.shift();
  return element("pre", {}, element("code", { textContent: code.join("\n") }));
}

function list(first, lines, href) {
  const items = [first];
  while (lines.length && lines[0].trim() && !/^(#|```)/.test(lines[0])) {
    const line = lines.shift();
    if (/^\s*([-*]|\d+\.)\s/.test(line)) items.push(line);
    else items.push(`${items.pop()} ${line.trim()}`);
  }
  const tag = /^\s*\d/.test(first) ? "ol" : "ul";
  const texts = items.map((item) => item.replace(/^\s*([-*]|\d+\.)\s+/, ""));
  return element(tag, {}, ...texts.map((text) => element("li", {}, ...inline(text, href))));
}

function table(first, lines, href) {
  const rows = [first];
  while (lines.length && lines[0].startsWith("|")) rows.push(lines.shift());
  const cells = (row) => row.replace(/^\||\|\s*$/g, "").split("|").map((cell) => cell.trim());
  const body = rows.filter((row) => !/^[|\s:-]+$/.test(row)).map((row, i) =>
    element("tr", {}, ...cells(row).map((cell) => element(i ? "td" : "th", {}, ...inline(cell, href)))));
  return element("table", {}, ...body);
}

function inline(text, href) {
  const found = INLINE.exec(text);
  if (!found) return text ? [text] : [];
  const [mark] = found;
  const after = inline(text.slice(found.index + mark.length), href);
  return [text.slice(0, found.index), marked(mark, href), ...after].filter((part) => part !== "");
}

function marked(mark, href) {
  if (mark.startsWith("`")) return element("code", { textContent: mark.slice(1, -1) });
  if (mark.startsWith("**")) return element("strong", {}, ...inline(mark.slice(2, -2), href));
  if (mark.startsWith("*")) return element("em", {}, ...inline(mark.slice(1, -1), href));
  const [, words, target] = /^\[([^\]]+)\]\(([^)]+)\)$/.exec(mark);
  const address = href(target);
  return address ? element("a", { href: address, textContent: words }) : element("span", { textContent: words });
}
