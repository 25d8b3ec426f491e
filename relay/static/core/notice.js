/**
 * What stands in the place of the lines while there are none.
 *
 * @import { Connection } from "./connection.js"
 * @import { View } from "./view.js"
 *
 * @typedef {object} Notice
 * @property {string} title
 * @property {string} text
 * @property {"" | "clear" | "all" | "retry"} action what its button does; empty: it has none
 * @property {string} label of the button
 *
 * @typedef {object} Situation
 * @property {Connection} connection
 * @property {View} view
 * @property {readonly string[]} names channels that the relay has
 */
import { isFiltered } from "./view.js";

/**
 * Say why there are no lines.
 *
 * @param {Situation} situation
 * @returns {Notice}
 */
export function whyEmpty({ connection, view, names }) {
  switch (connection.phase) {
    case "refused":
      return of("The relay cannot show this", sentence(connection.reason), remedy(view));
    case "ended":
      return of("This run has ended", "Nothing more will come.");
    case "live":
      return whyQuiet(view, names);
    default:
      if (connection.attempts === 0) return of("Connecting…", "");
      return whyWaiting(connection, view, names);
  }
}

/**
 * @param {View} view
 * @param {readonly string[]} names
 */
function whyQuiet(view, names) {
  if (remedy(view) === "clear") {
    const text = "None of those that the relay holds. New ones that match appear here.";
    return of("No line matches this filter", text, "clear");
  }
  if (names.length === 0) {
    return of("No lines yet", "The relay has no channels so far. They appear with their first line.");
  }
  return of("No lines yet", "New lines appear here as they come.");
}

/**
 * @param {Connection} connection
 * @param {View} view
 * @param {readonly string[]} names
 */
function whyWaiting(connection, view, names) {
  const isMissing = view.channels.some((name) => !/[*?]/.test(name) && !names.includes(name));
  if (isMissing && names.length > 0) {
    const text = `${sentence(connection.reason)} Its lines appear here as soon as it is there.`;
    return of("This channel is not there yet", text, "all");
  }
  return of("Waiting for the relay", sentence(connection.reason), "retry");
}

/** @param {View} view */
const remedy = (view) => (isFiltered(view) ? "clear" : "all");

const LABELS = { "": "", clear: "Clear the filter", all: "Show all channels", retry: "Try now" };

/**
 * @param {string} title
 * @param {string} text
 * @param {Notice["action"]} [action]
 * @returns {Notice}
 */
const of = (title, text, action = "") => ({ title, text, action, label: LABELS[action] });

/** @param {string} words in lower case, without a full stop, as the relay writes them */
function sentence(words) {
  const end = /[.?!]$/.test(words) ? "" : ".";
  return `${words.charAt(0).toUpperCase()}${words.slice(1)}${end}`;
}
