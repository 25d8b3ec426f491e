/**
 * Times as people read them, in their zone or in UTC. Milliseconds since the epoch inside.
 *
 * @typedef {"local" | "utc" | "relative"} Zone
 */

/** @param {number} number @param {number} width */
const digits = (number, width = 2) => String(number).padStart(width, "0");

/**
 * Return the date moved so that its UTC parts are those of a zone.
 *
 * @param {number} time
 * @param {Zone} zone
 */
function shifted(time, zone) {
  const date = new Date(time);
  return zone === "utc" ? date : new Date(time - date.getTimezoneOffset() * 60_000);
}

/**
 * Return the time of day: `09:47:30.123`.
 *
 * @param {number} time
 * @param {Zone} [zone]
 */
export const clock = (time, zone = "local") => isoOf(shifted(time, zone)).slice(11, 23);

/**
 * Return date and time to the second: `2026-11-21 09:47:30`.
 *
 * @param {number} time
 * @param {Zone} [zone]
 */
export const dateAndTime = (time, zone = "local") =>
  isoOf(shifted(time, zone)).slice(0, 19).replace("T", " ");

/**
 * Return date, time and zone: `2026-11-21 09:47:30.123456789 +01:00`.
 *
 * @param {string} timestamp RFC 3339, UTC
 * @param {Zone} [zone]
 */
export function full(timestamp, zone = "local") {
  const time = Date.parse(timestamp);
  const [, fraction = ""] = /\.(\d+)Z$/.exec(timestamp) ?? [];
  return `${dateAndTime(time, zone)}${fraction && `.${fraction}`} ${offset(time, zone)}`;
}

/** @param {Date} date */
const isoOf = (date) => (Number.isNaN(date.getTime()) ? "-".repeat(24) : date.toISOString());

/**
 * @param {number} time
 * @param {Zone} zone
 */
function offset(time, zone) {
  if (zone === "utc") return "UTC";
  const minutes = -new Date(time).getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(size / 60))}:${digits(size % 60)}`;
}

/**
 * Return the day, as a heading has it: `Saturday 21 November 2026`.
 *
 * @param {number} time
 * @param {Zone} [zone]
 */
export function day(time, zone = "local") {
  const date = shifted(time, zone);
  const timeZone = "UTC";
  // Apart, since engines differ in whether a comma stands between.
  const weekday = date.toLocaleDateString("en-GB", { weekday: "long", timeZone });
  const options = /** @type {const} */ ({ day: "numeric", month: "long", year: "numeric", timeZone });
  return `${weekday} ${date.toLocaleDateString("en-GB", options)}`;
}

/**
 * Return a number that two times have in common where they are of the same day.
 *
 * @param {number} time
 * @param {Zone} [zone]
 */
export const dayNumber = (time, zone = "local") =>
  Math.floor(shifted(time, zone).getTime() / 86_400_000);

/**
 * Return the nanoseconds within the millisecond of a time.
 *
 * @param {string} timestamp RFC 3339, UTC, with nanoseconds
 */
export const nanosOf = (timestamp) =>
  timestamp.length === 30 ? Number(timestamp.slice(23, 29)) : 0;

/**
 * Return a time as it came.
 *
 * @param {number} time
 * @param {number} nanos within its millisecond
 */
export const timestampOf = (time, nanos) =>
  `${isoOf(new Date(time)).slice(0, 23)}${digits(nanos, 6)}Z`;

/**
 * Return how long ago something was, in one unit: `now`, `12 s`, `5 min`, `3 h`, `2 d`.
 *
 * @param {number} milliseconds clocks that differ make it negative: that is now
 */
export function age(milliseconds) {
  const seconds = Math.floor(milliseconds / 1000);
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h`;
  return `${Math.floor(seconds / 86_400)} d`;
}
