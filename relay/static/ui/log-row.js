/**
 * One drawn row. It is filled again and again with other rows' text.
 *
 * @import { Palette } from "../core/palette.js"
 * @import { Style } from "../core/ansi.js"
 * @import { Ending, Entry, Gap, RowObject } from "../core/wire.js"
 * @import { Zone } from "../core/times.js"
 */
import { readable } from "../core/ansi.js";
import { segmentsOf } from "../core/segments.js";
import { endingSentence, gapSentence, grouped, lines, startSentence } from "../core/sentences.js";
import { age, clock, day, full } from "../core/times.js";
import { leavesOf, looksLikeObject, objectIn } from "../core/tree.js";
import { button, make, write } from "./dom.js";

/** Longer texts are cut until they are asked for: laying them out takes too long. */
const MAX_SHOWN_CHARS = 10_000;

/** How a run may end without anything being wrong. */
const HARMLESS = ["succeeded", "ended", "stopped"];

/** As the style sheet's `--ground`. */
const GROUNDS = { light: "#ffffff", dark: "#0f1317" };

/** The 16 colours of a terminal, before they are made readable. Source: xterm. */
const COLOURS = [
  ...["#000000", "#cd0000", "#00a000", "#b08000", "#3050ee", "#cd00cd", "#00a0a0", "#b0b0b0"],
  ...["#7f7f7f", "#ff4040", "#00d000", "#d0b000", "#5c7cff", "#ff40ff", "#00d0d0", "#ffffff"],
];

/**
 * How rows are drawn.
 *
 * @typedef {object} Look frozen
 * @property {readonly RegExp[]} filter what the filter looks for
 * @property {RegExp | null} find what the search looks for
 * @property {boolean} isMixed whether each row names its channel
 * @property {boolean} isDark
 * @property {Zone} zone of the times
 * @property {Palette} palette colours of the channels
 * @property {ReadonlyMap<string, string>} started times by run
 */

/**
 * What is known of a row beside what came.
 *
 * @typedef {object} Place
 * @property {number} number of the row
 * @property {number} position among those that are shown, from 1
 * @property {boolean} isNewDay
 * @property {boolean} isNewRun
 * @property {boolean} isOpen whether all of it is shown: its lines, its JSON
 * @property {boolean} isCurrent
 * @property {boolean} isChosen whether it will be copied
 * @property {string} note what came of an attempt to fill a gap
 */

export class LogRow {
  /** Number of the row that it shows; null: none. @type {number | null} */
  row = null;
  element = make("div", "row");
  line = make("div", "line");
  #day = make("div", "day");
  #run = make("div", "day start");
  #level = make("span", "level");
  #time = make("time", "time");
  #seq = make("span", "seq");
  #channel = make("span", "tag");
  #message = make("span", "message");
  #tree = make("div", "tree");

