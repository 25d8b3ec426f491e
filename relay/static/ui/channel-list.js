/**
 * `<channel-list>`: all channels, and which of them are shown.
 *
 * A click on a name shows that channel alone; with Ctrl or Cmd, or on its box, it is shown
 * besides the others. Arrow keys go from name to name.
 *
 * Event `choose`: its detail is the names that are to be shown now; none means all.
 *
 * @import { Channel } from "../net/channels.js"
 */
import { rate } from "../core/sentences.js";
import { age } from "../core/times.js";
import { find, make, write } from "./dom.js";

const CONTENT = `
  <div class="search">
    <input type="search" placeholder="Find a channel" aria-label="Find a channel"
      autocomplete="off" spellcheck="false">
  </div>
  <ul class="channels" aria-label="Channels"></ul>
  <p class="none" hidden></p>`;

export class ChannelList extends HTMLElement {
  static define() {
    customElements.define("channel-list", ChannelList);
  }

  /** @type {Map<string, Item>} by name; the first, with an empty name, stands for all */
  #items = new Map([["", new Item("")]]);
  /** @type {readonly string[]} */
  #chosen = [];
  #list = make("ul");
  #search = make("input");
  #none = make("p");

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#list = find(this, "ul", HTMLUListElement);
    this.#search = find(this, "input", HTMLInputElement);
    this.#none = find(this, ".none", HTMLParagraphElement);
    this.#search.addEventListener("input", () => this.#filter());
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.addEventListener("keydown", (event) => this.#pressed(event));
    this.#arrange();
  }

  /** Names that the relay has. */
  get names() {
    return [...this.#items.values()].filter((item) => item.isKnown).map((item) => item.name);
  }

  /** @param {Channel[]} channels all that the relay has, by name */
  set channels(channels) {
    const now = Date.now();
    const gone = new Set(this.#items.keys());
    gone.delete("");
    for (const channel of channels) {
      this.#item(channel.name).show(channel, now);
      gone.delete(channel.name);
    }
    for (const name of gone) this.#forget(name);
    this.#item("").total(channels);
    this.#arrange();
  }

  /** @param {readonly string[]} chosen names that are shown; none: all */
  set chosen(chosen) {
    for (const name of this.#chosen) {
      if (!this.#item(name).isKnown) this.#items.delete(name);
    }
    this.#chosen = chosen;
    for (const name of chosen) this.#item(name);
    this.#arrange();
  }

  /** Take the keyboard. @override */
  focus() {
    this.#search.focus();
  }

  /** @param {string} name */
  #item(name) {
    let item = this.#items.get(name);
    if (item === undefined) {
      item = new Item(name);
      this.#items.set(name, item);
    }
    return item;
  }

  /** A channel that is chosen stays in the list, whether it is there or not. @param {string} name */
  #forget(name) {
    if (this.#chosen.includes(name)) this.#item(name).lose();
    else this.#items.delete(name);
  }

  #arrange() {
    const items = [...this.#items.values()].sort((one, other) => (one.name < other.name ? -1 : 1));
    for (const item of items) item.choose(this.#chosen);
    const elements = items.map((item) => item.element);
    const isSame =
      elements.length === this.#list.childElementCount &&
      elements.every((element, index) => element === this.#list.children[index]);
    if (!isSame) this.#list.replaceChildren(...elements);
    this.#filter();
  }

  #filter() {
    const wanted = this.#search.value.trim().toLowerCase();
    let count = 0;
    for (const { name, element } of this.#items.values()) {
      element.hidden = wanted !== "" && !name.toLowerCase().includes(wanted);
      if (!element.hidden && name !== "") count += 1;
    }
    this.#none.hidden = count > 0;
    write(this.#none, wanted === "" ? "No channels yet." : "No channel has this in its name.");
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target).closest("button, input");
    const name = target?.closest("li")?.dataset["name"];
    if (target === null || name === undefined) return;
    const isMore = target instanceof HTMLInputElement || event.ctrlKey || event.metaKey;
    this.#choose(name, isMore && name !== "");
  }

  /**
   * @param {string} name
   * @param {boolean} isMore besides the others
   */
  #choose(name, isMore) {
    const others = this.#chosen.filter((other) => other !== name);
    const isChosen = others.length < this.#chosen.length;
    let detail = name === "" ? [] : [name];
    if (isMore) detail = isChosen ? others : [...others, name].sort();
    this.dispatchEvent(new CustomEvent("choose", { detail, bubbles: true }));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Escape" && this.#search.value !== "") {
      this.#search.value = "";
      this.#filter();
      event.stopPropagation();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const selector = "li:not([hidden]) button";
    const buttons = [...this.#list.querySelectorAll(selector)];
    const at = buttons.indexOf(/** @type {Element} */ (document.activeElement));
    const next = buttons[at + step];
    if (next instanceof HTMLElement) next.focus();
    else if (step < 0) this.#search.focus();
    event.preventDefault();
  }
}

/** One channel in the list. */
class Item {
  /** Whether the relay has it. */
  isKnown = false;
  element = make("li");
  #button = make("button", "name");
  #box = make("input");
  #news = make("span", "news");

  /** @param {string} name empty: it stands for all channels */
  constructor(name) {
    this.name = name;
    const label = make("span", "label", name || "All channels");
    this.#button.type = "button";
    this.#button.append(label, this.#news);
    this.#button.title = name;
    this.#box.type = "checkbox";
    this.#box.ariaLabel = `Show ${name} too`;
    this.element.dataset["name"] = name;
    this.element.append(this.#button);
    if (name !== "") this.element.prepend(this.#box);
  }

  /**
   * @param {Channel} channel
   * @param {number} now
   */
  show(channel, now) {
    this.isKnown = true;
    const perSecond = channel.lines_per_second;
    const newest = channel.newest === null ? null : Date.parse(channel.newest);
    const rest = newest === null ? "empty" : age(now - newest);
    this.#tell(perSecond > 0 ? rate(perSecond) : rest, perSecond > 0);
    this.#button.title = `${this.name}, newest line: ${rest === "empty" ? "none" : rest}`;
  }

  /** @param {Channel[]} channels */
  total(channels) {
    const perSecond = channels.reduce((sum, channel) => sum + channel.lines_per_second, 0);
    this.#tell(perSecond > 0 ? rate(perSecond) : "", perSecond > 0);
  }

  lose() {
    this.isKnown = false;
    this.#tell("not there", false);
  }

  /** @param {readonly string[]} chosen */
  choose(chosen) {
    const isAll = this.name === "" && chosen.length === 0;
    const isChosen = isAll || chosen.includes(this.name);
    this.#box.checked = isChosen;
    this.element.classList.toggle("chosen", isChosen);
    this.element.classList.toggle("unknown", this.name !== "" && !this.isKnown);
    this.#button.ariaPressed = String(isChosen);
  }

  /**
   * @param {string} words
   * @param {boolean} isBusy
   */
  #tell(words, isBusy) {
    write(this.#news, words);
    this.#news.classList.toggle("busy", isBusy);
  }
}
