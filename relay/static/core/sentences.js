/**
 * What the page says of gaps, endings and its connection, in plain words.
 *
 * @import { Connection } from "./connection.js"
 * @import { Missed } from "./intake.js"
 * @import { Ending, Gap } from "./wire.js"
 */
import { age, clock, dateAndTime } from "./times.js";

/** @param {number} number */
export const grouped = (number) => number.toLocaleString("en");

/**
 * Return a number in at most four characters or so: `999`, `1.2k`, `12k`, `3.4M`.
 *
 * @param {number} number
 */
export function short(number) {
  if (number < 1000) return String(number);
  const [divided, unit] = number < 999_500 ? [number / 1000, "k"] : [number / 1e6, "M"];
  return `${divided < 9.95 ? divided.toFixed(1) : Math.round(divided)}${unit}`;
}

/** @type {Record<string, string>} */
const REASONS = {
  evicted: "they left the relay’s memory before this page read them",
  source: "the source lost them",
  storage: "the relay could not store them, or cannot read them now",
  restart: "the relay was started anew",
  rate: "they came faster than the source may send",
};

/**
 * @param {number} count
 * @param {string} [adjective]
 */
export function lines(count, adjective = "") {
  return `${grouped(count)} ${adjective && `${adjective} `}${count === 1 ? "line" : "lines"}`;
}

/** @param {Gap} gap */
export function gapSentence(gap) {
  const reason = REASONS[gap.reason] ?? gap.reason;
  if (gap.count !== null) return `${lines(gap.count)} missing: ${reason}`;
  if (gap.at_least > 0) return `At least ${lines(gap.at_least)} missing: ${reason}`;
  return `Lines may be missing: ${reason}`;
}

/** @param {Ending} ending */
export function endingSentence(ending) {
  let how = ending.status;
  if (ending.signal) how += ` by ${ending.signal}`;
  if (ending.exit_code !== null) how += `, exit code ${ending.exit_code}`;
  return `Run ${ending.run} has ended: ${how}`;
}

/**
 * @param {string} run
 * @param {string | undefined} started RFC 3339
 * @param {import("./times.js").Zone} zone
 */
export const startSentence = (run, started, zone) =>
  started === undefined
    ? `Run ${run}`
    : `Run ${run} started ${dateAndTime(Date.parse(started), zone)}`;

/**
 * Return that not all is counted; empty where all is.
 *
 * @param {readonly string[]} channels that cannot be read to their end
 */
export function unreadWords(channels) {
  if (channels.length === 0) return "";
  const what = channels.length === 1 ? channels[0] : `${channels.length} channels`;
  return `not all: the relay cannot read what it stored of ${what}`;
}

/** @param {Missed} missed */
export function missedWords(missed) {
  if (missed.count > 0) return `${missed.isLeast ? "at least " : ""}${grouped(missed.count)} missed`;
  return missed.isLeast ? "some may be missed" : "0 missed";
}

/**
 * Return a rate with two or three digits: `0.3/s`, `12/s`, `4.2k/s`.
 *
 * @param {number} perSecond
 */
export function rate(perSecond) {
  if (perSecond >= 100_000) return `${Math.round(perSecond / 1000)}k/s`;
  if (perSecond >= 1000) return `${(perSecond / 1000).toFixed(1)}k/s`;
  return `${perSecond < 10 ? Math.round(perSecond * 10) / 10 : Math.round(perSecond)}/s`;
}

/**
 * Return the state of a connection in a word or two.
 *
 * @param {Connection} connection
 */
export function connectionWords(connection) {
  switch (connection.phase) {
    case "connecting":
      return connection.attempts > 0 ? "Reconnecting…" : "Connecting…";
    case "live":
      return "Live";
    case "waiting":
      return "Not connected";
    case "refused":
      return "Refused";
    case "ended":
      return "Ended";
  }
}

/**
 * Return what more there is to say of a connection.
 *
 * @param {Connection} connection
 * @param {number} now
 */
export function connectionDetail(connection, now) {
  const since = `since ${clock(connection.since).slice(0, 8)}`;
  if (connection.phase === "waiting") {
    const seconds = Math.max(1, Math.ceil((connection.until - now) / 1000));
    return `trying again in ${seconds} s, ${since}`;
  }
  if (connection.phase === "connecting" && connection.attempts === 0) return "";
  return connection.phase === "refused" ? connection.reason : since;
}

/**
 * Return a run in few words: `▶ running 5 min`, `✕ failed (3) 2 h`.
 *
 * @param {import("../net/relay.js").Run} run
 * @param {number} now
 */
export function runWords(run, now) {
  const when = age(now - Date.parse(run.ended ?? run.started));
  if (run.ended === null) return `▶ running ${when}`;
  const code = run.exit_code === null ? (run.signal ?? "") : String(run.exit_code);
  const sign = run.status === "failed" || run.status === "killed" ? "✕" : "■";
  return `${sign} ${run.status}${code && ` (${code})`} ${when}`;
}
