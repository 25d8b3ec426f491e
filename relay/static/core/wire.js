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
 * @property {Record<string, unknown>} [fields] what a source knows besides
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

/**
 * Cuts a stream of newline-delimited JSON into objects; an unfinished line waits for the rest.
 */
export class ObjectReader {
  #rest = "";

  /**
   * Return the objects that are complete now. Cost O(text): one call of the parser for all.
   *
   * @param {string} text as it came, cut anywhere
   * @returns {StreamObject[]}
   * @throws {SyntaxError} a line is no JSON
   */
  feed(text) {
    const end = text.lastIndexOf("\n");
    if (end < 0) {
      this.#rest += text;
      return [];
    }
    const whole = this.#rest + text.slice(0, end);
    this.#rest = text.slice(end + 1);
    // A raw newline cannot stand inside an object: each parts two.
    const listed = whole.replace(/\n+/g, ",").replace(/^,|,$/g, "");
    return listed === "" ? [] : JSON.parse(`[${listed}]`);
  }
}
