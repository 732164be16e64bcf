// Charts with uPlot, in the page's own colours.

import * as format from "./format.js";

const uPlot = window.uPlot;
const charts = new Set();
const sparks = new Set();

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const utc = (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC");
const FEWEST_S = 120;

const sizes = new ResizeObserver((entries) => {
  for (const { target, contentRect } of entries) {
    const chart = target.chart;
    if (chart && contentRect.width > 0) {
      chart.setSize({ width: Math.floor(contentRect.width), height: target.chartHeight ?? Math.floor(contentRect.height) });
    }
  }
});

// A canvas keeps the colours it was drawn with, so that a change of theme needs new ones.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  charts.forEach((redraw) => redraw());
  // These are drawn anew with their next value.
  [...sparks].forEach(remove);
});

function place(node, options, data) {
  node.chart?.destroy();
  node.replaceChildren();
  const width = Math.max(10, Math.floor(node.clientWidth));
  const height = node.chartHeight ?? Math.max(10, Math.floor(node.clientHeight));
  node.chart = new uPlot({ width, height, ...options }, data, node);
  sizes.observe(node);
  return node.chart;
}

export function remove(node) {
  sparks.delete(node);
  sizes.unobserve(node);
  node.chart?.destroy();
  node.chart = undefined;
}

const BARE = { legend: { show: false }, axes: [{ show: false }, { show: false }], padding: [3, 1, 1, 1] };

// The last hour of one number, with what it was under the pointer.
export class HourChart {
  constructor(node, note, { show, least = 0, top = null }) {
    Object.assign(this, { node, note, show, least, top, data: [[], []] });
    this.draw();
    charts.add(() => this.draw());
  }

  draw() {
    const { least, top } = this;
    place(this.node, {
      ...BARE,
      cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
      scales: {
        x: { time: true, range: (_, first, last) => [Math.min(first ?? 0, (last ?? 0) - FEWEST_S), last ?? FEWEST_S] },
        y: { range: (_, __, most) => [0, Math.max(least, (top ?? most ?? 0) * (top ? 1 : 1.08)) || 1] },
      },
      series: [{}, { stroke: colour("accent"), fill: colour("fill"), width: 1.5, points: { show: false } }],
      hooks: { setCursor: [(chart) => this.say(chart.cursor.idx)] },
    }, this.data);
  }

  set(times, values) {
    this.data = [times, values];
    this.node.chart.setData(this.data);
    this.say(this.node.chart.cursor.idx);
  }

  say(index) {
    const [times, values] = this.data;
    const text = index !== null && index !== undefined && times[index] !== undefined
      ? `${this.show(values[index])} at ${format.clock(times[index])} UTC`
      : `${since(times)}, at most ${this.show(values.reduce((a, b) => Math.max(a, b), 0))}`;
    if (this.note.textContent !== text) this.note.textContent = text;
  }
}

function since(times) {
  const seconds = times.length ? times.at(-1) - times[0] : 0;
  if (seconds > 3540) return "last hour";
  return seconds < 60 ? `last ${seconds} s` : `last ${Math.floor(seconds / 60)} min`;
}

// A line beside a value.
export function spark(node, values) {
  const data = [values.map((_, index) => index), values];
  if (node.chart) {
    node.chart.setData(data);
    return;
  }
  sparks.add(node);
  place(node, {
    ...BARE,
    cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_, low, high) => around(low, high) } },
    series: [{}, { stroke: colour("accent"), width: 1.25, points: { show: false } }],
  }, data);
}

function around(low, high) {
  if (low === null || high === null) return [0, 1];
  const space = (high - low) * 0.08 || Math.abs(high) * 0.01 || 1;
  return [low - space, high + space];
}

// Increment, format, and what is said beside the first mark of a minute, day and year; see uPlot's documentation.
const TICKS = [
  [31536000, "{YYYY}", null, null, null, null, null, null, 1],
  [2592000, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [86400, "{YYYY}-{MM}-{DD}", null, null, null, null, null, null, 1],
  [60, "{HH}:{mm}", "\n{YYYY}-{MM}-{DD}", null, "\n{YYYY}-{MM}-{DD}", null, null, null, 1],
  [1, "{HH}:{mm}:{ss}", "\n{YYYY}-{MM}-{DD}", null, "\n{YYYY}-{MM}-{DD}", null, null, null, 1],
  [0.001, ":{ss}.{fff}", "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{YYYY}-{MM}-{DD} {HH}:{mm}", null, "\n{HH}:{mm}", null, 1],
];

// A field against time: what is archived, and what is newer than that.
export class FieldChart {
  constructor(node, onZoom) {
    Object.assign(this, { node, onZoom, data: null, held: false });
    node.addEventListener("pointerdown", () => { this.held = true; });
    window.addEventListener("pointerup", () => { this.held = false; });
    charts.add(() => this.node.chart && this.draw());
  }

  show(data, from, to) {
    Object.assign(this, { data, from, to });
    if (this.node.chart) {
      this.node.chart.setData(data);
      this.node.chart.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
    } else this.draw();
  }

  clear() {
    remove(this.node);
    this.node.replaceChildren();
  }

  draw() {
    const axis = { stroke: colour("faint"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 } };
    const shown = (_, number) => (number === null || number === undefined ? "–" : format.value(number));
    const line = { stroke: colour("accent"), width: 1.25, value: shown };
    this.node.chartHeight = Math.max(260, Math.min(460, Math.floor(window.innerHeight * 0.5)));
    place(this.node, {
      tzDate: utc,
      scales: { x: { range: () => [this.from, this.to] }, y: { range: (_, low, high) => around(low, high) } },
      axes: [{ ...axis, values: TICKS, space: 80 }, { ...axis, size: 74, values: (_, marks) => marks.map((mark) => format.value(mark)) }],
      cursor: { drag: { x: true, y: false, setScale: false } },
      series: [
        { label: "UTC", value: (_, at) => (at === null || at === undefined ? "–" : format.moment(at)) },
        { ...line, label: "value" },
        { ...line, label: "not in the archive yet", stroke: colour("warn") },
      ],
      hooks: { setSelect: [(chart) => this.zoom(chart)] },
    }, this.data);
  }

  zoom(chart) {
    const { left, width } = chart.select;
    if (width > 5) this.onZoom(chart.posToVal(left, "x"), chart.posToVal(left + width, "x"));
  }
}
