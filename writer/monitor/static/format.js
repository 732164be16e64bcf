// Numbers, sizes and times as people read them; all times are UTC.

const grouped = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const LONGEST_PLAIN = 1e7;

export const count = (n) => grouped.format(n);
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

export function rate(perSecond) {
  if (perSecond >= 1e6) return `${(perSecond / 1e6).toFixed(2)} M`;
  if (perSecond >= 1e5) return `${(perSecond / 1e3).toFixed(0)} k`;
  if (perSecond >= 100) return count(perSecond);
  if (perSecond >= 10) return perSecond.toFixed(1);
  return perSecond === 0 ? "0" : perSecond >= 0.01 ? perSecond.toFixed(2) : perSecond.toPrecision(1);
}

export function size(bytes) {
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (bytes < 1024) return unit === "B" ? `${bytes} B` : `${bytes.toFixed(1)} ${unit}`;
    bytes /= 1024;
  }
  return `${bytes.toFixed(1)} TiB`;
}

export function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  for (const [name, length, lesser, lesserLength] of [["d", 86400, "h", 3600], ["h", 3600, "min", 60], ["min", 60, "s", 1]]) {
    if (whole >= length) return `${Math.floor(whole / length)} ${name} ${Math.floor((whole % length) / lesserLength)} ${lesser}`;
  }
  return `${whole} s`;
}

const two = (n) => String(n).padStart(2, "0");

export function clock(seconds) {
  const at = new Date(seconds * 1000);
  return `${two(at.getUTCHours())}:${two(at.getUTCMinutes())}:${two(at.getUTCSeconds())}`;
}

export function moment(seconds) {
  const at = new Date(seconds * 1000);
  return `${at.getUTCFullYear()}-${two(at.getUTCMonth() + 1)}-${two(at.getUTCDate())} ${clock(seconds)}`;
}

export function value(given) {
  if (given === null || given === undefined) return "–";
  if (typeof given === "boolean") return given ? "true" : "false";
  if (typeof given !== "number") return given === "" ? "“”" : given;
  if (Number.isInteger(given) && Math.abs(given) < 1e15) return String(given);
  const size = Math.abs(given);
  return size >= LONGEST_PLAIN || size < 1e-4 ? given.toExponential(5) : String(Number(given.toPrecision(7)));
}
