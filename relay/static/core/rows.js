/**
 * The rows that the page holds, oldest first, each as the line that came.
 *
 * Rows have numbers that count from 0 and stay when older ones go. They are kept in blocks of
 * `BLOCK_ROWS`, and leave by whole blocks. Nothing is parsed: a row costs its text and a
 * reference, and is parsed when it is drawn.
 */

export const BLOCK_ROWS = 1024;

/**
 * @typedef {object} Block
 * @property {string[]} lines at most BLOCK_ROWS
 * @property {number} chars
 */

export class Rows {
  /** Number of the first row that is held. */
  first = 0;
  /** Number of the row that comes next. */
  end = 0;
  /** Length of all text that is held. */
  chars = 0;
  /** @type {Block[]} */
  #blocks = [];

  get count() {
    return this.end - this.first;
  }

  /**
   * Return a row's line.
   *
   * @param {number} row one that is held
   */
  get(row) {
    const index = row - this.first;
    const line = this.#blocks[Math.floor(index / BLOCK_ROWS)]?.lines[index % BLOCK_ROWS];
    if (line === undefined) throw new RangeError(`no row ${row} in ${this.first}..${this.end}`);
    return line;
  }

  /** @param {string[]} lines */
  append(lines) {
    for (const line of lines) {
      let block = this.#blocks.at(-1);
      if (block === undefined || block.lines.length === BLOCK_ROWS) {
        block = { lines: [], chars: 0 };
        this.#blocks.push(block);
      }
      block.lines.push(line);
      block.chars += line.length;
      this.chars += line.length;
    }
    this.end += lines.length;
  }

  /**
   * Let the oldest blocks go while the others alone are enough; the newest always stays.
   *
   * @param {number} maxRows that many remain, if not for `maxChars`
   * @param {number} maxChars of text, whatever `maxRows` says
   */
  trim(maxRows, maxChars) {
    while (this.#blocks.length > 1) {
      const oldest = this.#blocks[0];
      if (oldest === undefined) return;
      if (this.count - oldest.lines.length < maxRows && this.chars <= maxChars) return;
      this.#blocks.shift();
      this.first += oldest.lines.length;
      this.chars -= oldest.chars;
    }
  }
}
