/**
 * How high each row of a list is, and with that where it stands, by sums over blocks of rows.
 *
 * A row that was never drawn has the least height, so a window that is filled by these heights
 * is always filled. Heights are in CSS pixels. Rows are numbered as in `Listing`: the numbers
 * stay while rows come and go at both ends. Finding a row's place costs a walk over the blocks
 * and one within a block: for a million rows, about 1,000 and 1,024 additions.
 */

const BLOCK_ROWS = 1024;

/**
 * @typedef {object} Block
 * @property {number} first
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
    /** Number of the row that comes next. */
    this.end = 0;
    /** Of all rows together. */
    this.total = 0;
  }

  /** @param {number} count of rows more, at the end */
  append(count) {
    while (count > 0) {
      let block = this.#blocks.at(-1);
      if (block === undefined || block.count >= BLOCK_ROWS) {
        block = { first: this.end, count: 0, sum: 0, heights: null };
        this.#blocks.push(block);
      }
      const more = Math.min(count, BLOCK_ROWS - block.count);
      if (block.heights !== null && block.heights.length < block.count + more) {
        const wider = new Float32Array(BLOCK_ROWS).fill(this.least);
        wider.set(block.heights);
        block.heights = wider;
      }
      this.#add(block, more * this.least);
      block.count += more;
      this.end += more;
      count -= more;
    }
  }

  /** @param {number} count of rows more, before the first */
  prepend(count) {
    while (count > 0) {
      const more = Math.min(count, BLOCK_ROWS);
      this.first -= more;
      const block = { first: this.first, count: more, sum: 0, heights: null };
      this.#blocks.unshift(block);
      this.#add(block, more * this.least);
      count -= more;
    }
  }

  /** @param {number} row the first that stays */
  dropBefore(row) {
    for (;;) {
      const block = this.#blocks[0];
      if (block === undefined || row <= this.first) break;
      if (block.first + block.count <= row) {
        this.#blocks.shift();
        this.total -= block.sum;
        this.first = block.first + block.count;
        continue;
      }
      const gone = row - block.first;
      this.#add(block, -sumOf(block, gone, this.least));
      if (block.heights !== null) block.heights = block.heights.slice(gone);
      block.first = this.first = row;
      block.count -= gone;
    }
    if (this.#blocks.length === 0) this.first = this.end = Math.max(row, this.end);
  }

  /** @param {number} row the first that goes */
  dropFrom(row) {
    for (;;) {
      const block = this.#blocks.at(-1);
      if (block === undefined || row >= this.end) return;
      if (block.first >= row) {
        this.#blocks.pop();
        this.total -= block.sum;
        this.end = block.first;
        continue;
      }
      const left = row - block.first;
      this.#add(block, sumOf(block, left, this.least) - block.sum);
      block.heights?.fill(this.least, left);
      block.count = left;
      this.end = row;
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
    const index = row - block.first;
    block.heights ??= new Float32Array(Math.max(block.count, BLOCK_ROWS)).fill(this.least);
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
    const block = this.#blockOf(row);
    return block.heights?.[row - block.first] ?? this.least;
  }

  /**
   * Return where a row begins, counted from the first row; the end of all for the row after.
   *
   * @param {number} row
   */
  top(row) {
    let top = 0;
    for (const block of this.#blocks) {
      if (row < block.first + block.count) return top + sumOf(block, row - block.first, this.least);
      top += block.sum;
    }
    return top;
  }

  /**
   * Return the row at a place: the first or last where it lies before or behind them all.
   *
   * @param {number} place counted from the top of the first row
   */
  rowAt(place) {
    for (const block of this.#blocks) {
      if (place < block.sum) return block.first + indexAt(block, place, this.least);
      place -= block.sum;
    }
    return Math.max(this.end - 1, this.first);
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
    let [low, high] = [0, this.#blocks.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const block = /** @type {Block} */ (this.#blocks[middle]);
      if (row < block.first) high = middle - 1;
      else if (row >= block.first + block.count) low = middle + 1;
      else return block;
    }
    throw new RangeError(`no row ${row}`);
  }
}

/**
 * @param {Block} block
 * @param {number} count
 * @param {number} least
 */
function sumOf(block, count, least) {
  if (count <= 0) return 0;
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
