/**
 * Where a list that is higher than a browser can lay out is scrolled to.
 *
 * Browsers lay nothing out beyond some 17 to 33 million pixels. A higher list has a canvas of
 * `max`, on which a drag of the bar moves in proportion; smaller steps (a wheel, a key, a
 * finger) move the list by just as much, and the bar is put right when they rest.
 */

export class Scale {
  /** Height of all rows. */
  total = 0;
  /** Of what is seen. */
  height = 0;

  /** @param {number} max in pixels */
  constructor(max) {
    this.max = max;
  }

  /** Height of the canvas. */
  get shown() {
    return Math.min(this.total, this.max);
  }

  get isScaled() {
    return this.total > this.max;
  }

  /**
   * Return where the bar belongs.
   *
   * @param {number} place top of what is seen, among all rows
   */
  toScroll(place) {
    if (!this.isScaled) return place;
    const range = this.total - this.height;
    return range <= 0 ? 0 : (place / range) * (this.shown - this.height);
  }

  /**
   * Return the place that a scroll led to.
   *
   * @param {number} scroll where the bar is
   * @param {number} before where it was
   * @param {number} place that was seen then
   */
  toPlace(scroll, before, place) {
    if (!this.isScaled) return scroll;
    const step = scroll - before;
    if (Math.abs(step) <= 3 * this.height) return Math.min(Math.max(0, place + step), this.last);
    const range = this.shown - this.height;
    return range <= 0 ? 0 : (scroll / range) * this.last;
  }

  /** The last place. */
  get last() {
    return Math.max(0, this.total - this.height);
  }

  /**
   * Tell whether the bar must be put right at once: it is at an end where the list is not.
   *
   * @param {number} scroll
   * @param {number} place
   */
  isStuck(scroll, place) {
    if (!this.isScaled) return false;
    const isTop = scroll < this.height && place > 2 * this.height;
    const isEnd = scroll > this.shown - 2 * this.height && place < this.last - 2 * this.height;
    return isTop || isEnd;
  }
}
