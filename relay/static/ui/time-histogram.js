/**
 * `<time-histogram>`: how many lines there are over time, by level; a range of it can be chosen.
 *
 * By mouse or finger: drag. By keyboard: arrows move, with Shift they widen, Enter takes.
 *
 * Event `range`: its detail has `since` and `until`, both empty where all is wanted.
 *
 * @import { Histogram } from "../net/relay.js"
 * @import { Zone } from "../core/times.js"
 */
import { lines, unreadWords } from "../core/sentences.js";
import { dateAndTime } from "../core/times.js";
import { button, make, write } from "./dom.js";

/** From the bottom of a bar to its top, with the style sheet's colour. */
const STACK = [
  ["fatal", "fatal"],
  ["error", "error"],
  ["warn", "warn"],
  ["info", "info"],
  ["debug", "quiet"],
  ["trace", "quiet"],
  ["unknown", "quiet"],
];

export class TimeHistogram extends HTMLElement {
  static define() {
    customElements.define("time-histogram", TimeHistogram);
  }

  /** @type {Histogram | null} */
  #histogram = null;
  /** @type {Zone} */
  #zone = "local";
  #problem = "";
  #at = 0;
  /** @type {number | null} */
  #from = null;
  #canvas = make("canvas");
  #chart = make("div", "chart");
  #choice = make("div", "choice");
  #words = make("p", "words");
  #all = button("all", "Whole time");

