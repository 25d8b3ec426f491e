/**
 * How high each row is, and with that where it stands, by sums over blocks of rows.
 *
 * A row that was never drawn has the least height, so a window that is filled by these heights
 * is always filled. Heights are in CSS pixels. Finding a row or its place costs a walk over the
 * blocks and one within a block: for 50,000 rows, about 50 and 1,024 additions.
 */
import { BLOCK_ROWS } from "./rows.js";

/**
 * @typedef {object} Block
 * @property {number} count
 * @property {number} sum
 * @property {Float32Array | null} heights null: all have the least height
 */

export class Heights {
  /** @type {Block[]} */
  #blocks = [];

  /** @param {number} least height of a row of one line */
  constructor(least) {
    this.least = least;
    /** Number of the first row. */
    this.first = 0;
    /** Of all rows together. */
    this.total = 0;
  }

  /** @param {number} count of rows more, at the end */
  append(count) {
    while (count > 0) {
      let block = this.#blocks.at(-1);
      if (block === undefined || block.count === BLOCK_ROWS) {
        block = { count: 0, sum: 0, heights: null };
        this.#blocks.push(block);
      }
      const more = Math.min(count, BLOCK_ROWS - block.count);
      this.#add(block, more * this.least);
      block.count += more;
      count -= more;
    }
  }

  /** @param {number} row the first that stays, at the start of a block */
  dropBefore(row) {
    while (this.first < row) {
      const block = this.#blocks.shift();
      if (block === undefined) return;
      this.first += block.count;
      this.total -= block.sum;
    }
  }

  /**
   * Note how high a row is.
   *
   * @param {number} row
   * @param {number} height
   */
  set(row, height) {
    const block = this.#blockOf(row);
    const index = (row - this.first) % BLOCK_ROWS;
    block.heights ??= new Float32Array(BLOCK_ROWS).fill(this.least);
    const before = block.heights[index] ?? 0;
    block.heights[index] = height;
    // What was stored, not what was given: sums must not drift.
    this.#add(block, (block.heights[index] ?? 0) - before);
  }

  /** Forget all that was noted, as when the list becomes narrower. */
  reset() {
    this.total = 0;
    for (const block of this.#blocks) {
      block.heights = null;
      block.sum = 0;
      this.#add(block, block.count * this.least);
    }
  }

  /** @param {number} row */
  height(row) {
    const { heights } = this.#blockOf(row);
    return heights?.[(row - this.first) % BLOCK_ROWS] ?? this.least;
  }

  /**
   * Return where a row begins, counted from the first row; the end of all for the row after.
   *
   * @param {number} row
   */
  top(row) {
    let rest = row - this.first;
    let top = 0;
    for (const block of this.#blocks) {
      if (rest < block.count) return top + sumOf(block, rest, this.least);
      top += block.sum;
      rest -= block.count;
    }
    return top;
  }

  /**
   * Return the row at a place: the first or last where it lies before or behind them all.
   *
   * @param {number} place counted from the top of the first row
   */
  rowAt(place) {
    let row = this.first;
    for (const block of this.#blocks) {
      if (place < block.sum) return row + indexAt(block, place, this.least);
      place -= block.sum;
      row += block.count;
    }
    return Math.max(row - 1, this.first);
  }

  /**
   * @param {Block} block
   * @param {number} height
   */
  #add(block, height) {
    block.sum += height;
    this.total += height;
  }

  /** @param {number} row */
  #blockOf(row) {
    const block = this.#blocks[Math.floor((row - this.first) / BLOCK_ROWS)];
    if (block === undefined) throw new RangeError(`no row ${row}`);
    return block;
  }
}

/**
 * @param {Block} block
 * @param {number} count
 * @param {number} least
 */
function sumOf(block, count, least) {
  if (block.heights === null) return count * least;
  return block.heights.subarray(0, count).reduce((sum, height) => sum + height, 0);
}

/**
 * @param {Block} block
 * @param {number} place
 * @param {number} least
 */
function indexAt(block, place, least) {
  if (block.heights === null) return Math.max(0, Math.floor(place / least));
  let index = 0;
  let bottom = block.heights[0] ?? 0;
  while (bottom <= place && index < block.count - 1) {
    index += 1;
    bottom += block.heights[index] ?? 0;
  }
  return index;
}
