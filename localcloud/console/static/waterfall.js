/** Spans over time, each under its parent; of a whole way one trace after the other, with what lay between. */
import { formatMs } from "./format.js";
import { element, pill } from "./make.js";

/** `traces`: with `rows`, offsets from the same moment. `hops`: how one led to another. */
export function waterfall(traces, hops, total, chosen) {
  const rows = traces.flatMap((trace) => [
    ...hops.filter((hop) => hop.to === trace.id).map((hop) => between(hop)),
    ...trace.rows.map((row, i) => span(row, total, i === 0 && trace.id === chosen)),
  ]);
  const marks = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const mark = element("span", { textContent: formatMs(share * total) });
    mark.style.left = `${share * 100}%`;
    return mark;
  });
  return element("div", { className: "waterfall" },
    element("div", { className: "scale" }, element("span", {}), element("div", { className: "marks" }, ...marks)), ...rows);
}

function between({ via, waited_ms: waited }) {
  const way = via.map(({ name }) => name).join(" → ") || "a link";
  return element("p", { className: "hop", textContent: waited === null ? `through ${way}` : `waited ${formatMs(waited)} in ${way}` });
}

function span(row, total, chosen) {
  const bar = element("i", { className: `bar ${kindOf(row)}` });
  bar.style.left = `${share(row.offset_ms, total)}%`;
  bar.style.width = `${Math.max(0.15, share(row.duration_ms ?? 0, total))}%`;
  const name = element("span", { className: "name" }, element("b", { textContent: row.name }), element("small", { className: "muted", textContent: did(row) }), ...states(row));
  name.style.paddingLeft = `${row.depth * 14}px`;
  const took = element("span", { className: "took number", textContent: row.duration_ms === null ? "runs" : formatMs(row.duration_ms) });
  const line = element("summary", {}, name, element("div", { className: "track" }, bar), took);
  const node = element("details", { className: "span" }, line);
  if (chosen) node.classList.add("chosen");
  // What a span says is written only when it is looked at: a long way has hundreds.
  node.addEventListener("toggle", () => {
    if (node.open && node.childElementCount === 1) node.append(element("pre", { textContent: JSON.stringify(said(row), null, 2) }));
  });
  return node;
}

function kindOf(row) {
  if (row.fault) return "fault";
  if (row.error || row.throttle) return "error";
  if (row.namespace === "remote" || row.namespace === "aws") return "call";
  return row.origin ? "own" : "part";
}

/** What a call did, or what a segment is of. */
function did({ annotations, aws, http, origin }) {
  return annotations?.operation ?? aws?.operation ?? http?.request?.method ?? origin ?? "";
}

const states = (row) => ["fault", "error", "throttle"].filter((state) => row[state]).map((state) => pill(state, state));
const share = (ms, total) => (100 * ms) / (total || 1);

function said({ depth: _depth, parent_id: _parent, ...row }) {
  return row;
}