  connectedCallback() {
    this.#chart.append(this.#canvas, this.#choice);
    this.#chart.tabIndex = 0;
    this.#chart.role = "slider";
    this.#chart.ariaLabel = "Lines over time: choose a range";
    this.#chart.ariaValueMin = "1";
    this.#chart.ariaValueMax = "1";
    this.#chart.ariaValueNow = "1";
    this.#canvas.ariaHidden = "true";
    this.replaceChildren(this.#chart, this.#words, this.#all);
    this.#all.hidden = true;
    this.#all.addEventListener("click", () => this.#send("", ""));
    this.#chart.addEventListener("pointerdown", (event) => this.#pressed(event));
    this.#chart.addEventListener("pointermove", (event) => this.#moved(event));
    this.#chart.addEventListener("pointerup", (event) => this.#released(event));
    this.#chart.addEventListener("pointerleave", () => this.#describe());
    this.#chart.addEventListener("keydown", (event) => this.#typed(event));
    new ResizeObserver(() => this.#draw()).observe(this.#chart);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#draw());
  }

  /** @param {Histogram | null} histogram null: not known */
  set histogram(histogram) {
    if (this.#from !== null) return;
    this.#problem = "";
    this.#histogram = histogram;
    this.#at = Math.min(this.#at, this.#count - 1);
    this.#chart.ariaValueMax = String(Math.max(1, this.#count));
    this.#draw();
    this.#describe();
  }

  /** @param {string} problem why it is not known; empty: that is said elsewhere */
  set problem(problem) {
    this.histogram = null;
    this.#problem = problem && `Not counted: ${problem}`;
    this.#describe();
  }

  /** @param {Zone} zone */
  set zone(zone) {
    this.#zone = zone === "utc" ? "utc" : "local";
    this.#describe();
  }

  /** @param {boolean} isRange whether only a part of the time is shown */
  set isRange(isRange) {
    this.#all.hidden = !isRange;
  }

  get #count() {
    return this.#histogram?.buckets.length ?? 0;
  }

  #draw() {
    const { clientWidth, clientHeight } = this.#chart;
    const ratio = devicePixelRatio;
    [this.#canvas.width, this.#canvas.height] = [clientWidth * ratio, clientHeight * ratio];
    const context = this.#canvas.getContext("2d");
    const histogram = this.#histogram;
    if (context === null || histogram === null || this.#count === 0) return;
    context.scale(ratio, ratio);
    const style = getComputedStyle(this);
    const most = Math.max(1, ...histogram.buckets.map((bucket) => bucket.total));
    const width = clientWidth / this.#count;
    histogram.buckets.forEach((bucket, index) => {
      let bottom = clientHeight;
      for (const [level, colour] of STACK) {
        const count = bucket.levels[level ?? ""] ?? 0;
        if (count === 0) continue;
        const height = Math.max(1, (count / most) * (clientHeight - 2));
        context.fillStyle = style.getPropertyValue(`--bar-${colour}`);
        context.fillRect(index * width, bottom - height, Math.max(1, width - 1), height);
        bottom -= height;
      }
    });
  }

  /** @param {MouseEvent} event */
  #indexAt(event) {
    const { left, width } = this.#chart.getBoundingClientRect();
    const index = Math.floor(((event.clientX - left) / width) * this.#count);
    return Math.min(Math.max(0, index), this.#count - 1);
  }

  /** @param {PointerEvent} event */
  #pressed(event) {
    if (this.#count === 0 || event.button !== 0) return;
    this.#chart.setPointerCapture(event.pointerId);
    this.#from = this.#at = this.#indexAt(event);
    this.#describe();
  }

  /** @param {PointerEvent} event */
  #moved(event) {
    if (this.#count === 0) return;
    this.#at = this.#indexAt(event);
    this.#describe();
    this.#tell(this.#at);
  }

  /** @param {PointerEvent} event */
  #released(event) {
    if (this.#from === null) return;
    this.#at = this.#indexAt(event);
    this.#take();
  }

  /** @param {KeyboardEvent} event */
  #typed(event) {
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (step !== undefined && this.#count > 0) {
      if (event.shiftKey) this.#from ??= this.#at;
      else this.#from = null;
      this.#at = Math.min(Math.max(0, this.#at + step), this.#count - 1);
      this.#describe();
      this.#tell(this.#at);
    } else if (event.key === "Enter" && this.#count > 0) {
      this.#from ??= this.#at;
      this.#take();
    } else if (event.key === "Escape" && this.#from !== null) {
      this.#from = null;
      this.#describe();
      event.stopPropagation();
    } else return;
    event.preventDefault();
  }

  #take() {
    const [first, last] = this.#chosen();
    this.#from = null;
    this.#describe();
    this.#send(this.#start(first), this.#start(last + 1));
  }

  #chosen() {
    const from = this.#from ?? this.#at;
    return /** @type {const} */ ([Math.min(from, this.#at), Math.max(from, this.#at)]);
  }

  /** @param {number} index @returns {string} when a bar begins */
  #start(index) {
    const histogram = this.#histogram;
    return histogram?.buckets[index]?.start ?? histogram?.until ?? "";
  }

  /** @param {number} index */
  #time(index) {
    return dateAndTime(Date.parse(this.#start(index)), this.#zone);
  }

  #describe() {
    const histogram = this.#histogram;
    this.#choice.hidden = this.#from === null;
    const unread = unreadWords(histogram?.unread ?? []);
    this.classList.toggle("unread", this.#problem !== "" || unread !== "");
    if (histogram === null || this.#count === 0) return write(this.#words, this.#problem || unread);
    const [first, last] = this.#chosen();
    this.#choice.style.left = `${(first / this.#count) * 100}%`;
    this.#choice.style.width = `${((last - first + 1) / this.#count) * 100}%`;
    const words = `${this.#time(0)} – ${this.#time(this.#count)} · ${lines(histogram.total)}${
      unread && `, ${unread}`
    }`;
    write(this.#words, this.#from === null ? words : `${this.#time(first)} – ${this.#time(last + 1)}`);
    this.#chart.ariaValueNow = String(this.#at + 1);
  }

  /** Say what a bar stands for. @param {number} index */
  #tell(index) {
    const bucket = this.#histogram?.buckets[index];
    if (bucket === undefined) return;
    const levels = Object.entries(bucket.levels).filter(([, count]) => count > 0);
    const counts = levels.map(([level, count]) => `${count} ${level}`).join(", ");
    const words = `${this.#time(index)}: ${lines(bucket.total)}${counts && ` (${counts})`}`;
    this.#chart.ariaValueText = words;
    if (this.#from === null) write(this.#words, words);
  }

  /**
   * @param {string} since
   * @param {string} until
   */
  #send(since, until) {
    this.dispatchEvent(new CustomEvent("range", { detail: { since, until } }));
  }
}