  constructor() {
    this.element.role = "row";
    for (const cell of [this.#level, this.#time, this.#seq, this.#channel, this.#message]) {
      cell.role = "gridcell";
    }
    this.#tree.role = "gridcell";
    this.line.append(this.#level, this.#time, this.#seq, this.#channel, this.#message);
    // What few rows have comes in where it is needed: fewer elements, half the time of a frame.
    this.element.append(this.line);
  }

  /**
   * @param {RowObject} object
   * @param {Place} place
   * @param {Look} look
   */
  fill(object, place, look) {
    const isEntry = object.type === "log";
    this.row = place.number;
    this.element.id = `row-${place.number}`;
    this.element.ariaRowIndex = String(place.position);
    const time = object.type === "gap" ? null : Date.parse(object.timestamp);
    const isStart = isEntry && place.isNewRun && object.run !== undefined;
    this.#head(this.#run, isStart ? startOf(object.run ?? "", look) : "");
    this.#head(this.#day, place.isNewDay && time !== null ? day(time, look.zone) : "");
    this.fillTime(object, look.zone);
    write(this.#seq, isEntry ? String(object.seq) : "");
    write(this.#channel, look.isMixed ? object.channel : "");
    this.#channel.title = object.channel;
    this.#channel.className = `tag hue-${look.palette.hue(object.channel)}`;
    if (this.#tree.parentNode !== null) this.#tree.remove();
    if (isEntry) this.#fillEntry(object, place, look);
    else this.#fillNote(object, place);
    this.mark(place);
  }

  /**
   * Have a heading above the line, or none.
   *
   * @param {HTMLElement} head
   * @param {string} text empty: none
   */
  #head(head, text) {
    if (text === "") return head.parentNode === null ? undefined : head.remove();
    write(head, text);
    this.element.prepend(head);
  }

  /** @param {{isCurrent: boolean, isChosen: boolean}} place */
  mark({ isCurrent, isChosen }) {
    this.element.classList.toggle("current", isCurrent);
    this.element.classList.toggle("picked", isChosen);
    if (isChosen) this.element.ariaSelected = "true";
    else this.element.removeAttribute("aria-selected");
  }

  /**
   * @param {RowObject} object
   * @param {Zone} zone
   */
  fillTime(object, zone) {
    if (object.type === "gap") return write(this.#time, "");
    const time = Date.parse(object.timestamp);
    write(this.#time, zone === "relative" ? age(Date.now() - time) : clock(time, zone));
    this.#time.dateTime = object.timestamp;
    this.#time.title = full(object.timestamp, zone);
  }

  /**
   * @param {Entry} entry
   * @param {Place} place
   * @param {Look} look
   */
  #fillEntry(entry, place, look) {
    this.element.className = `row ${entry.level} ${entry.stream}`;
    const isKnown = entry.level !== "unknown";
    write(this.#level, isKnown ? (entry.level[0] ?? "").toUpperCase() : "");
    this.#level.title = `${entry.level}, ${entry.stream}${entry.instance ? `, ${entry.instance}` : ""}`;
    const { message } = entry;
    const lineEnd = message.indexOf("\n");
    const isFolded = lineEnd >= 0 && !place.isOpen;
    const whole = isFolded ? message.slice(0, lineEnd) : message;
    const shown = place.isOpen ? whole : whole.slice(0, MAX_SHOWN_CHARS);
    this.#fillMessage(shown, look);
    const object = this.#foldable(entry);
    if (object !== null) this.#message.prepend(fold(place.isOpen));
    if (entry.part) this.#message.append(make("span", "hint", "…"));
    if (isFolded) this.#message.append(more(`+${lines(lineCount(message) - 1)}`));
    else if (lineEnd >= 0) this.#message.append(more("fold"));
    if (shown.length < whole.length) {
      this.#message.append(more(`show ${grouped(whole.length - shown.length)} more characters`));
    }
    if (place.isOpen && object !== null) this.#fillTree(entry);
  }

  /** @param {Entry} entry */
  #foldable(entry) {
    return entry.fields !== undefined || looksLikeObject(entry.message) ? entry : null;
  }

  /**
   * @param {string} text
   * @param {Look} look
   */
  #fillMessage(text, look) {
    const isPlain = look.filter.length === 0 && look.find === null && !text.includes("\x1b");
    if (isPlain) {
      const { firstChild } = this.#message;
      // One text node is written again, which spares making it anew.
      if (firstChild instanceof Text && firstChild === this.#message.lastChild) {
        if (firstChild.data !== text) firstChild.data = text;
      } else this.#message.textContent = text;
      return;
    }
    this.#message.replaceChildren(
      ...segmentsOf(text, look.filter, look.find).map((segment) => {
        if (segment.style === null && segment.mark === "") return segment.text;
        const element = make(segment.mark === "" ? "span" : "mark", segment.mark, segment.text);
        if (segment.style !== null) paint(element, segment.style, look.isDark);
        return element;
      }),
    );
  }

  /** @param {Entry} entry */
  #fillTree(entry) {
    this.#tree.replaceChildren();
    this.element.append(this.#tree);
    const object = objectIn(entry.message);
    for (const one of [object, entry.fields]) {
      if (!one) continue;
      for (const leaf of leavesOf(one)) this.#tree.append(leafElement(leaf));
    }
  }

  /**
   * @param {Gap | Ending} object
   * @param {Place} place
   */
  #fillNote(object, place) {
    const isGap = object.type === "gap";
    const isBad = !isGap && !HARMLESS.includes(object.status);
    this.element.className = `row note ${isGap ? "gap" : "ending"} ${isBad ? "bad" : ""}`;
    write(this.#level, isGap ? "!" : "■");
    this.#level.title = isGap ? "gap" : "end of a run";
    this.#message.textContent = isGap ? gapSentence(object) : endingSentence(object);
    if (!isGap) return;
    if (place.note !== "") this.#message.append(make("span", "hint", ` ${place.note}`));
    else this.#message.append(button("load", "Load what history has"));
  }
}

/**
 * @param {string} run
 * @param {Look} look
 */
const startOf = (run, look) =>
  startSentence(run, look.started.get(run), look.zone === "utc" ? "utc" : "local");

/** @param {string} message */
const lineCount = (message) => message.split("\n").length;

/** @param {string} words */
const more = (words) => button("more", words);

/** @param {boolean} isOpen */
function fold(isOpen) {
  const element = button("fold", isOpen ? "▾" : "▸");
  element.ariaExpanded = String(isOpen);
  element.ariaLabel = "Fields";
  return element;
}

/** @param {import("../core/tree.js").Leaf} leaf */
function leafElement(leaf) {
  const element = make("div", "leaf");
  element.style.setProperty("--depth", String(leaf.depth));
  if (leaf.key !== "") element.append(make("span", "key", leaf.key), ": ");
  if (leaf.wanted === null) {
    element.append(make("span", `value ${leaf.kind}`, leaf.value));
    return element;
  }
  const value = button(`value ${leaf.kind}`, leaf.value === "" ? '""' : leaf.value);
  value.title = `Show only lines with ${leaf.path} = ${leaf.value}`;
  value.dataset["field"] = `${leaf.path}:${leaf.wanted}`;
  element.append(value);
  return element;
}

/** @type {Map<string, string>} */
const painted = new Map();

/**
 * Give text its terminal colours, moved so far that it can be read.
 *
 * @param {HTMLElement} element
 * @param {Style} style
 * @param {boolean} isDark
 */
function paint(element, style, isDark) {
  let [fore, back] = [style.fore, style.back];
  if (style.marks.includes("inverse")) {
    [fore, back] = [back || (isDark ? "#0f1317" : "#ffffff"), fore || (isDark ? "#d5dce3" : "#1b2127")];
  }
  const ground = back === "" ? GROUNDS[isDark ? "dark" : "light"] : colourOf(back);
  if (back !== "") element.style.backgroundColor = ground;
  if (fore !== "" || back !== "") {
    const wanted = fore === "" ? (isDark ? "#d5dce3" : "#1b2127") : colourOf(fore);
    const key = `${wanted} ${ground}`;
    if (!painted.has(key) && painted.size < 10_000) painted.set(key, readable(wanted, ground));
    element.style.color = painted.get(key) ?? wanted;
  }
  for (const mark of style.marks) element.classList.add(`ansi-${mark}`);
}

/** @param {string} name */
const colourOf = (name) => (name.startsWith("#") ? name : (COLOURS[Number(name.slice(5))] ?? "#808080"));
