/**
 * The objects of a stream, as DESIGN §6 has them, one JSON object per line.
 *
 * @typedef {"trace" | "debug" | "info" | "warn" | "error" | "fatal" | "unknown"} Level
 *
 * @typedef {object} Entry one line of a log
 * @property {"log"} type
 * @property {number} id
 * @property {number} seq
 * @property {string} channel
 * @property {string} timestamp RFC 3339, UTC, with nanoseconds
 * @property {Level} level
 * @property {"stdout" | "stderr" | "system"} stream
 * @property {string} source
 * @property {string} [instance]
 * @property {string} [run]
 * @property {boolean} [part] this is a piece of a longer line
 * @property {string} message
 *
 * @typedef {object} Gap entries that this reader can no longer have
 * @property {"gap"} type
 * @property {number} id
 * @property {string} channel
 * @property {number} after
 * @property {number} until
 * @property {number | null} count null where nobody can count them
 * @property {number} at_least
 * @property {string} reason
 *
 * @typedef {object} Ending the end of a run
 * @property {"complete"} type
 * @property {number} id
 * @property {string} channel
 * @property {string} run
 * @property {string} timestamp
 * @property {string} status
 * @property {number | null} exit_code
 * @property {string | null} signal
 *
 * @typedef {object} Hello the start of a stream
 * @property {"hello"} type
 * @property {string} version
 * @property {number} cursor the id after which the stream starts
 * @property {string[]} channels
 *
 * @typedef {{type: "cursor", id: number}} Cursor
 * @typedef {{type: "error", code: string, message: string}} Failure
 *
 * @typedef {Entry | Gap | Ending} RowObject what the list shows
 * @typedef {RowObject | Hello | Cursor | Failure} StreamObject
 */

/** From harmless to bad; `unknown` is on no such scale. @type {readonly Level[]} */
export const LEVELS = ["trace", "debug", "info", "warn", "error", "fatal"];

const ENTRY_START = '{"type":"log",';

/**
 * Tell whether a line is an entry, without parsing it; others must be parsed to know.
 *
 * @param {string} line
 */
export const isEntry = (line) => line.startsWith(ENTRY_START);

/**
 * Parse a line.
 *
 * @param {string} line
 * @returns {StreamObject}
 * @throws {SyntaxError} it is no JSON
 */
export const parse = (line) => JSON.parse(line);
