/** The service map: who calls whom, in columns from the clients on. */
import { ask } from "./api.js";
import { formatMs } from "./format.js";
import { element, empty, facts, link, svg } from "./make.js";

const [COLUMN, ROW, WIDTH, HEIGHT, MARGIN] = [172, 80, 140, 54, 6];

export class ServiceMap {
  constructor(host, context) {
    this.context = context;
    this.canvas = element("div", { className: "card canvas" });
    this.detail = element("aside", { className: "card" });
    this.detail.hidden = true;
    host.replaceChildren(element("div", { className: "split map" }, this.canvas, this.detail));
  }

  async open() {
    await this.refresh();
  }

  async refresh() {
    const map = await ask("xray/map", { seconds: this.context.minutes * 60 });
    const { places, ways } = arranged(map);
    if (!map.nodes.length) return this.canvas.replaceChildren(empty("No trace in this time."));
    const columns = Math.max(...[...places.values()].map(({ x }) => x)) + 1;
    const rows = Math.max(...[...places.values()].map(({ y }) => y)) + 0.5;
    const size = [columns * COLUMN, rows * ROW];
    const drawing = svg("svg", { viewBox: `0 0 ${size[0]} ${size[1]}`, width: size[0], height: size[1], role: "img", "aria-label": "Service map" },
      arrow(), ...map.edges.map((edge) => drawn(edge, ways.get(edge), places)), ...map.nodes.map((node) => this.#node(node, places.get(node.id))));
    this.canvas.replaceChildren(element("p", { className: "note", textContent: "A node's latencies and callers are shown when it is chosen. A dashed line is a message's way, not a call." }), drawing);
    return this.#tell(map.nodes.find(({ id }) => id === this.chosen), map);
  }

  close() {}

  #node(node, { x, y }) {
    const bad = node.fault_rate > 0 ? "bad" : node.error_rate > 0 ? "warn" : "good";
    const group = svg("g", { class: `node ${bad}${node.id === this.chosen ? " chosen" : ""}`, transform: `translate(${x * COLUMN + MARGIN} ${y * ROW - HEIGHT / 2})`, tabindex: "0", role: "button", "aria-label": node.name },
      svg("rect", { width: WIDTH, height: HEIGHT, rx: 10 }),
      svg("text", { x: 12, y: 23, class: "name" }, short(node.name)),
      svg("text", { x: 12, y: 42, class: "numbers" }, numbers(node)),
      svg("title", {}, `${node.name}, ${node.type}`));
    const choose = () => { this.chosen = node.id; this.context.attempt(() => this.refresh()); };
    group.addEventListener("click", choose);
    group.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
    return group;
  }

  #tell(node, map) {
    this.detail.hidden = !node;
    if (!node) return undefined;
    const percent = (rate) => `${(100 * rate).toFixed(1)} %`;
    const others = (end, other) => map.edges.filter((edge) => edge[end] === node.id)
      .map((edge) => `${map.nodes.find(({ id }) => id === edge[other])?.name}: ${edge.count}, p50 ${formatMs(edge.latency_ms.p50)}`).join("\n");
    return this.detail.replaceChildren(element("h2", { textContent: node.name }), element("p", { className: "muted", textContent: node.type }), facts([
      ["Seen", node.count], ["p50", formatMs(node.latency_ms.p50)], ["p90", formatMs(node.latency_ms.p90)], ["p99", formatMs(node.latency_ms.p99)],
      ["Faults", percent(node.fault_rate)], ["Errors", percent(node.error_rate)], ["Throttles", percent(node.throttle_rate)],
      ["Called by", others("to", "from")], ["Calls", others("from", "to")],
    ]), link("#/traces", "Traces"));
  }
}

/** Where everything is drawn: a place for each node, and for each edge the places that it passes.
 *
 * A node's column is the longest way to it, rings aside. An edge over several columns has a lane of its own in those
 * between, so that it runs behind nobody; nodes and lanes keep near what leads to them.
 */
