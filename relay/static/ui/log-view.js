/**
 * `<log-view>`: the list of rows, at the tail or pinned.
 *
 * Only rows that are seen are in the document, and each change of the list is drawn once a
 * frame: layout is read once, after the rows are filled, and written once, after that. While
 * it is pinned nothing leaves; once it holds twice its measure it asks to be given no more.
 *
 * Events: `follow-change` when it begins or ceases to follow; `hold-change` when it must be
 * given no more rows, or may be again. Both tell by its properties.
 *
 * @import { Look } from "./log-row.js"
 * @import { RowObject } from "../core/wire.js"
 */
import { Heights } from "../core/heights.js";
import { Palette } from "../core/palette.js";
import { Rows } from "../core/rows.js";
import { lines } from "../core/sentences.js";
import { Viewport } from "../core/viewport.js";
import { parse } from "../core/wire.js";
import { find, make, write } from "./dom.js";
import { LogRow } from "./log-row.js";

const MAX_ROWS = 50_000;
/** Of text; a row of an ordinary log has about 300. */
const MAX_CHARS = 48 * 1024 * 1024;
/** As the style sheet's `--line`. */
const LINE_PX = 20;
/** Drawn above and below what is seen. */
const MORE_PX = 400;
/** So long a scroll that the browser animates may go on, after the list was told to follow. */
const FADING_MS = 700;

const CONTENT = `
  <div class="scroller" role="log" aria-live="off" aria-label="Log lines" tabindex="0">
    <div class="canvas"><div class="rows"></div></div>
  </div>
  <button class="to-tail" type="button" hidden></button>`;

export class LogView extends HTMLElement {
  static define() {
    customElements.define("log-view", LogView);
  }

