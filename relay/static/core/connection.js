/**
 * How the page stands with the relay: a state, and what turns it into the next.
 *
 *     connecting ── opened ──> live ── lost ──> waiting ── (its time is over) ──> connecting
 *         │                                        ^
 *         ├── lost ────────────────────────────────┘
 *         ├── refused ──> refused     the relay will not answer this query, ever
 *         └── ended ────> ended       the run that was asked for is over
 *
 * Times are milliseconds since the epoch; time and chance are given.
 *
 * @typedef {object} Connection
 * @property {"connecting" | "live" | "waiting" | "refused" | "ended"} phase
 * @property {number} since when this began: for a lost connection, when it was lost
 * @property {number} attempts how many in a row were in vain
 * @property {number} until when the next attempt is made; only while waiting
 * @property {string} reason why it waits or was refused; empty at first
 */

const FIRST_DELAY_MS = 1000;
const MAX_DELAY_MS = 30_000;
/** A connection that lived so long was a good one: after it, attempts are counted anew. */
const STABLE_MS = 5000;

/**
 * Return how long to wait: twice as long each time, and scattered, so that the pages of a relay
 * that restarts do not all come back at once.
 *
 * @param {number} attempts in vain before this one
 * @param {number} random from 0 up to, not with, 1
 */
export function delay(attempts, random) {
  const most = Math.min(MAX_DELAY_MS, FIRST_DELAY_MS * 2 ** attempts);
  return Math.round(most * (0.5 + random / 2));
}

/**
 * Return the state of a new query.
 *
 * @param {number} now
 * @returns {Connection}
 */
export const begin = (now) => ({
  phase: "connecting",
  since: now,
  attempts: 0,
  until: 0,
  reason: "",
});

/**
 * @param {Connection} connection
 * @returns {Connection}
 */
export const again = (connection) => ({ ...connection, phase: "connecting", until: 0 });

/**
 * @param {Connection} connection
 * @param {number} now
 * @returns {Connection}
 */
export const opened = (connection, now) => ({
  ...connection,
  phase: "live",
  since: now,
  reason: "",
});

/**
 * @param {Connection} connection
 * @param {string} reason
 * @param {number} now
 * @param {number} random from 0 up to, not with, 1
 * @returns {Connection}
 */
export function lost(connection, reason, now, random) {
  const wasLive = connection.phase === "live";
  const attempts = wasLive && now - connection.since >= STABLE_MS ? 0 : connection.attempts;
  return {
    phase: "waiting",
    since: wasLive || connection.attempts === 0 ? now : connection.since,
    attempts: attempts + 1,
    until: now + delay(attempts, random),
    reason,
  };
}

/**
 * @param {Connection} connection
 * @param {string} reason
 * @param {number} now
 * @returns {Connection}
 */
export const refused = (connection, reason, now) => ({
  ...connection,
  phase: "refused",
  since: now,
  reason,
});

/**
 * @param {Connection} connection
 * @param {number} now
 * @returns {Connection}
 */
export const ended = (connection, now) => ({ ...connection, phase: "ended", since: now });
