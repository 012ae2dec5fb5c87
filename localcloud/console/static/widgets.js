/** One widget of a dashboard: made once, then updated in place. */
import { formatNumber, STATE_NAMES } from "./format.js";
import { colourOf, Graph } from "./graph.js";
import { hasData, isHere, latest } from "./lines.js";
import { element, empty, link, pill, setText, svg } from "./make.js";
import { markdown } from "./markdown.js";

const VIEWS = { timeSeries: TimeSeries, singleValue: Numbers, pie: Pie, bar: Bars, gauge: Gauges };

/** A card with `update(widget, span)`, `recolour()` and `destroy()`; its place is what the widget's JSON says. */
export class Widget {
  constructor(widget) {
    const { properties = {}, type } = widget;
    this.body = element("div", { className: "body" });
    this.node = element("section", { className: `widget ${type}` },
      ...(properties.title ? [element("h3", { textContent: properties.title, title: properties.title })] : []), this.body);
    this.node.style.gridColumn = `${(widget.x ?? 0) + 1} / span ${widget.width ?? 6}`;
    this.node.style.gridRow = `${(widget.y ?? 0) + 1} / span ${widget.height ?? 6}`;
    this.node.style.setProperty("--rows", widget.height ?? 6);
    this.node.dataset.view = properties.view ?? type;
  }

  update(widget, span) {
    const said = widget.problem ?? silence(widget);
    if (said) return this.#say(said, widget);
    const kind = kindOf(widget);
    if (!(this.shown instanceof kind)) {
      this.destroy();
      this.body.replaceChildren();
      this.shown = new kind(this.body, widget);
    }
    return this.shown.update(widget, span);
  }

  recolour() {
    this.shown?.recolour?.();
  }

  destroy() {
    this.shown?.destroy?.();
    this.shown = null;
  }

  #say(said, { type, properties }) {
    this.destroy();
    const query = type === "log" ? [element("pre", {}, element("code", { textContent: properties.query }))] : [];
    this.body.replaceChildren(empty(said), ...query);
  }
}

function kindOf({ type, properties }) {
  if (type === "text") return Text;
  if (type === "log") return Table;
  if (type === "alarm") return Alarms;
  return VIEWS[properties.view ?? "timeSeries"] ?? Unknown;
}

function silence({ type, lines = [] }) {
  if (type !== "metric" || lines.some((line) => isHere(line) && hasData(line))) return null;
  const wrong = lines.find((line) => line.source !== "here" && line.source !== "aws");
  if (wrong) return wrong.source;
  return lines.length && lines.every((line) => line.source === "aws") ? "No data here: only AWS measures this." : null;
}

function TimeSeries(host) {
  const graph = new Graph(host);
  this.update = ({ lines, properties }, { start, end }) => graph.update({
    lines, start, end,
    stacked: Boolean(properties.stacked),
    axes: properties.yAxis ?? {},
    limits: (properties.annotations?.horizontal ?? []).flat(),
  });
  this.recolour = () => graph.recolour();
  this.destroy = () => graph.destroy();
}

function Numbers(host, { properties }) {
  const figures = element("div", { className: "figures" });
  const sparkHost = element("div", { className: "spark" });
  host.replaceChildren(figures, ...(properties.sparkline ? [sparkHost] : []));
  const graph = properties.sparkline ? new Graph(sparkHost, { legend: false, spark: true }) : null;
  this.update = ({ lines }, { start, end }) => {
    figures.replaceChildren(...lines.map((line) => element("p", { className: "figure" },
      element("b", { textContent: isHere(line) ? formatNumber(latest(line, end)) : "–" }),
      element("span", { className: "muted", textContent: isHere(line) ? line.label : `${line.label}: AWS only` }))));
    const drawn = lines.filter(isHere).slice(0, 1);
    if (drawn.length) graph?.update({ lines: drawn, start, end });
  };
  this.recolour = () => graph?.recolour();
  this.destroy = () => graph?.destroy();
}

const shares = (lines, end) => lines.map((line, index) => ({ line, index, value: Math.max(0, latest(line, end) ?? 0) }));