  /** Whether no more rows must be given. */
  isHeld = false;
  #rows = new Rows();
  #heights = new Heights(LINE_PX);
  #viewport = new Viewport(this.#heights);
  /** @type {LogRow[]} in the order of their rows */
  #drawn = [];
  /** @type {LogRow[]} */
  #spare = [];
  /** @type {Set<number>} long rows that are shown to their ends */
  #whole = new Set();
  /** @type {Look} */
  #look = { wanted: "", isMixed: true, palette: new Palette() };
  #isScheduled = false;
  #scrollTop = 0;
  #width = 0;
  #endWhenPinned = 0;
  #followedAt = 0;
  #tagChars = 0;
  #scroller = make("div");
  #canvas = make("div");
  #body = make("div");
  #toTail = make("button");

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#scroller = find(this, ".scroller", HTMLDivElement);
    this.#canvas = find(this, ".canvas", HTMLDivElement);
    this.#body = find(this, ".rows", HTMLDivElement);
    this.#toTail = find(this, ".to-tail", HTMLButtonElement);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#scroller.addEventListener("wheel", (event) => this.#wheeled(event), { passive: true });
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event));
    this.#body.addEventListener("click", (event) => this.#clicked(event));
    this.#toTail.addEventListener("click", () => this.follow());
    // Drawn at once: the browser has moved the list already, and would tell so as a scroll.
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  get isFollowing() {
    return this.#viewport.isFollowing;
  }

  get count() {
    return this.#rows.count;
  }

  /**
   * @param {string} wanted text that is marked
   * @param {boolean} isMixed whether each row names its channel
   */
  look(wanted, isMixed) {
    if (wanted === this.#look.wanted && isMixed === this.#look.isMixed) return;
    this.#look = { ...this.#look, wanted, isMixed };
    this.#redraw();
  }

  /** @param {string[]} rows as they came */
  add(rows) {
    this.#rows.append(rows);
    this.#heights.append(rows.length);
    if (this.isFollowing) this.#trim();
    else this.#setHeld(this.#rows.count >= 2 * MAX_ROWS || this.#rows.chars >= 2 * MAX_CHARS);
    this.#schedule();
  }

  /** Show nothing, and follow what comes. */
  clear() {
    this.#rows = new Rows();
    this.#heights = new Heights(LINE_PX);
    const { height } = this.#viewport;
    this.#viewport = new Viewport(this.#heights);
    this.#viewport.height = height;
    this.#whole.clear();
    this.#scrollTop = 0;
    this.#setTag(0);
    this.#setHeld(false);
    this.#redraw();
    this.#followChanged();
  }

  follow() {
    this.#followedAt = performance.now();
    this.#viewport.follow();
    this.#trim();
    this.#schedule();
    this.#followChanged();
  }

  /** Stay where it is, whatever comes. */
  pin() {
    if (!this.isFollowing) return;
    this.#viewport.pin(this.#scroller.scrollTop);
    this.#endWhenPinned = this.#rows.end;
    this.#schedule();
    this.#followChanged();
  }

  /** Take the keyboard. @override */
  focus() {
    this.#scroller.focus({ preventScroll: true });
  }

  #trim() {
    this.#rows.trim(MAX_ROWS, MAX_CHARS);
    this.#heights.dropBefore(this.#rows.first);
    this.#setHeld(false);
  }

  /** @param {boolean} isHeld */
  #setHeld(isHeld) {
    if (isHeld === this.isHeld) return;
    this.isHeld = isHeld;
    this.dispatchEvent(new Event("hold-change", { bubbles: true }));
  }

  #followChanged() {
    this.dispatchEvent(new Event("follow-change", { bubbles: true }));
  }

  #scrolled() {
    const before = this.#scrollTop;
    const top = this.#scroller.scrollTop;
    this.#scrollTop = top;
    if (this.isFollowing) {
      const isFading = performance.now() - this.#followedAt < FADING_MS;
      if (top < before - 1 && !isFading) this.pin();
      return;
    }
    if (top === before) return;
    this.#viewport.pin(top);
    if (top > before && this.#viewport.isAtEnd(top)) this.follow();
    this.#schedule();
  }

  /**
   * A wheel that turns up pins at once: waiting for the scroll that it causes would have it
   * undone by the lines of the same frame.
   *
   * @param {WheelEvent} event
   */
  #wheeled(event) {
    if (event.deltaY < 0 && this.#scroller.scrollTop > 0) this.pin();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "End") {
      // The browser's own way there is an animation, which new lines would break off.
      event.preventDefault();
      this.follow();
    }
    const isUp = ["ArrowUp", "PageUp", "Home"].includes(event.key);
    if (isUp && this.#scroller.scrollTop > 0) this.pin();
  }

  /** @param {Event} event */
  #clicked(event) {
    const button = event.target;
    if (!(button instanceof HTMLElement) || !button.matches("button.more")) return;
    const drawn = this.#drawn.find((row) => row.element.contains(button));
    if (drawn === undefined) return;
    this.#whole.add(drawn.row);
    this.pin();
    this.#redraw();
  }

  #resized() {
    const { clientWidth, clientHeight } = this.#scroller;
    this.#viewport.height = clientHeight;
    if (clientWidth !== this.#width) {
      this.#width = clientWidth;
      this.#heights.reset();
    }
    this.#draw();
  }

  #redraw() {
    for (const drawn of this.#drawn) drawn.row = -1;
    this.#recycle(this.#drawn.splice(0));
    this.#schedule();
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    requestAnimationFrame(() => {
      this.#isScheduled = false;
      // A scroll that is animated has gone on since its event.
      this.#scrolled();
      this.#draw();
    });
  }

  #draw() {
    const { first, end } = this.#viewport.rows(MORE_PX);
    this.#arrange(first, end);
    this.#measure();
    this.#canvas.style.height = `${this.#heights.total}px`;
    this.#body.style.transform = `translateY(${this.#heights.top(first)}px)`;
    this.#settle();
    this.#showNew();
  }

  /**
   * Have just these rows in the document, keeping those that are there already.
   *
   * @param {number} first
   * @param {number} end
   */
  #arrange(first, end) {
    const isGone = (/** @type {LogRow} */ drawn) => drawn.row < first || drawn.row >= end;
    this.#recycle(this.#drawn.filter(isGone));
    const kept = this.#drawn.filter((drawn) => !isGone(drawn));
    const keptFirst = kept[0]?.row ?? end;
    const before = this.#rowsOf(first, keptFirst);
    const after = this.#rowsOf(kept.length > 0 ? keptFirst + kept.length : end, end);
    this.#body.prepend(...before.map((drawn) => drawn.element));
    this.#body.append(...after.map((drawn) => drawn.element));
    this.#drawn = [...before, ...kept, ...after];
  }

  /** @param {LogRow[]} drawn */
  #recycle(drawn) {
    for (const row of drawn) row.element.remove();
    this.#spare.push(...drawn);
  }

  /**
   * @param {number} first
   * @param {number} end
   */
  #rowsOf(first, end) {
    const filled = [];
    let previous = this.#timeBefore(first, end);
    for (let row = first; row < end; row += 1) {
      const object = this.#object(row);
      const drawn = this.#spare.pop() ?? new LogRow();
      drawn.row = row;
      drawn.fill(object, previous, this.#look, this.#whole.has(row));
      if (object.type !== "gap") previous = new Date(object.timestamp);
      if (this.#look.isMixed) this.#setTag(Math.max(this.#tagChars, object.channel.length));
      filled.push(drawn);
    }
    return filled;
  }

  /**
   * Return the time of the row before, which decides whether a day begins.
   *
   * @param {number} first
   * @param {number} end
   */
  #timeBefore(first, end) {
    if (first >= end || first === this.#rows.first) return null;
    const object = this.#object(first - 1);
    return object.type === "gap" ? null : new Date(object.timestamp);
  }

  /** @param {number} row */
  #object(row) {
    return /** @type {RowObject} */ (parse(this.#rows.get(row)));
  }

  /**
   * Make room for channels' names, so that messages begin at one place.
   *
   * @param {number} chars of the longest name that was drawn
   */
  #setTag(chars) {
    if (chars === this.#tagChars) return;
    this.#tagChars = chars;
    this.style.setProperty("--tag", `${Math.min(chars, 18)}ch`);
  }

  #measure() {
    for (const { row, element } of this.#drawn) {
      const { height } = element.getBoundingClientRect();
      if (Math.abs(height - this.#heights.height(row)) > 0.01) this.#heights.set(row, height);
    }
  }

  /** Scroll to where the list belongs, if it is not there. */
  #settle() {
    const { top } = this.#viewport;
    if (Math.abs(this.#scroller.scrollTop - top) >= 1) this.#scroller.scrollTop = top;
    this.#scrollTop = this.#scroller.scrollTop;
  }

  #showNew() {
    const count = this.isFollowing ? 0 : this.#rows.end - this.#endWhenPinned;
    this.#toTail.hidden = this.isFollowing;
    const words = count > 0 ? lines(count, "new") : "Back to the newest";
    if (!this.isFollowing) write(this.#toTail, this.isHeld ? `${words} and more` : words);
  }
}
