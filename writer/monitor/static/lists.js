// Files, gaps and quarantine.

import { byId, table } from "./dom.js";
import * as format from "./format.js";

export function show(told) {
  if (told.files) byId("files").replaceChildren(...files(told.files));
  if (told.gaps) byId("gaps").replaceChildren(...gaps(told.gaps));
  if (told.quarantine) byId("quarantine").replaceChildren(...quarantine(told.quarantine));
}

const files = (list) => table(
  [["File"], ["Begun, UTC"], ["Size", true], ["Rows", true]],
  list.map(({ name, ctime_s, bytes, rows, known, fault }) => [
    [name, false, "whole"],
    [format.moment(ctime_s), false, "dim whole"],
    [format.size(bytes), true],
    [fault ? `${format.count(rows)}, then ${fault}` : known ? format.count(rows) : "counting…", true, fault ? "loss" : ""],
  ]),
  "No file yet.",
);

const gaps = (list) => table(
  [["From, UTC"], ["To"], ["Messages", true], ["Why"], ["Most of them from"]],
  list.map(({ from_ns, to_ns, reason, messages, feeds, most }) => [
    [format.moment(from_ns / 1e9), false, "whole"],
    [format.clock(to_ns / 1e9), false, "whole"],
    [messages === null ? "unknown" : format.count(messages), true, "loss"],
    [reason],
    [most.slice(0, 2).map(([address]) => address).join(", ") + (feeds > 2 ? ` and ${format.count(feeds - 2)} more` : ""), false, "any"],
  ]),
  "No message is known to be missing.",
);

const quarantine = (list) => table(
  [["Received, UTC"], ["Feed, block, field"], ["Why"], ["Size", true]],
  list.map(({ received_ns, address, block, field, reason, bytes }) => [
    [format.moment(received_ns / 1e9), false, "whole"],
    [[address, block, field].filter(Boolean).join(", ") || "–", false, "any"],
    [reason],
    [format.size(bytes), true],
  ]),
  "Everything that came could be recorded as it was.",
);
