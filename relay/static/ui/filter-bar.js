/**
 * `<filter-bar>`: which lines are shown, and what is marked in them.
 *
 * Side by side: a filter (text or `/pattern/`, and levels), and a search that marks, counts and
 * leads from match to match. What is rarer stands in `<view-panel>`.
 *
 * Events: `view` (its detail has the parts of the view that change), `step` (its detail is 1 or
 * -1: to the next match, or the one before), `panel` (show or hide the rest).
 *
 * @import { View } from "../core/view.js"
 * @import { Level } from "../core/wire.js"
 */
import { matcherOf } from "../core/filter.js";
import { grouped, short } from "../core/sentences.js";
import { ALL_LEVELS } from "../core/view.js";
import { button, find, make, write } from "./dom.js";

/** Typing is taken in at once where the page decides, where the relay does once it rests. */
const REST_MS = 250;

const CONTENT = `
  <div class="field">
    <input type="search" name="q" placeholder="Filter lines, or /pattern/"
      aria-label="Filter lines by text" aria-keyshortcuts="/" autocomplete="off" spellcheck="false">
    <kbd aria-hidden="true">/</kbd>
  </div>
  <div class="levels" role="group" aria-label="Levels"></div>
  <div class="field search">
    <input type="search" name="find" placeholder="Search" aria-label="Search in the lines"
      aria-keyshortcuts="s" autocomplete="off" spellcheck="false">
    <span class="hits" role="status"></span>
    <button type="button" class="step" data-step="-1" aria-label="Previous match" title="Previous match (N)">↑</button>
    <button type="button" class="step" data-step="1" aria-label="Next match" title="Next match (n)">↓</button>
  </div>
  <button type="button" class="panel" aria-expanded="false" aria-controls="panel"
    title="More filters, display, download (o)">More</button>`;

/**
 * @typedef {object} Hits of the search
 * @property {number} count
 * @property {boolean} isComplete
 * @property {number} at the match that the keyboard is at, from 1; 0: none
 */

export class FilterBar extends HTMLElement {
  static define() {
    customElements.define("filter-bar", FilterBar);
  }

  /** Whether the relay decides what is shown. */
  isBusy = false;
  #text = make("input");
  #find = make("input");
  #hits = make("span");
  #panel = make("button");
  /** @type {Map<Level, HTMLButtonElement>} */
  #levels = new Map();
  /** @type {readonly Level[]} */
  #chosen = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#text = find(this, "[name=q]", HTMLInputElement);
    this.#find = find(this, "[name=find]", HTMLInputElement);
    this.#hits = find(this, ".hits", HTMLSpanElement);
    this.#panel = find(this, "button.panel", HTMLButtonElement);
    const levels = find(this, ".levels", HTMLDivElement);
    for (const level of ALL_LEVELS) levels.append(this.#levelButton(level));
    for (const input of [this.#text, this.#find]) {
      input.addEventListener("input", () => this.#typed(input));
    }
    this.#text.addEventListener("keydown", (event) => {
      if (event.key === "Enter") this.#tell();
    });
    this.#find.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      this.#tell();
      this.#step(event.shiftKey ? 1 : -1);
    });
    for (const element of this.querySelectorAll("button.step")) {
      element.addEventListener("click", () => {
        this.#step(Number(/** @type {HTMLElement} */ (element).dataset["step"]));
      });
    }
    this.#panel.addEventListener("click", () => this.dispatchEvent(new CustomEvent("panel")));
  }

  /** @param {View} view */
  set view(view) {
    // Typing is ahead of what is shown.
    if (this.#timer === undefined) {
      if (this.#text.value !== view.q) this.#text.value = view.q;
      if (this.#find.value !== view.find) this.#find.value = view.find;
    }
    this.#chosen = view.levels;
    for (const [level, element] of this.#levels) {
      const isShown = view.levels.length === 0 || view.levels.includes(level);
      element.ariaPressed = String(isShown);
    }
    this.#judge(this.#find);
  }

  /** @param {Record<string, number>} counts lines by level */
  set counts(counts) {
    for (const [level, element] of this.#levels) {
      const count = counts[level] ?? 0;
      write(find(element, ".count", HTMLSpanElement), count > 0 ? short(count) : "");
      element.title = `${level}: ${grouped(count)}`;
      element.classList.toggle("none", count === 0);
    }
  }

  /** @param {Hits} hits */
  set hits({ count, isComplete, at }) {
    const isWanted = this.#find.value !== "";
    const counted = `${grouped(count)}${isComplete ? "" : "…"}`;
    write(this.#hits, !isWanted ? "" : at > 0 ? `${grouped(at)} of ${counted}` : counted);
    this.classList.toggle("finding", isWanted);
  }

  /** @param {boolean} isOpen whether the panel is shown @param {number} count of filters there */
  panel(isOpen, count) {
    this.#panel.ariaExpanded = String(isOpen);
    write(this.#panel, count > 0 ? `More (${count})` : "More");
  }

  /** Take the keyboard. @override */
  focus() {
    this.#text.select();
    this.#text.focus();
  }

  focusSearch() {
    this.#find.select();
    this.#find.focus();
  }

  /** @param {number} index of a level, from 0 */
  toggleLevel(index) {
    const level = ALL_LEVELS[index];
    if (level !== undefined) this.#toggle(level);
  }

  /** @param {Level} level */
  #levelButton(level) {
    const element = button(`level-button ${level}`, "");
    element.append(make("span", "name", level), make("span", "count"));
    element.addEventListener("click", () => this.#toggle(level));
    this.#levels.set(level, element);
    return element;
  }

  /** The first press shows that level alone; further ones add and take away. @param {Level} level */
  #toggle(level) {
    const others = this.#chosen.filter((one) => one !== level);
    const levels = others.length < this.#chosen.length ? others : [...others, level];
    this.#send({ levels });
  }

  /** @param {HTMLInputElement} input */
  #typed(input) {
    this.#judge(input);
    clearTimeout(this.#timer);
    const isRelays = this.isBusy || this.#text.value.startsWith("/");
    if (isRelays) this.#timer = setTimeout(() => this.#tell(), REST_MS);
    else this.#tell();
  }

  /** @param {HTMLInputElement} input */
  #judge(input) {
    const isWrong = input === this.#find && input.value !== "" && matcherOf(input.value) === null;
    input.ariaInvalid = String(isWrong);
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#send({ q: this.#text.value, find: this.#find.value });
  }

  /** @param {number} step */
  #step(step) {
    this.dispatchEvent(new CustomEvent("step", { detail: step }));
  }

  /** @param {Partial<View>} detail */
  #send(detail) {
    this.dispatchEvent(new CustomEvent("view", { detail }));
  }
}
