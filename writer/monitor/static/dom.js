// Makes elements. Whatever came from the network only ever becomes text.

export const byId = (id) => document.getElementById(id);

export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key.includes("-")) made.setAttribute(key, value);
    else made[key] = value;
  }
  made.append(...children);
  return made;
}

export function say(node, text) {
  // Writing the same text again would still cost a layout, a thousand feeds' worth of it every second.
  if (node.textContent !== text) node.textContent = text;
}

export function table(head, rows, none) {
  const cells = (kind, row) => row.map(([text, number, className]) =>
    element(kind, { className: [number ? "number" : "", className ?? ""].join(" ").trim() }, text));
  const body = rows.length
    ? rows.map((row) => element("tr", {}, ...cells("td", row)))
    : [element("tr", { className: "none" }, element("td", { colSpan: head.length }, none))];
  return [element("thead", {}, element("tr", {}, ...cells("th", head))), element("tbody", {}, ...body)];
}
