/** Times as people read them, in the zone of who looks. Milliseconds since the epoch inside. */

/** @param {number} number @param {number} width */
const digits = (number, width = 2) => String(number).padStart(width, "0");

/**
 * Return the time of day: `09:47:30.123`.
 *
 * @param {Date} date
 */
export function clock(date) {
  const seconds = `${clockShort(date)}:${digits(date.getSeconds())}`;
  return `${seconds}.${digits(date.getMilliseconds(), 3)}`;
}

/**
 * Return hours and minutes: `09:47`.
 *
 * @param {Date} date
 */
export const clockShort = (date) => `${digits(date.getHours())}:${digits(date.getMinutes())}`;

/**
 * Return date, time and zone: `2026-11-21 09:47:30.123456789 +01:00`.
 *
 * @param {string} timestamp RFC 3339, UTC
 */
export function full(timestamp) {
  const date = new Date(timestamp);
  const [, fraction = ""] = /\.(\d+)Z$/.exec(timestamp) ?? [];
  const time = clock(date).slice(0, 8) + (fraction && `.${fraction}`);
  return `${dateOf(date)} ${time} ${zone(date)}`;
}

/** @param {Date} date */
const dateOf = (date) =>
  `${date.getFullYear()}-${digits(date.getMonth() + 1)}-${digits(date.getDate())}`;

/** @param {Date} date */
function zone(date) {
  const minutes = -date.getTimezoneOffset();
  const size = Math.abs(minutes);
  return `${minutes < 0 ? "-" : "+"}${digits(Math.floor(size / 60))}:${digits(size % 60)}`;
}

/**
 * Return the day, as a heading has it: `Saturday 21 November 2026`.
 *
 * @param {Date} date
 */
export function day(date) {
  // Apart, since engines differ in whether a comma stands between.
  const weekday = date.toLocaleDateString("en-GB", { weekday: "long" });
  const options = /** @type {const} */ ({ day: "numeric", month: "long", year: "numeric" });
  return `${weekday} ${date.toLocaleDateString("en-GB", options)}`;
}

/**
 * Tell whether two times are of the same day here.
 *
 * @param {Date} one
 * @param {Date} other
 */
export const isSameDay = (one, other) => one.toDateString() === other.toDateString();

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
