/**
 * What the page shows, as its URL says it: a link shows another person the same.
 *
 * @import { Level } from "./wire.js"
 *
 * @typedef {object} View frozen
 * @property {readonly string[]} channels names or globs; none: all channels
 * @property {string} q text that the lines hold, in any case; may be empty
 * @property {Level | ""} minLevel this level and worse; empty: all
 */
import { LEVELS } from "./wire.js";

/** Lines of history that a new query begins with. */
export const TAIL = 500;

/** @type {View} */
export const EVERYTHING = Object.freeze({ channels: Object.freeze([]), q: "", minLevel: "" });

/**
 * Read a view from a query string; what it cannot use it leaves out.
 *
 * @param {string} search as in `location.search`
 * @returns {View}
 */
export function parseView(search) {
  const parameters = new URLSearchParams(search);
  const channels = parameters.getAll("channel").flatMap((value) => value.split(","));
  const level = LEVELS.find((known) => known === parameters.get("min_level"));
  return Object.freeze({
    channels: Object.freeze([...new Set(channels.filter((name) => name !== ""))].sort()),
    q: parameters.get("q") ?? "",
    minLevel: level ?? "",
  });
}

/**
 * Return the parameters of a view, as the page's URL and the API both have them.
 *
 * @param {View} view
 * @returns {string} such as `channel=db,web&q=time+out`; empty for everything
 */
export function viewParameters(view) {
  const parts = [];
  // Commas may stand as they are in a query string, and read better.
  if (view.channels.length > 0) {
    parts.push(`channel=${view.channels.map(encodeURIComponent).join(",")}`);
  }
  const others = new URLSearchParams();
  if (view.q !== "") others.set("q", view.q);
  if (view.minLevel !== "") others.set("min_level", view.minLevel);
  return [...parts, ...(others.size > 0 ? [others.toString()] : [])].join("&");
}

/**
 * Return the parameters of a view's stream.
 *
 * @param {View} view
 * @param {number | null} cursor where to go on; null: with the newest lines
 */
export function streamParameters(view, cursor) {
  const start = cursor === null ? `tail=${TAIL}` : `after=${cursor}`;
  return [viewParameters(view), start].filter((part) => part !== "").join("&");
}

/**
 * Tell whether two views show the same.
 *
 * @param {View} one
 * @param {View} other
 */
export const isSame = (one, other) => viewParameters(one) === viewParameters(other);

/**
 * Tell whether lines of more than one channel may come.
 *
 * @param {View} view
 */
export const isMixed = (view) => view.channels.length !== 1 || /[*?]/.test(view.channels[0] ?? "");

/**
 * Return a view with one channel more, or less where it was chosen.
 *
 * @param {View} view
 * @param {string} channel
 * @returns {View}
 */
export function toggled(view, channel) {
  const others = view.channels.filter((name) => name !== channel);
  const channels = others.length < view.channels.length ? others : [...others, channel].sort();
  return Object.freeze({ ...view, channels: Object.freeze(channels) });
}
