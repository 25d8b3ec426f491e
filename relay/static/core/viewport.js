/**
 * Which part of the list is seen: its tail, or a place that is pinned.
 *
 * Pinned, the row at the top keeps its place on the screen while rows come, go, and turn out
 * to be higher than was thought. Pixels; tops are counted from the first row that is held.
 *
 * @import { Heights } from "./heights.js"
 */

export class Viewport {
  /** Of what is seen. */
  height = 0;
  /** @type {{row: number, offset: number} | null} */
  #anchor = null;
  #heights;

  /** @param {Heights} heights */
  constructor(heights) {
    this.#heights = heights;
  }

  get isFollowing() {
    return this.#anchor === null;
  }

  follow() {
    this.#anchor = null;
  }

  /**
   * Stay where the list is scrolled to.
   *
   * @param {number} top
   */
  pin(top) {
    const row = this.#heights.rowAt(top);
    this.#anchor = { row, offset: top - this.#heights.top(row) };
  }

  /**
   * Stay where a row is seen.
   *
   * @param {number} row
   * @param {number} offset from its top to the top of what is seen
   */
  pinAt(row, offset) {
    this.#anchor = { row, offset };
  }

  /** The row at the top, and how far it is scrolled out; null while it follows. */
  get anchor() {
    return this.#anchor;
  }

  /** Where the list has to be scrolled to. */
  get top() {
    const last = Math.max(0, this.#heights.total - this.height);
    if (this.#anchor === null) return last;
    const { row, offset } = this.#anchor;
    // What was pinned may be gone: then the oldest that is left.
    const top = row < this.#heights.first ? 0 : this.#heights.top(row) + offset;
    return Math.max(0, Math.min(top, last));
  }

  /**
   * Tell whether the end of the list is seen.
   *
   * @param {number} top
   */
  isAtEnd(top) {
    return top + this.height >= this.#heights.total - this.#heights.least / 2;
  }

  /**
   * Return the rows to draw: those that are seen, and some more on both sides.
   *
   * @param {number} more in pixels
   * @returns {{first: number, end: number}} numbers of rows, the end not included
   */
  rows(more) {
    const { first, total } = this.#heights;
    if (total === 0) return { first, end: first };
    const top = this.top;
    return {
      first: this.#heights.rowAt(top - more),
      end: this.#heights.rowAt(top + this.height + more) + 1,
    };
  }
}
