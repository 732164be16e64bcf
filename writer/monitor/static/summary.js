// The band with the state, and the cards below it.

import { byId, element, say } from "./dom.js";
import * as format from "./format.js";
import { HourChart } from "./charts.js";

const HOUR_S = 3600;
const SMOOTHED = 5;
const USUAL = new Set(["recording", "idle", "waiting"]);
const percent = (share) => `${(share * 100).toFixed(1)}%`;

const history = [];
const charts = [
  new HourChart(byId("buffer-chart"), byId("buffer-note"), { show: percent, top: 1 }),
  new HourChart(byId("messages-chart"), byId("messages-note"), { show: (n) => `${format.rate(n)}/s` }),
  new HourChart(byId("values-chart"), byId("values-note"), { show: (n) => `${format.rate(n)}/s` }),
  new HourChart(byId("lag-chart"), byId("lag-note"), { show: (n) => `${format.rate(n)} s`, least: 1 }),
];

const LOSSES = [
  ["dropped", "messages dropped"],
  ["rejected", "messages rejected"],
  ["gaps", "gaps"],
  ["quarantined", "messages in quarantine"],
  ["misfits", "parts in quarantine"],
  ["disk_errors", "disk errors"],
];

export function begin(told) {
  history.splice(0, history.length, ...told.history);
}

export function show(told) {
  const last = history.at(-1);
  if (told.moment && (!last || told.moment[0] > last[0])) history.push(told.moment);
  while (history.length && history[0][0] < history.at(-1)[0] - HOUR_S) history.shift();
  state(told.state, told.label, told.reasons, told.name);
  file(told);
  figures(told);
  losses(told.counters);
  drawHistory();
}

export function lost(seconds) {
  state("unknown", "no answer", [`The monitor has said nothing for ${format.duration(seconds)}; what is below is old.`], byId("name").textContent);
}

function state(name, label, reasons, recorder) {
  document.body.dataset.state = name;
  say(byId("state"), label);
  say(byId("name"), recorder);
  document.title = `${label} · ${recorder} · hkagg`;
  const icon = `icons/${name}.svg`;
  if (byId("icon").getAttribute("href") !== icon) byId("icon").setAttribute("href", icon);
  const list = byId("reasons");
  if ([...list.children].map((item) => item.textContent).join() !== reasons.join()) {
    list.replaceChildren(...reasons.map((reason) => element("li", {}, reason)));
  }
}

function file({ file: current, now_ns, processes, connected, buffer_dir }) {
  say(byId("file-size"), current.path ? format.size(current.bytes) : "none");
  say(byId("file-name"), current.path.split("/").slice(-2).join("/"));
  byId("file-name").title = current.path;
  const age = format.duration((now_ns - current.opened_ns) / 1e9);
  say(byId("file-age"), current.path ? (current.open ? `open for ${age}` : "closed") : "");
  const about = ({ alive, state: doing, started_ns }) => {
    if (!alive) return "not running";
    const up = `up ${format.duration((now_ns - started_ns) / 1e9)}`;
    return USUAL.has(doing) ? up : `${doing || "starting"}, ${up}`;
  };
  pairs(byId("processes"), [
    ["ingest", about(processes.ingest), processes.ingest.alive ? "" : "gone"],
    ["writer", about(processes.writer), processes.writer.alive ? "" : "gone"],
    ["router", connected && processes.ingest.alive ? "connected" : "no connection", connected && processes.ingest.alive ? "" : "gone"],
  ]);
  const archive = current.path.split("/").slice(0, -2).join("/");
  say(byId("place"), `buffer ${buffer_dir}${archive ? `, archive ${archive}` : ""}`);
}

function figures({ buffer, lag_s, pending }) {
  const recent = history.slice(-SMOOTHED);
  const mean = (at) => recent.reduce((sum, row) => sum + row[at], 0) / Math.max(1, recent.length);
  say(byId("buffer-fill"), percent(buffer.fill));
  say(byId("buffer-of"), `of ${format.size(buffer.size_bytes)}`);
  say(byId("messages-rate"), format.rate(mean(2)));
  say(byId("values-rate"), format.rate(mean(3)));
  say(byId("lag"), lag_s.toFixed(1));
  byId("lag").title = `${format.count(pending)} messages wait for their frame to be cut`;
}

function losses(counters) {
  pairs(byId("losses"), LOSSES.map(([name, label]) => [label, format.count(counters[name]), counters[name] ? "loss" : ""]));
}

function pairs(list, rows) {
  if (list.children.length !== rows.length * 2) {
    list.replaceChildren(...rows.flatMap(() => [element("dt"), element("dd")]));
  }
  rows.forEach(([name, text, className], index) => {
    say(list.children[index * 2], name);
    const shown = list.children[index * 2 + 1];
    say(shown, text);
    shown.className = className;
  });
}

function drawHistory() {
  if (document.hidden) return;
  const times = history.map((row) => row[0]);
  charts.forEach((chart, index) => chart.set(times, history.map((row) => row[index + 1])));
}
