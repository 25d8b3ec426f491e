/**
 * Which rows of the store are shown: all, or those that a filter takes.
 *
 * Places in a listing have numbers of their own, which stay while rows come and go at both ends.
 * Without a filter they are those of the rows. A filter is asked from the newest rows to the
 * oldest, some blocks at a time, so that what is seen first is there first.
 *
 * @import { Block, Store } from "./store.js"
 *
 * @typedef {object} Filter
 * @property {(block: Block, from: number, to: number) => number[]} select which rows of a block
 *   are shown, of those from one index up to, not with, another
 */

const CHUNK_BITS = 10;
const CHUNK_MASK = (1 << CHUNK_BITS) - 1;

export class Listing {
  /** Rows at places, by their place over CHUNK. @type {Map<number, Int32Array>} */
  #chunks = new Map();
  #first = 0;
  #end = 0;
  /** Of the rows from here on it is known which are shown. */
  #looked;

  /**
   * @param {Store} store
   * @param {Filter | null} filter null: all rows
   */
  constructor(store, filter) {
    this.store = store;
    this.filter = filter;
    this.#looked = store.end;
    /** Rows before this one were looked at when they came. */
    this.seen = store.end;
  }

  get first() {
    return this.filter === null ? this.store.first : this.#first;
  }

  get end() {
    return this.filter === null ? this.store.end : this.#end;
  }

  get count() {
    return this.end - this.first;
  }

  /** Whether all rows that are held have been looked at. */
  get isComplete() {
    return this.filter === null || this.#looked <= this.store.first;
  }

  /** Tell whether the filter has come so far. @param {number} row */
  hasLookedAt(row) {
    return row >= this.#looked || this.isComplete;
  }

  /**
   * Return the row at a place.
   *
   * @param {number} place
   */
  row(place) {
    if (this.filter === null) return place;
    const row = this.#chunks.get(place >> CHUNK_BITS)?.[place & CHUNK_MASK];
    if (row === undefined) throw new RangeError(`no place ${place}`);
    return row;
  }

  /**
   * Return the first place whose row is not before one.
   *
   * @param {number} row
   */
  place(row) {
    let [low, high] = [this.first, this.end];
    if (this.filter === null) return Math.min(Math.max(row, low), high);
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.row(middle) < row) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Take rows in that were appended to the store. @returns {number} places that came */
  grow() {
    const from = Math.max(this.seen, this.store.first);
    this.seen = this.store.end;
    if (this.filter === null) return this.seen - from;
    let count = 0;
    for (let at = from; at < this.seen; ) {
      const block = this.store.blockOf(at);
      const found = this.filter.select(block, at - block.first, block.count);
      for (const index of found) this.#put(this.#end + count++, block.first + index);
      at = block.end;
    }
    this.#end += count;
    return count;
  }

  /**
   * Look at older rows, block by block.
   *
   * @param {() => boolean} isEnough asked after each block
   * @returns {number} places that came before the first
   */
  look(isEnough) {
    if (this.filter === null) return 0;
    let count = 0;
    while (this.#looked > this.store.first) {
      const block = this.store.blockOf(this.#looked - 1);
      const found = this.filter.select(block, 0, this.#looked - block.first);
      for (let at = found.length - 1; at >= 0; at -= 1) {
        count += 1;
        this.#put(this.#first - count, block.first + /** @type {number} */ (found[at]));
      }
      this.#looked = block.first;
      if (isEnough()) break;
    }
    this.#first -= count;
    return count;
  }

  /** Let places go whose rows left the store at its beginning. */
  cut() {
    if (this.filter === null) return;
    this.#looked = Math.max(this.#looked, this.store.first);
    this.#first = this.place(this.store.first);
    for (const chunk of this.#chunks.keys()) {
      if (chunk < this.#first >> CHUNK_BITS) this.#chunks.delete(chunk);
    }
  }

  /**
   * @param {number} place
   * @param {number} row
   */
  #put(place, row) {
    const number = place >> CHUNK_BITS;
    let chunk = this.#chunks.get(number);
    if (chunk === undefined) {
      chunk = new Int32Array(CHUNK_MASK + 1);
      this.#chunks.set(number, chunk);
    }
    chunk[place & CHUNK_MASK] = row;
  }
}
