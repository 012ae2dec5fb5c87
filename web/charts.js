/** A sparkline per visible row, drawn by uPlot and updated in place; and the theme's colours for all that is drawn. */

const SPARK_POINTS = 60;
const SPARK_HEIGHT = 30;

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export let palette = {};

/** Read the theme's colours; call again when it changes, then redraw. */
export function readPalette() {
  const names = ["up", "down", "flat", "accent", "muted", "line", "surface", "warn"];
  palette = Object.fromEntries(names.map((name) => [name, colour(`--${name}`)]));
}

function trend(values) {
  const known = values.filter((value) => value !== null);
  const move = known.length > 1 ? known.at(-1) - known[0] : 0;
  return move > 0 ? "up" : move < 0 ? "down" : "flat";
}

export class Sparkline {
  constructor(host, row) {
    this.row = row;
    const data = this.#data();
    this.plot = new uPlot(
      {
        width: host.clientWidth || 112,
        height: SPARK_HEIGHT,
        padding: [3, 3, 3, 3],
        pxAlign: 0,
        cursor: { show: false },
        legend: { show: false },
        select: { show: false },
        scales: { x: { time: false } },
        axes: [{ show: false }, { show: false }],
        series: [{}, { stroke: () => palette[this.direction], width: 1.5, points: { show: false } }],
      },
      data,
      host,
    );
  }

  update() {
    this.plot.setData(this.#data());
  }

  destroy() {
    this.plot.destroy();
  }

  #data() {
    const data = this.row.series.tail(SPARK_POINTS);
    this.direction = this.row.tab === "feed" ? "flat" : trend(data[1]);
    return data;
  }
}
