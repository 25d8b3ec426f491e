/** How many lines came in a second, over the last few looks. */

const LOOKS = 4;

export class Pace {
  /** @type {{count: number, now: number}[]} */
  #looks = [];

  /**
   * Return lines per second; 0 until there is something to compare.
   *
   * @param {number} count of lines so far; less than before: they are counted anew
   * @param {number} now in milliseconds
   */
  look(count, now) {
    if (count < (this.#looks.at(-1)?.count ?? 0)) this.#looks = [];
    this.#looks.push({ count, now });
    if (this.#looks.length > LOOKS) this.#looks.shift();
    const [oldest] = this.#looks;
    if (oldest === undefined || now <= oldest.now) return 0;
    return ((count - oldest.count) * 1000) / (now - oldest.now);
  }
}