function Pie(host) {
  this.update = ({ lines }, { end }) => {
    const parts = shares(lines, end);
    const total = parts.reduce((sum, { value }) => sum + value, 0);
    if (!total) return host.replaceChildren(empty("Nothing in the newest period."));
    let before = 0;
    const slices = parts.filter(({ value }) => value).map(({ line, index, value }) => {
      const slice = arc(before / total, (before + value) / total, colourOf(line, index), `${line.label}: ${formatNumber(value)}`);
      before += value;
      return slice;
    });
    const legend = parts.map(({ line, index, value }) => {
      const swatch = element("i", {});
      swatch.style.background = colourOf(line, index);
      return element("li", {}, swatch, element("span", { textContent: line.label }),
        element("b", { textContent: `${Math.round((100 * value) / total)} %`, title: formatNumber(value) }));
    });
    return host.replaceChildren(svg("svg", { viewBox: "-52 -52 104 104", class: "pie", role: "img", "aria-label": "Shares" }, ...slices),
      element("ul", { className: "legend column" }, ...legend));
  };
}

/** A ring's part from `from` to `to`, both of 1. A whole ring would begin where it ends, so it ends a little earlier. */
function arc(from, to, colour, title) {
  const point = (share, radius) => {
    const angle = 2 * Math.PI * Math.min(share, from + 0.99999) - Math.PI / 2;
    return `${(radius * Math.cos(angle)).toFixed(3)} ${(radius * Math.sin(angle)).toFixed(3)}`;
  };
  const large = to - from > 0.5 ? 1 : 0;
  const path = `M${point(from, 50)}A50 50 0 ${large} 1 ${point(to, 50)}L${point(to, 30)}A30 30 0 ${large} 0 ${point(from, 30)}Z`;
  return svg("path", { d: path, fill: colour }, svg("title", {}, title));
}

function Bars(host) {
  this.update = ({ lines }, { end }) => {
    const parts = shares(lines, end);
    const most = Math.max(...parts.map(({ value }) => value)) || 1;
    host.replaceChildren(element("ul", { className: "bars" }, ...parts.map(({ line, index, value }) => {
      const bar = element("i", {});
      bar.style.width = `${(100 * value) / most}%`;
      bar.style.background = colourOf(line, index);
      return element("li", {}, element("span", { textContent: line.label }), element("div", {}, bar), element("b", { textContent: formatNumber(value) }));
    })));
  };
}

function Gauges(host) {
  this.update = ({ lines, properties }, { end }) => {
    const { min = 0, max = 100 } = properties.yAxis?.left ?? {};
    host.replaceChildren(...lines.map((line, index) => {
      const value = latest(line, end);
      const share = Math.min(1, Math.max(0, ((value ?? min) - min) / (max - min)));
      const ring = svg("svg", { viewBox: "-52 -52 104 104", class: "pie" }, arc(0, 0.99999, "var(--hover)", ""), arc(0, share, colourOf(line, index), line.label));
      return element("div", { className: "gauge" }, ring, element("b", { textContent: formatNumber(value) }), element("span", { className: "muted", textContent: line.label }));
    }));
  };
}

function Text(host) {
  this.update = ({ properties }) => host.replaceChildren(...markdown(properties.markdown ?? ""));
}

function Table(host) {
  const said = element("p", { className: "note" });
  const body = element("tbody", {});
  const heads = element("tr", {});
  host.replaceChildren(element("table", {}, element("thead", {}, heads), body), said);
  this.update = ({ rows, kept }) => {
    const columns = Object.keys(rows[0] ?? {});
    heads.replaceChildren(...columns.map((name) => element("th", { textContent: name })));
    body.replaceChildren(...rows.map((row) => element("tr", {}, ...columns.map((name) => cell(row[name])))));
    setText(said, rows.length ? `Counted in the newest ${formatNumber(kept)} log lines.` : "No such line in this time.");
  };
}

function cell(value) {
  const number = typeof value === "number";
  return element("td", { className: number ? "number" : "mono", textContent: number ? formatNumber(value) : String(value), title: String(value) });
}

function Alarms(host) {
  this.update = ({ alarms }) => host.replaceChildren(element("ul", { className: "states" }, ...alarms.map((alarm) =>
    element("li", {}, pill(alarm.state, STATE_NAMES[alarm.state]), link(`#/alarms/${encodeURIComponent(alarm.name)}`, alarm.name)))));
}

function Unknown(host) {
  this.update = ({ properties }) => host.replaceChildren(empty(`The view “${properties.view}” is not drawn here.`));
}
