/**
 * `<filter-bar>`: which lines are shown: those that hold a text, those of a level and worse.
 *
 * Event `filter`: its detail has `q` and `minLevel`.
 *
 * @import { Level } from "../core/wire.js"
 */
import { find, make } from "./dom.js";

/** The relay filters, so a query is asked only when the typing rests. */
const REST_MS = 250;

const CONTENT = `
  <input type="search" name="q" placeholder="Filter lines" aria-label="Filter lines by text"
    aria-keyshortcuts="/" autocomplete="off" spellcheck="false">
  <kbd aria-hidden="true">/</kbd>
  <select aria-label="Least level">
    <option value="">All levels</option>
    <option value="debug">Debug and up</option>
    <option value="info">Info and up</option>
    <option value="warn">Warnings and up</option>
    <option value="error">Errors and up</option>
    <option value="fatal">Fatal only</option>
  </select>`;

export class FilterBar extends HTMLElement {
  static define() {
    customElements.define("filter-bar", FilterBar);
  }

  #text = make("input");
  #level = make("select");
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#text = find(this, "input", HTMLInputElement);
    this.#level = find(this, "select", HTMLSelectElement);
    this.#text.addEventListener("input", () => this.#typed());
    this.#text.addEventListener("keydown", (event) => this.#pressed(event));
    this.#level.addEventListener("change", () => this.#tell());
  }

  /** @param {string} q */
  set q(q) {
    // Typing is ahead of what is shown.
    if (this.#timer === undefined) this.#text.value = q;
  }

  /** @param {Level | ""} level */
  set minLevel(level) {
    // "trace" has no option: only lines of no known level are missing then.
    const isListed = [...this.#level.options].some((option) => option.value === level);
    if (!isListed) this.#level.append(new Option("Trace and up", level));
    this.#level.value = level;
  }

  /** Take the keyboard. @override */
  focus() {
    this.#text.select();
    this.#text.focus();
  }

  clear() {
    this.#text.value = "";
    this.#level.value = "";
    this.#tell();
  }

  #typed() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tell(), REST_MS);
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Enter") this.#tell();
  }

  #tell() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const detail = { q: this.#text.value, minLevel: this.#level.value };
    this.dispatchEvent(new CustomEvent("filter", { detail, bubbles: true }));
  }
}
