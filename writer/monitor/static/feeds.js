// The table of feeds: search, sort, and each feed's fields on demand.

import { byId, element, say } from "./dom.js";
import * as format from "./format.js";
import { Fields } from "./fields.js";

const FEW = 200;
const RESORT_MS = 3000;
const KEPT_AS = "hkagg-open-feeds";

const COLUMNS = [
  { name: "feed", label: "Feed", key: (feed) => feed.address },
  { name: "age", label: "Last message", number: true, key: (feed) => -feed.lastMs, moves: true },
  { name: "rate", label: "Messages/s", number: true, key: (feed) => -feed.rate, moves: true },
  { name: "fields", label: "Fields", number: true, key: (feed) => -feed.fields },
  { name: "stale", label: "State", key: (feed) => -feed.stale },
  { name: "lost", label: "Lost", number: true, key: (feed) => -feed.lost },
  { name: "kept", label: "Quarantined", number: true, key: (feed) => -feed.kept },
];

export class Feeds {
  constructor(onPlot) {
    this.feeds = new Map();
    this.fields = new Fields(onPlot);
    this.column = COLUMNS[0];
    this.sign = 1;
    this.all = false;
    this.nowMs = 0;
    this.arrangedMs = 0;
    this.remembered = new Set(JSON.parse(sessionStorage.getItem(KEPT_AS) ?? "[]"));
    this.head();
    byId("search").addEventListener("input", () => this.arrange());
    byId("only-trouble").addEventListener("change", () => this.arrange());
    byId("more").addEventListener("click", () => {
      this.all = true;
      this.arrange();
    });
  }

  head() {
    byId("columns").replaceChildren(...COLUMNS.map((column) => {
      const button = element("button", { type: "button" }, column.label);
      button.addEventListener("click", () => this.sort(column));
      return element("th", { className: column.number ? "number" : "", scope: "col", "data-column": column.name }, button);
    }));
    this.sayOrder();
  }

  sort(column) {
    this.sign = column === this.column ? -this.sign : 1;
    this.column = column;
    this.sayOrder();
    this.arrange();
  }

  sayOrder() {
    for (const cell of byId("columns").children) {
      const chosen = cell.dataset.column === this.column.name;
      cell.setAttribute("aria-sort", chosen ? (this.sign > 0 ? "ascending" : "descending") : "none");
    }
  }

  forget() {
    for (const feed of this.feeds.values()) {
      if (feed.open) this.remembered.add(feed.address);
      this.fields.close(feed);
    }
    this.feeds.clear();
    byId("feeds").replaceChildren();
  }

  show(told) {
    this.nowMs = told.now_ns / 1e6;
    for (const description of told.described ?? []) this.describe(description);
    for (const line of told.lines) this.update(line);
    const resort = this.column.moves && this.nowMs - this.arrangedMs > RESORT_MS && !byId("feeds").matches(":hover");
    if (told.described || resort) this.arrange();
    if (!document.hidden) this.sayAges();
  }

  describe({ number, address, blocks }) {
    const feed = this.feeds.get(number) ?? this.make(number, address);
    feed.blocks = blocks;
    feed.fields = blocks.reduce((sum, block) => sum + block.fields.length, 0);
    feed.text = [address, ...blocks.flatMap((block) => [block.name, ...block.fields])].join("\n").toLowerCase();
    say(feed.cells.fields, format.count(feed.fields));
    this.fields.redescribe(feed);
    if (this.remembered.delete(address)) this.toggle(feed);
  }

  make(number, address) {
    const button = element("button", { type: "button", "aria-expanded": "false" }, ...parts(address));
    const cells = { feed: element("td", {}, button) };
    for (const { name, label, number: right } of COLUMNS.slice(1)) {
      cells[name] = element("td", { className: right ? "number" : "", "data-label": label.toLowerCase() });
    }
    const row = element("tr", { className: "feed" }, ...Object.values(cells));
    const feed = { number, address, blocks: [], fields: 0, lastMs: 0, rate: 0, stale: 0, lost: 0, kept: 0, row, cells, button };
    button.addEventListener("click", () => this.toggle(feed));
    this.feeds.set(number, feed);
    return feed;
  }

  update([number, lastMs, rate, stale, lost, kept]) {
    const feed = this.feeds.get(number);
    if (!feed) return;
    Object.assign(feed, { lastMs, rate, stale, lost, kept });
    say(feed.cells.rate, format.rate(rate));
    say(feed.cells.stale, stale ? "stale" : "fresh");
    feed.cells.stale.className = stale ? "stale" : "dim";
    for (const [name, number] of [["lost", lost], ["kept", kept]]) {
      say(feed.cells[name], format.count(number));
      feed.cells[name].className = `number ${number ? "loss" : "dim"}`;
    }
  }

  sayAges() {
    for (const feed of this.shown ?? []) say(feed.cells.age, this.age(feed));
  }

  age({ lastMs }) {
    if (!lastMs) return "–";
    const seconds = (this.nowMs - lastMs) / 1000;
    return seconds < 1.5 ? "now" : `${format.duration(seconds)} ago`;
  }

  toggle(feed) {
    feed.open = !feed.open;
    feed.button.setAttribute("aria-expanded", String(feed.open));
    if (feed.open && !this.fields.open(feed)) {
      feed.open = false;
      feed.button.setAttribute("aria-expanded", "false");
    }
    if (!feed.open) this.fields.close(feed);
    const open = [...this.feeds.values()].filter((one) => one.open).map((one) => one.address);
    sessionStorage.setItem(KEPT_AS, JSON.stringify(open));
  }

  arrange() {
    const wanted = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
    const troubled = byId("only-trouble").checked;
    const found = [...this.feeds.values()].filter((feed) =>
      wanted.every((word) => feed.text.includes(word)) && (!troubled || feed.stale || feed.lost || feed.kept));
    const { key } = this.column;
    found.sort((a, b) => this.sign * compare(key(a), key(b)) || compare(a.address, b.address));
    this.shown = this.all ? found : found.slice(0, FEW);
    this.place(this.shown.flatMap((feed) => (feed.detail ? [feed.row, feed.detail] : [feed.row])));
    this.sayAges();
    this.sayCounts(found.length);
    this.arrangedMs = this.nowMs;
  }

  place(rows) {
    const body = byId("feeds");
    const same = body.children.length === rows.length && rows.every((row, index) => body.children[index] === row);
    if (!same) body.replaceChildren(...rows);
  }

  sayCounts(found) {
    const total = this.feeds.size;
    say(byId("feeds-count"), found === total ? format.plural(total, "feed") : `${format.count(found)} of ${format.plural(total, "feed")}`);
    byId("more").hidden = this.shown.length === found;
    say(byId("more"), `Show all ${format.count(found)}`);
    byId("no-feeds").hidden = found > 0;
    say(byId("no-feeds"), total ? "No feed is like that." : "No feed has sent a message yet.");
  }
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

function parts(address) {
  const [root, agent, kind, ...name] = address.split(".");
  if (kind !== "feeds" || !name.length) return [address];
  const dim = (text) => element("span", { className: "dim" }, text);
  return [dim(`${root}.`), agent, dim(`.${kind}.`), name.join(".")];
}