export function arranged({ nodes, edges }) {
  const columns = columnsOf(nodes, edges);
  const before = new Map(nodes.map(({ id }) => [id, []]));
  const members = nodes.map(({ id }) => ({ id, column: columns.get(id), height: 1 }));
  const ways = new Map(edges.map((edge) => [edge, [edge.from]]));
  for (const edge of edges) {
    const [from, to] = [columns.get(edge.from), columns.get(edge.to)];
    for (let column = from + 1; column < to; column += 1) {
      const lane = `${edge.from}>${edge.to}#${column}`;
      members.push({ id: lane, column, height: 0.35 });
      before.set(lane, [ways.get(edge).at(-1)]);
      ways.get(edge).push(lane);
    }
    if (from < to) before.get(edge.to).push(ways.get(edge).at(-1));
    ways.get(edge).push(edge.to);
  }
  return { places: placed(members, before), ways };
}

function columnsOf(nodes, edges) {
  const into = new Map(nodes.map(({ id }) => [id, []]));
  for (const edge of edges) if (edge.from !== edge.to) into.get(edge.to)?.push(edge.from);
  const columns = new Map();
  const columnOf = (id, open) => {
    if (columns.has(id)) return columns.get(id);
    if (open.has(id)) return -1; // round a ring: no way to here
    open.add(id);
    const column = Math.max(-1, ...into.get(id).map((from) => columnOf(from, open))) + 1;
    open.delete(id);
    columns.set(id, column);
    return column;
  };
  for (const { id } of nodes) columnOf(id, new Set());
  return columns;
}

function placed(members, before) {
  const places = new Map();
  const byColumn = Map.groupBy(members, ({ column }) => column);
  for (const column of [...byColumn.keys()].sort((a, b) => a - b)) {
    const wanted = (id) => {
      const rows = before.get(id).map((from) => places.get(from)?.y).filter((y) => y !== undefined);
      return rows.length ? rows.reduce((sum, y) => sum + y, 0) / rows.length : 0;
    };
    const ordered = byColumn.get(column).map((member) => ({ ...member, wanted: wanted(member.id) })).sort((a, b) => a.wanted - b.wanted);
    let free = 0;
    for (const { id, height, wanted: row } of ordered) {
      const top = Math.max(free, row - height / 2);
      places.set(id, { x: column, y: top + height / 2 });
      free = top + height;
    }
  }
  return places;
}

/** An edge from a node's right side through its lanes to the next one's left side. */
function drawn(edge, way, places) {
  const spots = way.map((id) => places.get(id));
  const points = spots.flatMap(({ x, y }, i) => {
    const [left, right] = [x * COLUMN + MARGIN, x * COLUMN + MARGIN + WIDTH];
    if (i === 0) return [[right, y * ROW]];
    return i === spots.length - 1 ? [[left - 2, y * ROW]] : [[left, y * ROW], [right, y * ROW]];
  });
  const [[x, y], ...rest] = points;
  let [fromX, fromY] = [x, y];
  const curves = rest.map(([toX, toY]) => {
    const bend = Math.max(24, (toX - fromX) / 2);
    const curve = `C${fromX + bend} ${fromY} ${toX - bend} ${toY} ${toX} ${toY}`;
    [fromX, fromY] = [toX, toY];
    return curve;
  });
  const failing = edge.fault_rate > 0 ? " bad" : "";
  return svg("path", { d: `M${x} ${y}${curves.join("")}`, class: `edge${edge.linked ? " linked" : ""}${failing}`, "marker-end": "url(#arrow)" },
    svg("title", {}, `${edge.from} → ${edge.to}: ${edge.count}, p50 ${formatMs(edge.latency_ms.p50)}`));
}

function numbers({ count, latency_ms: { p50 } }) {
  if (!count) return "";
  return p50 === null ? `${count} messages` : `${count} · p50 ${formatMs(p50)}`;
}

/** Of a name that CloudFormation made, stack-LogicalId-SUFFIX, the part that says what it is. */
function short(name) {
  const told = name.replace(/^.+-([A-Za-z]+)-[0-9A-Za-z]{12,}$/, "$1");
  return told.length > 15 ? `${told.slice(0, 14)}…` : told;
}

function arrow() {
  return svg("defs", {}, svg("marker", { id: "arrow", viewBox: "0 0 8 8", refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: "auto" }, svg("path", { d: "M0 0L8 4L0 8Z", class: "head" })));
}
