// A field's rows from the archive: choose a span, drag to look closer.

import { byId, element, table } from "./dom.js";
import * as format from "./format.js";
import { FieldChart } from "./charts.js";

const SPANS = [["15 min", 900], ["1 h", 3600], ["3 h", 10800], ["12 h", 43200], ["24 h", 86400]];
const REFRESH_MS = 10000;

export class Plot {
  constructor() {
    this.dialog = byId("plot");
    this.span = 3600;
    this.zooms = [];
    this.chart = new FieldChart(byId("plot-chart"), (from, to) => this.zoomIn(from, to));
    byId("plot-close").addEventListener("click", () => this.dialog.close());
    this.dialog.addEventListener("close", () => this.end());
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
    byId("plot-chart").addEventListener("dblclick", () => this.zoomOut());
    this.buttons();
  }

  buttons() {
    this.spans = SPANS.map(([label, seconds]) => {
      const button = element("button", { type: "button" }, label);
      button.addEventListener("click", () => this.choose(seconds));
      return { button, seconds };
    });
    this.out = element("button", { type: "button", disabled: true }, "Zoom out");
    this.out.addEventListener("click", () => this.zoomOut());
    byId("plot-spans").replaceChildren(...this.spans.map(({ button }) => button), this.out);
  }

  open(field) {
    this.field = field;
    this.zooms = [];
    byId("plot-title").textContent = "";
    byId("plot-address").textContent = "";
    byId("plot-note").textContent = "Reading the archive…";
    this.dialog.showModal();
    this.load();
    this.timer = setInterval(() => {
      if (!this.zooms.length && !this.chart.held && !document.hidden) this.load();
    }, REFRESH_MS);
  }

  end() {
    clearInterval(this.timer);
    this.chart.clear();
    byId("plot-changes").replaceChildren();
  }

  choose(seconds) {
    this.span = seconds;
    this.zooms = [];
    this.load();
  }

  zoomIn(from, to) {
    this.zooms.push([from, to]);
    this.load();
  }

  zoomOut() {
    if (this.zooms.pop()) this.load();
  }

  async load() {
    const now = Date.now() / 1000;
    const [from, to] = this.zooms.at(-1) ?? [now - this.span, now];
    this.mark();
    const bins = Math.min(2000, Math.max(200, Math.floor(byId("plot").clientWidth / 2)));
    const question = new URLSearchParams({ ...this.field, from, to, bins });
    this.asked = String(question);
    const asked = this.asked;
    try {
      const response = await fetch(`plot.json?${question}`);
      if (!response.ok) throw new Error(await response.text());
      const told = await response.json();
      if (asked === this.asked && this.dialog.open) this.draw(told, from, to);
    } catch (error) {
      byId("plot-note").textContent = `The archive could not be read: ${error.message}`;
    }
  }

  mark() {
    for (const { button, seconds } of this.spans) {
      button.setAttribute("aria-pressed", String(!this.zooms.length && seconds === this.span));
    }
    this.out.disabled = !this.zooms.length;
  }

  draw(told, from, to) {
    byId("plot-title").textContent = told.field;
    byId("plot-address").textContent = `${told.address}, block ${told.block}`;
    const recent = told.changes.length ? [] : newer(told);
    const drawn = told.times.length || recent.length;
    if (drawn) {
      const none = (list) => list.map(() => null);
      const data = [
        [...told.times, ...recent.map(([time]) => time)],
        [...told.values, ...none(recent)],
        [...none(told.times), ...recent.map(([, value]) => value)],
      ];
      this.chart.show(data, from, to);
    } else {
      this.chart.clear();
    }
    this.changes(told.changes);
    byId("plot-note").textContent = note(told, drawn);
  }

  changes(list) {
    const rows = list.toReversed().map(([time, text]) => [[`${format.moment(time)} UTC`], [text]]);
    byId("plot-changes").replaceChildren(...(rows.length ? [element("table", {}, ...table([["Since"], ["Value"]], rows, ""))] : []));
  }
}

// What has been archived is not drawn again from the log.
function newer({ times, recent }) {
  const last = times.at(-1) ?? -Infinity;
  return recent.filter(([time]) => time > last);
}

function note({ rows, changes, cut, decimated }, drawn) {
  if (changes.length) return `${format.plural(rows, "row")}; a text, so its changes are listed.`;
  if (!drawn) return "The archive has no rows of this field in this span.";
  const how = decimated ? "drawn as least and greatest value of each stretch; drag to look closer" : "every one is drawn";
  return `${format.plural(rows, "row")} in the archive, ${how}.${cut ? " There is more than could be read: choose a shorter span." : ""}`;
}
