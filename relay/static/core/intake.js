/**
 * What arrives, sorted: rows for the list, and what the page must know of them.
 *
 * Rule of this file: an entry is not parsed here, but where it is drawn. At 20,000 lines a
 * second only the last entry of each piece is looked at, for the cursor.
 *
 * @import { Gap, Hello, StreamObject } from "./wire.js"
 */
import { isEntry, parse } from "./wire.js";

/**
 * @typedef {object} Missed
 * @property {number} count how many entries are certainly missing
 * @property {boolean} isLeast whether more may be missing, which nobody can count
 */

/** Takes in the lines of one query's streams, over all of its connections. */
export class Intake {
  /** The id after which a reader goes on; null before the first hello. @type {number | null} */
  cursor = null;
  /** Entries so far. */
  received = 0;
  /** @type {Missed} */
  missed = { count: 0, isLeast: false };
  /** @type {Hello | null} */
  hello = null;
  /** Why the relay ended the stream, in its own words. @type {string | null} */
  failure = null;

  /**
   * Take lines in, and return those that are rows: entries, gaps and endings.
   *
   * @param {string[]} lines whole ones, in the order in which they came
   * @throws {SyntaxError} a line is no JSON
   */
  take(lines) {
    /** @type {string[]} */
    const rows = [];
    let newest = "";
    for (const line of lines) {
      if (isEntry(line)) {
        this.received += 1;
        newest = line;
        rows.push(line);
      } else if (line !== "") {
        if (newest !== "") this.#read(parse(newest));
        newest = "";
        if (this.#read(parse(line))) rows.push(line);
      }
    }
    if (newest !== "") this.#read(parse(newest));
    return rows;
  }

  /**
   * @param {StreamObject} object
   * @returns {boolean} whether it is a row
   */
  #read(object) {
    if (object.type === "error") {
      this.failure = object.message;
      return false;
    }
    if (object.type === "hello") {
      this.hello = object;
      this.cursor = object.cursor;
      return false;
    }
    if (object.type === "gap") this.#miss(object);
    this.cursor = object.id;
    return object.type !== "cursor";
  }

  /** @param {Gap} gap */
  #miss(gap) {
    this.missed = {
      count: this.missed.count + (gap.count ?? gap.at_least),
      isLeast: this.missed.isLeast || gap.count === null,
    };
  }
}
