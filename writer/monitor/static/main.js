// Listens to the monitor and hands on what it tells.

import { byId, say } from "./dom.js";
import { clock } from "./format.js";
import { Feeds } from "./feeds.js";
import { Plot } from "./plot.js";
import * as lists from "./lists.js";
import * as summary from "./summary.js";

const SILENT_AFTER_MS = 5000;
const RETRY_MS = 3000;

const plot = new Plot();
const feeds = new Feeds((field) => plot.open(field));
let heardMs = performance.now();
let stream = null;

function connect() {
  stream?.close();
  stream = null;
  // A page that nobody sees gives its connection back: a browser has only six for one server.
  if (document.hidden) return;
  stream = new EventSource("events");
  stream.addEventListener("whole", (event) => hear(event, (told) => {
    summary.begin(told);
    feeds.forget();
    feeds.show(told);
    feeds.arrange();
  }));
  stream.addEventListener("look", (event) => hear(event, (told) => feeds.show(told)));
}

function hear(event, show) {
  heardMs = performance.now();
  const told = JSON.parse(event.data);
  summary.show(told);
  lists.show(told);
  show(told);
}

function look() {
  say(byId("clock"), `${clock(Date.now() / 1000)} UTC`);
  const silentMs = performance.now() - heardMs;
  if (silentMs > SILENT_AFTER_MS && !document.hidden) summary.lost(silentMs / 1000);
  if (stream?.readyState === EventSource.CLOSED && silentMs > RETRY_MS) connect();
}

document.addEventListener("visibilitychange", connect);
setInterval(look, 1000);
look();
connect();
