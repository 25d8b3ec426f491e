/**
 * What the page says of the relay's store, in plain words.
 *
 * @import { StoreState as Store } from "../net/relay.js"
 */
import { lines } from "./sentences.js";
import { clock, dayNumber, full } from "./times.js";

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/**
 * Return three digits and a unit: `1.25 GiB`.
 *
 * @param {number} bytes
 */
export function size(bytes) {
  let unit = 0;
  for (; bytes >= 1000 && unit < UNITS.length - 1; unit += 1) bytes /= 1024;
  return `${Number(bytes.toPrecision(3))} ${UNITS[unit]}`;
}

/**
 * Return whether lines are kept, since when, and what hinders; nothing where there is no store.
 *
 * @param {Store} store
 * @param {number} now
 */
export function keepingWords(store, now) {
  const since = `since ${moment(store.since, now)}`;
  switch (store.state) {
    case "off":
      return "";
    case "ok":
      return `Keeping lines ${since}`;
    case "failing":
      return `Not keeping lines ${since}: ${store.reason ?? "nobody knows why"}`;
    default:
      return `Keeping lines again ${since}`;
  }
}

/**
 * Return how far behind it is, and what room it has.
 *
 * @param {Store} store
 */
export function keepingDetail(store) {
  if (store.state === "off") return "";
  const behind = `${lines(store.behind_lines)} behind, ${size(store.behind_bytes)}`;
  const words = [
    store.state === "ok" ? "" : behind,
    store.free_bytes === null ? "" : `${size(store.free_bytes)} free`,
  ];
  return words.filter((word) => word !== "").join(" · ");
}

/**
 * Return all else that there is to say, a line each.
 *
 * @param {Store} store
 */
export function keepingMore(store) {
  const mended = store.recovered.map((sentence) => `At the start: ${sentence}`);
  return [`${store.directory ?? ""}, since ${full(store.since)}`, ...mended].join("\n");
}

/**
 * Return the time of day, with its date where that is another day.
 *
 * @param {string} timestamp
 * @param {number} now
 */
function moment(timestamp, now) {
  const time = Date.parse(timestamp);
  const isToday = dayNumber(time) === dayNumber(now);
  return isToday ? clock(time).slice(0, 5) : full(timestamp).slice(0, "2026-11-21 09:47".length);
}
