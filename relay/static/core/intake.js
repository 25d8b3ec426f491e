/**
 * What arrives, sorted: rows for the list, and what the page must know of them.
 *
 * @import { Gap, Hello, RowObject, StreamObject } from "./wire.js"
 */

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
   * Take objects in, and return those that are rows: entries, gaps and endings.
   *
   * @param {readonly StreamObject[]} objects in the order in which they came
   */
  take(objects) {
    /** @type {RowObject[]} */
    const rows = [];
    for (const object of objects) {
      if (object.type === "log") {
        this.received += 1;
        this.cursor = object.id;
        rows.push(object);
      } else if (this.#read(object)) rows.push(/** @type {RowObject} */ (object));
    }
    return rows;
  }

  /**
   * @param {Exclude<StreamObject, import("./wire.js").Entry>} object
   * @returns {boolean} whether it is a row
   */
  #read(object) {
    switch (object.type) {
      case "error":
        this.failure = object.message;
        return false;
      case "hello":
        this.hello = object;
        this.cursor = object.cursor;
        return false;
      case "gap":
      case "complete":
        if (object.type === "gap") this.#miss(object);
        this.cursor = object.id;
        return true;
      case "cursor":
        this.cursor = object.id;
    }
    return false;
  }

  /** @param {Gap} gap */
  #miss(gap) {
    this.missed = {
      count: this.missed.count + (gap.count ?? gap.at_least),
      isLeast: this.missed.isLeast || gap.count === null,
    };
  }
}
