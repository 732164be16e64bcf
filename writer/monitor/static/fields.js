// The fields of the feeds that are open: last values and lines, from a stream of their own.

import { element, say } from "./dom.js";
import * as format from "./format.js";
import { remove, spark } from "./charts.js";

const MOST_OPEN = 50;
const MOST_SAMPLES = 120;
const FEW_FIELDS = 60;
const FEW_IN_A_ROW = 3;

export class Fields {
  constructor(onPlot) {
    this.onPlot = onPlot;
    this.feeds = new Map();
    this.stream = null;
    document.addEventListener("visibilitychange", () => this.connect());
  }

  open(feed) {
    if (this.feeds.size >= MOST_OPEN) return false;
    this.feeds.set(feed.number, feed);
    feed.blocksNode = element("div", { className: "blocks" });
    feed.detail = element("tr", { className: "detail" }, element("td", { colSpan: 7 }, feed.blocksNode));
    this.build(feed);
    feed.row.after(feed.detail);
    this.connect();
    return true;
  }

  close(feed) {
    if (!this.feeds.delete(feed.number)) return;
    this.clear(feed);
    feed.detail.remove();
    feed.detail = undefined;
    this.connect();
  }

  redescribe(feed) {
    if (!feed.detail) return;
    this.clear(feed);
    this.build(feed);
    this.connect();
  }

  clear(feed) {
    for (const { tiles } of feed.shown) for (const { line } of tiles) remove(line);
  }

  build(feed) {
    feed.shown = feed.blocks.map((block, at) => this.buildBlock(feed, block, at));
    feed.blocksNode.replaceChildren(...feed.shown.map(({ node }) => node));
  }

  buildBlock(feed, { name, fields }, at) {
    const shown = { tiles: [], samples: [], time: element("span", { className: "dim" }) };
    const grid = element("div", { className: "fields" });
    const add = (from, to) => {
      for (let index = from; index < Math.min(to, fields.length); index += 1) {
        const tile = this.buildField(feed, at, index, fields[index]);
        shown.tiles.push(tile);
        grid.append(tile.node);
      }
    };
    add(0, FEW_FIELDS);
    shown.node = element("div", { className: fields.length > FEW_IN_A_ROW ? "block" : "block small" }, element("h3", {}, name, " ", shown.time), grid);
    if (fields.length > FEW_FIELDS) {
      const more = element("button", { type: "button", className: "more" }, `Show all ${format.count(fields.length)} fields`);
      more.addEventListener("click", () => {
        more.remove();
        add(FEW_FIELDS, fields.length);
        this.connect();
      });
      shown.node.append(more);
    }
    return shown;
  }

  buildField(feed, block, field, name) {
    const value = element("span", { className: "value" }, "–");
    const line = element("span", { className: "spark" });
    const node = element("button", { type: "button", className: "field", title: "Plot from the archive" },
      element("span", { className: "label" }, name), value, line);
    node.addEventListener("click", () => this.onPlot({ feed: feed.number, block, field }));
    return { node, value, line };
  }

  connect() {
    this.stream?.close();
    this.stream = null;
    if (!this.feeds.size || document.hidden) return;
    this.stream = new EventSource(`events/fields?feeds=${[...this.feeds.keys()].join()}`);
    this.stream.addEventListener("fields", (event) => JSON.parse(event.data).forEach((told) => this.show(told)));
  }

  show({ feed, block, time_s, last, samples, whole }) {
    const shown = this.feeds.get(feed)?.shown[block];
    if (!shown) return;
    shown.samples = (whole ? samples : [...shown.samples, ...samples]).slice(-MOST_SAMPLES);
    say(shown.time, time_s === null ? "" : `${format.moment(time_s)} UTC`);
    shown.tiles.forEach(({ value, line }, index) => {
      say(value, format.value(last[index]));
      const values = shown.samples.map((row) => row[index]);
      if (values.some((number) => number !== null)) spark(line, values);
    });
  }
}
