/**
 * One drawn row. It is filled again and again with other rows' text.
 *
 * @import { Palette } from "../core/palette.js"
 * @import { Ending, Entry, Gap, RowObject } from "../core/wire.js"
 */
import { endingSentence, gapSentence, grouped } from "../core/sentences.js";
import { pieces, withoutControls } from "../core/text.js";
import { clock, day, full, isSameDay } from "../core/times.js";
import { make } from "./dom.js";

/** Longer texts are cut until they are asked for: laying them out takes too long. */
const MAX_SHOWN_CHARS = 10_000;

/** How a run may end without anything being wrong. */
const HARMLESS = ["succeeded", "ended", "stopped"];

/**
 * How rows are drawn.
 *
 * @typedef {object} Look frozen
 * @property {string} wanted text that is marked
 * @property {boolean} isMixed whether each row names its channel
 * @property {Palette} palette colours of the channels
 */

export class LogRow {
  /** Number of the row that it shows. */
  row = -1;
  element = make("div", "row");
  #day = make("div", "day");
  #line = make("div", "line");
  #level = make("span", "level");
  #time = make("time", "time");
  #channel = make("span", "tag");
  #message = make("span", "message");

  constructor() {
    this.#line.append(this.#level, this.#time, this.#channel, this.#message);
    this.element.append(this.#day, this.#line);
  }

  /**
   * @param {RowObject} object
   * @param {Date | null} previous time of the row before
   * @param {Look} look
   * @param {boolean} isWhole whether a very long text is shown to its end
   */
  fill(object, previous, look, isWhole) {
    this.#time.textContent = "";
    this.#day.textContent = "";
    if (object.type !== "gap") this.#fillTime(object.timestamp, previous);
    this.#channel.textContent = look.isMixed ? object.channel : "";
    this.#channel.title = object.channel;
    this.#channel.className = `tag hue-${look.palette.hue(object.channel)}`;
    if (object.type === "log") this.#fillEntry(object, look.wanted, isWhole);
    else this.#fillNote(object);
  }

  /**
   * @param {string} timestamp
   * @param {Date | null} previous
   */
  #fillTime(timestamp, previous) {
    const time = new Date(timestamp);
    this.#time.textContent = clock(time);
    this.#time.dateTime = timestamp;
    this.#time.title = full(timestamp);
    if (!isSameDay(time, previous ?? new Date())) this.#day.textContent = day(time);
  }

  /**
   * @param {Entry} entry
   * @param {string} wanted
   * @param {boolean} isWhole
   */
  #fillEntry(entry, wanted, isWhole) {
    this.element.className = `row ${entry.level} ${entry.stream}`;
    const isKnown = entry.level !== "unknown";
    this.#level.textContent = isKnown ? (entry.level[0] ?? "").toUpperCase() : "";
    this.#level.title = `${entry.level}, ${entry.stream}`;
    const text = withoutControls(entry.message);
    const shown = isWhole ? text : text.slice(0, MAX_SHOWN_CHARS);
    this.#message.replaceChildren(
      ...pieces(shown, wanted).map((piece) =>
        piece.isMatch ? make("mark", "", piece.text) : piece.text,
      ),
    );
    if (entry.part) this.#message.append(make("span", "hint", "…"));
    if (shown.length < text.length) this.#message.append(more(text.length - shown.length));
  }

  /** @param {Gap | Ending} object */
  #fillNote(object) {
    const isGap = object.type === "gap";
    const isBad = !isGap && !HARMLESS.includes(object.status);
    this.element.className = `row note ${isGap ? "gap" : "ending"} ${isBad ? "bad" : ""}`;
    this.#level.textContent = isGap ? "!" : "■";
    this.#level.title = isGap ? "gap" : "end of a run";
    this.#message.textContent = isGap ? gapSentence(object) : endingSentence(object);
  }
}

/** @param {number} chars */
function more(chars) {
  const button = make("button", "more", `show ${grouped(chars)} more characters`);
  button.type = "button";
  return button;
}
