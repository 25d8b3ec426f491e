/**
 * `<log-view>`: the list of rows, at the tail or pinned.
 *
 * Only rows that are seen are in the document, and each change of the list is drawn once a
 * frame: layout is read once, after the rows are filled, and written once, after that. What a
 * filter or a search takes is found in pieces of a few milliseconds, the newest first.
 *
 * Events: `follow-change`, `count-change` (more is known of how many match), `need-older` (its
 * detail is the last row that is seen), `fill-gap`, `field`, `link`, `context` (their details
 * are an id, or a field as `key:value`). They tell by its properties, or by their details.
 *
 * @import { Filter } from "../core/listing.js"
 * @import { Look } from "./log-row.js"
 */
import { Heights } from "../core/heights.js";
import { Listing } from "../core/listing.js";
import { Palette } from "../core/palette.js";
import { Scale } from "../core/scale.js";
import { lines } from "../core/sentences.js";
import { GAP, Store } from "../core/store.js";
import { dayNumber } from "../core/times.js";
import { Viewport } from "../core/viewport.js";
import { button, copyText, find, make, nextTurn, write } from "./dom.js";
import { LogRow } from "./log-row.js";

/** As the style sheet's `--line`. */
const LINE_PX = 20;
/** Drawn above and below what is seen. */
const MORE_PX = 320;
/** So far from the oldest row older ones are asked for. */
const NEAR_PX = 4000;
/** Firefox lays out no more than 17.8 million pixels. */
const MAX_CANVAS_PX = 10_000_000;
/** So long a scroll that the browser animates may go on, after the list was told to follow. */
const FADING_MS = 700;
/** So long after the last scroll the bar is put right. */
const RESTING_MS = 150;
/** Between two frames while more comes than can be seen. */
const FLOODED_MS = 30;
/** Filters look through rows for so long at a time. */
const SCAN_MS = 8;

const CONTENT = `
  <div class="scroller" role="grid" aria-label="Log lines" aria-readonly="true"
    aria-multiselectable="true" tabindex="0">
    <div class="canvas" role="presentation"><div class="rows" role="rowgroup"></div></div>
  </div>
  <button class="to-tail" type="button" hidden></button>`;

export class LogView extends HTMLElement {
  static define() {
    if (customElements.get("log-view") === undefined) customElements.define("log-view", LogView);
  }

  #store = new Store();
  #listing = new Listing(this.#store, null);
  /** Rows in which the search finds something. */
  #found = new Listing(this.#store, { select: () => [] });
  #heights = new Heights(LINE_PX);
  #viewport = new Viewport(this.#heights);
  #scale = new Scale(MAX_CANVAS_PX);
  /** @type {LogRow[]} in the order of their places */
  #drawn = [];
  #drawnFirst = 0;
  /** @type {LogRow[]} */
  #spare = [];
  /** @type {Set<number>} ids of rows that are shown to their ends */
  #open = new Set();
  /** @type {Map<number, string>} what came of attempts to fill gaps, by id */
  #notes = new Map();
  /** @type {Look} */
  #look = {
    filter: [],
    find: null,
    isMixed: true,
    isDark: false,
    zone: "local",
    palette: new Palette(),
    started: new Map(),
  };
  /** Id of the row that the keyboard is at. @type {number | null} */
  #current = null;
  /** Id of the row at which what is chosen begins. @type {number | null} */
  #chosenFrom = null;
  /** Row to return to once the filter has looked at it. @type {{row: number, offset: number} | null} */
  #wanted = null;
  #isScheduled = false;
  #scan = 0;
  /** Rows that came since it was drawn, and when that was. */
  #came = 0;
  #lastDraw = 0;
  /** Whether the search found something since then. */
  #hasFound = false;
  #scrollTop = 0;
  #scrolledAt = 0;
  #width = 0;
  #endWhenPinned = 0;
  #followedAt = 0;
  #tagChars = 0;
  #seqChars = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;
  #scroller = make("div");
  #canvas = make("div");
  #body = make("div");
  #toTail = make("button");
  #tools = toolbar();

  connectedCallback() {
    if (this.#scroller.isConnected) return;
    this.innerHTML = CONTENT;
    this.#scroller = find(this, ".scroller", HTMLDivElement);
    this.#canvas = find(this, ".canvas", HTMLDivElement);
    this.#body = find(this, ".rows", HTMLDivElement);
    this.#toTail = find(this, ".to-tail", HTMLButtonElement);
    this.#scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#scroller.addEventListener("wheel", (event) => this.#wheeled(event), { passive: true });
    this.#scroller.addEventListener("keydown", (event) => this.#pressed(event));
    this.#body.addEventListener("click", (event) => this.#clicked(event));
    this.#body.addEventListener("pointerover", (event) => this.#hovered(event));
    this.#body.addEventListener("pointerleave", () => this.#tools.remove());
    this.addEventListener("copy", (event) => this.#copied(event));
    this.#toTail.addEventListener("click", () => this.#sendFollow());
    // Drawn at once: the browser has moved the list already, and would tell so as a scroll.
    new ResizeObserver(() => this.#resized()).observe(this.#scroller);
  }

  get isFollowing() {
    return this.#viewport.isFollowing;
  }

  /** Rows that are shown. */
  get count() {
    return this.#listing.count;
  }

  /** Whether all rows that are held have been looked at by the filter. */
  get isComplete() {
    return this.#listing.isComplete;
  }

  /** How many rows the search found, and which of them the keyboard is at, from 1; 0: none. */
  get found() {
    const { count, isComplete } = this.#found;
    if (this.#current === null) return { count, isComplete, at: 0 };
    const place = this.#found.place(this.#store.rowOfId(this.#current));
    const isAt = place < this.#found.end && this.#idAt(this.#found, place) === this.#current;
    return { count, isComplete, at: isAt ? place - this.#found.first + 1 : 0 };
  }

  /** Rows below what is seen. */
  get below() {
    return this.#listing.end - this.#drawnFirst - this.#drawn.length;
  }

  /** Messages of all rows that are shown, as in the log. */
  get text() {
    return this.#textOf(this.#listing.first, this.#listing.end);
  }

  /** @param {Partial<Look>} changes of how rows are drawn */
  set look(changes) {
    this.#look = { ...this.#look, ...changes };
    this.#redraw();
  }

  /**
   * Show rows of a store.
   *
   * @param {Store} store
   * @param {Filter | null} filter null: all
   */
  show(store, filter) {
    const anchor = store === this.#store ? this.#anchorRow() : null;
    if (store !== this.#store) this.#forget();
    this.#store = store;
    this.#listing = new Listing(store, filter);
    this.#found = new Listing(store, this.#found.filter);
    this.#layOut(anchor);
  }

  /** @param {Filter | null} filter what the search takes; null: nothing */
  set search(filter) {
    this.#found = new Listing(this.#store, filter ?? { select: () => [] });
    void this.#find();
    this.#tellCount();
  }

  /** Rows came at the end, or left at the beginning. */
  grown() {
    const came = this.#listing.grow();
    this.#came += came;
    this.#heights.append(came);
    if (this.#found.grow() > 0) this.#hasFound = true;
    this.#cut();
    this.#schedule();
  }

  /** @param {number} count of rows that came before the first */
  prepended(count) {
    if (this.#listing.filter === null) this.#heights.prepend(count);
    void this.#find();
    this.#schedule();
  }

  /** Rows came or left in the middle or at the end. */
  replaced() {
    this.show(this.#store, this.#listing.filter);
  }

  follow() {
    this.#followedAt = performance.now();
    this.#wanted = null;
    this.#viewport.follow();
    this.#schedule();
    this.#send("follow-change");
  }

  /** Stay where it is, whatever comes. */
  pin() {
    if (!this.isFollowing) return;
    this.#pinAt(this.#viewport.top);
  }

  /** Take the keyboard. @override */
  focus() {
    this.#scroller.focus({ preventScroll: true });
  }

  /**
   * Show an entry, in the midst of others, and have the keyboard there.
   *
   * @param {number} id
   */
  goTo(id) {
    this.#current = this.#chosenFrom = id;
    const place = this.#listing.place(this.#store.rowOfId(id));
    if (place < this.#listing.end) this.#reveal(place, true);
    this.#redraw();
    this.#tellCount();
  }

  /**
   * Go to the next row that the search found, or the one before.
   *
   * @param {1 | -1} step
   * @returns {boolean} whether there is one
   */
  goToFound(step) {
    const { first, end } = this.#found;
    const from = this.#current === null ? this.#bottomRow() + 1 : this.#store.rowOfId(this.#current);
    const place = this.#found.place(from);
    const isAt = place < end && this.#found.row(place) === from;
    const next = step > 0 ? place + (isAt ? 1 : 0) : place - 1;
    if (next < first || next >= end) return false;
    this.goTo(this.#idAt(this.#found, next));
    return true;
  }

  /** Have all rows chosen. */
  chooseAll() {
    const { first, end } = this.#listing;
    if (first === end) return;
    this.pin();
    this.#chosenFrom = this.#idAt(this.#listing, first);
    this.#current = this.#idAt(this.#listing, end - 1);
    this.#redraw();
  }

  /** Choose no row. @returns {boolean} whether some was */
  unchoose() {
    const isChosen = this.#current !== null;
    this.#current = this.#chosenFrom = null;
    this.#tools.remove();
    this.#redraw();
    this.#tellCount();
    return isChosen;
  }

  /** Copy the messages of the rows that are chosen. @returns {number} of rows */
  copy() {
    const [first, end] = this.#chosen();
    if (first === end) return 0;
    copyText(this.#textOf(first, end));
    return end - first;
  }

  /**
   * Say what came of an attempt to fill a gap.
   *
   * @param {number} id
   * @param {string} words
   */
  note(id, words) {
    this.#notes.set(id, words);
    this.#redraw();
  }

  /** Id of the row that the keyboard is at. */
  get current() {
    return this.#current;
  }

  /** Show the row that the keyboard is at whole, or folded. */
  toggleCurrent() {
    if (this.#current !== null) this.#toggle(this.#current);
  }

  /** Times that say how long ago something was have moved on. */
  tick() {
    for (const drawn of this.#drawn) {
      if (drawn.row !== null) drawn.fillTime(this.#store.object(drawn.row), this.#look.zone);
    }
  }

  #forget() {
    this.#open.clear();
    this.#notes.clear();
    this.#current = this.#chosenFrom = null;
    this.#tools.remove();
    this.#viewport.follow();
    this.#setChars("tag", (this.#tagChars = 0));
    this.#setChars("seq", (this.#seqChars = 0));
    this.#send("follow-change");
  }

  /** @param {{row: number, offset: number} | null} anchor row to stay at; null: follow */
  #layOut(anchor) {
    const { height } = this.#viewport;
    this.#heights = new Heights(LINE_PX);
    this.#viewport = new Viewport(this.#heights);
    this.#viewport.height = height;
    this.#wanted = anchor;
    if (this.#listing.filter === null) {
      const { first, end } = this.#listing;
      this.#heights.prepend(Math.max(0, -first));
      this.#heights.append(Math.max(0, end));
      if (first > 0) this.#heights.dropBefore(first);
      if (end < 0) this.#heights.dropFrom(end);
    }
    if (anchor !== null) this.#viewport.pinAt(this.#listing.first, 0);
    this.#return();
    this.#redraw();
    void this.#find();
    this.#tellCount();
  }

  /** Return to the row that was seen, as soon as the filter has come so far. */
  #return() {
    if (this.#wanted === null) return;
    const { row, offset } = this.#wanted;
    if (this.#listing.filter !== null && !this.#listing.hasLookedAt(row)) return;
    const place = this.#listing.place(row);
    const isSame = place < this.#listing.end && this.#listing.row(place) === row;
    this.#viewport.pinAt(place, isSame ? offset : 0);
    this.#wanted = null;
  }

  /** @returns {{row: number, offset: number} | null} */
  #anchorRow() {
    const { anchor } = this.#viewport;
    if (anchor === null) return null;
    if (this.#wanted !== null) return this.#wanted;
    const { first, end } = this.#listing;
    if (anchor.row < first || anchor.row >= end) return { row: this.#store.first, offset: 0 };
    return { row: this.#listing.row(anchor.row), offset: anchor.offset };
  }

  /** Look through the rows that are held, the newest first, until all are known. */
  async #find() {
    const scan = (this.#scan += 1);
    while (scan === this.#scan && !(this.#listing.isComplete && this.#found.isComplete)) {
      const end = performance.now() + SCAN_MS;
      const isOver = () => performance.now() > end;
      this.#heights.prepend(this.#listing.look(isOver));
      if (this.#listing.isComplete) this.#found.look(isOver);
      this.#return();
      this.#schedule();
      this.#tellCount();
      await nextTurn();
    }
  }

  #tellCount() {
    this.#send("count-change");
  }

  /** Let rows go that the store does not hold any more. */
  #cut() {
    this.#listing.cut();
    this.#found.cut();
    this.#heights.dropBefore(this.#listing.first);
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true }));
  }

  #sendFollow() {
    this.follow();
    this.focus();
  }

  /**
   * @param {Listing} listing
   * @param {number} place
   */
  #idAt(listing, place) {
    return this.#store.id(listing.row(place));
  }

  /** @param {number} top */
  #pinAt(top) {
    const wasFollowing = this.isFollowing;
    this.#wanted = null;
    this.#viewport.pin(Math.max(0, top));
    if (!wasFollowing) return;
    this.#endWhenPinned = this.#listing.end;
    this.#schedule();
    this.#send("follow-change");
  }

  #scrolled() {
    const before = this.#scrollTop;
    const scroll = this.#scroller.scrollTop;
    if (scroll === before) return;
    this.#scrollTop = scroll;
    const top = this.#scale.toPlace(scroll, before, this.#viewport.top);
    if (this.isFollowing) {
      const isFading = performance.now() - this.#followedAt < FADING_MS;
      if (scroll < before - 1 && !isFading) this.#pinAt(top);
      return;
    }
    this.#rest();
    this.#pinAt(top);
    if (scroll > before && this.#viewport.isAtEnd(top)) this.follow();
    this.#schedule();
  }

  /** Put the bar right once scrolling rests. */
  #rest() {
    this.#scrolledAt = performance.now();
    if (!this.#scale.isScaled) return;
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => this.#schedule(), RESTING_MS + 20);
  }

  /**
   * A wheel that turns up pins at once: waiting for the scroll that it causes would have it
   * undone by the lines of the same frame.
   *
   * @param {WheelEvent} event
   */
  #wheeled(event) {
    if (event.deltaY < 0 && (this.#scroller.scrollTop > 0 || this.#isShort)) this.pin();
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    const isOurs = event.target === this.#scroller;
    const isCommand = event.ctrlKey || event.metaKey;
    if (isOurs && isCommand && event.key === "a") this.chooseAll();
    else if (isOurs && isCommand && event.key === "c" && this.copy() > 0) event.preventDefault();
    else if (isCommand || event.altKey) return;
    else if (event.key === "End") this.follow();
    else if (event.key === "Home") this.#toTop();
    else if (event.key === "ArrowUp" || event.key === "k") this.#step(-1, event.shiftKey);
    else if (event.key === "ArrowDown" || event.key === "j") this.#step(1, event.shiftKey);
    else if (event.key === "K" || event.key === "J") this.#step(event.key === "J" ? 1 : -1, true);
    else if (event.key === "PageUp") return this.#scroller.scrollTop > 0 ? this.pin() : undefined;
    else if (isOurs && event.key === "Enter") this.toggleCurrent();
    else return;
    event.preventDefault();
  }

  #toTop() {
    this.pin();
    this.#viewport.pinAt(this.#listing.first, 0);
    this.#schedule();
  }

  /**
   * Move the keyboard's row.
   *
   * @param {number} step
   * @param {boolean} isMore whether what is chosen grows
   */
  #step(step, isMore) {
    const { first, end } = this.#listing;
    if (first === end) return;
    let place = this.#listing.place(this.#bottomRow());
    if (this.#current !== null) place = this.#listing.place(this.#store.rowOfId(this.#current)) + step;
    this.#choose(Math.min(Math.max(place, first), end - 1), isMore);
  }

  /**
   * @param {number} place
   * @param {boolean} isMore
   */
  #choose(place, isMore) {
    this.#current = this.#idAt(this.#listing, place);
    if (!isMore || this.#chosenFrom === null) this.#chosenFrom = this.#current;
    this.#reveal(place, false);
    this.#mark();
    this.#schedule();
    this.#tellCount();
  }

  /** The last row that is wholly seen. */
  #bottomRow() {
    if (this.#listing.count === 0) return this.#store.end;
    const bottom = this.#viewport.top + this.#viewport.height - LINE_PX;
    return this.#listing.row(this.#heights.rowAt(bottom));
  }

  /**
   * @param {number} place
   * @param {boolean} isCentred
   */
  #reveal(place, isCentred) {
    const top = this.#heights.top(place);
    const bottom = top + this.#heights.height(place);
    const { height } = this.#viewport;
    const seen = this.#viewport.top;
    const isSeen = top >= seen && bottom <= seen + height;
    if (isSeen) return this.pin();
    if (isCentred) this.#pinAt(top - height / 3);
    else this.#pinAt(top < seen ? top : bottom - height);
  }

  /** Places that are chosen: from one up to, not with, another. @returns {[number, number]} */
  #chosen() {
    if (this.#current === null || this.#chosenFrom === null) return [0, 0];
    const rows = [this.#current, this.#chosenFrom].map((id) => this.#store.rowOfId(id));
    const [first = 0, last = 0] = rows.sort((one, other) => one - other);
    return [this.#listing.place(first), this.#listing.place(last + 1)];
  }

  /**
   * @param {number} first
   * @param {number} end
   */
  #textOf(first, end) {
    const messages = [];
    for (let place = first; place < end; place += 1) {
      const row = this.#listing.row(place);
      if (this.#store.kind(row) < GAP) messages.push(this.#store.message(row));
    }
    return messages.map((message) => `${message}\n`).join("");
  }

  /** What is marked over several rows is copied as it is in the log. @param {ClipboardEvent} event */
  #copied(event) {
    const selection = this.ownerDocument.getSelection();
    const [first, last] = [selection?.anchorNode, selection?.focusNode].map((node) =>
      this.#drawn.findIndex(({ element }) => node && element.contains(node)),
    );
    if (first === undefined || last === undefined || first < 0 || last < 0 || first === last) return;
    const [from, to] = [first, last].sort((one, other) => one - other);
    const text = this.#textOf(this.#drawnFirst + (from ?? 0), this.#drawnFirst + (to ?? 0) + 1);
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
  }

  /** @param {PointerEvent} event */
  #hovered(event) {
    if (event.pointerType !== "mouse") return;
    const drawn = this.#drawnAt(event);
    if (drawn !== undefined && this.#tools.parentNode !== drawn.line) drawn.line.append(this.#tools);
  }

  /** @param {Event} event */
  #drawnAt(event) {
    const target = /** @type {Node} */ (event.target);
    return this.#drawn.find(({ element }) => element.contains(target));
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const drawn = this.#drawnAt(event);
    if (drawn === undefined || drawn.row === null) return;
    const id = this.#store.id(drawn.row);
    const target = /** @type {HTMLElement} */ (event.target);
    const place = this.#listing.place(drawn.row);
    if (target.matches("button.more, button.fold")) {
      this.#toggle(id);
      // The button is gone once the row is drawn anew, and the keyboard would be nowhere.
      return this.focus();
    }
    if (target.matches("button.load")) return this.#send("fill-gap", id);
    if (target.dataset["field"] !== undefined) return this.#send("field", target.dataset["field"]);
    const { action } = target.dataset;
    if (action === "copy") copyText(this.#textOf(place, place + 1));
    else if (action !== undefined) this.#send(action, id);
    else if (this.ownerDocument.getSelection()?.isCollapsed !== false || event.shiftKey) {
      if (event.shiftKey) this.ownerDocument.getSelection()?.removeAllRanges();
      this.#choose(place, event.shiftKey);
      drawn.line.append(this.#tools);
    }
  }

  /** @param {number} id */
  #toggle(id) {
    this.pin();
    if (!this.#open.delete(id)) this.#open.add(id);
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
    for (const drawn of this.#drawn) drawn.row = null;
    this.#schedule();
  }

  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const draw = () => {
      // In a flood every row is another at each frame: every second frame is enough to be read.
      const isFlooded = this.isFollowing && this.#came > this.#drawn.length;
      if (isFlooded && performance.now() - this.#lastDraw < FLOODED_MS) {
        requestAnimationFrame(draw);
        return;
      }
      this.#isScheduled = false;
      // A scroll that is animated has gone on since its event.
      this.#scrolled();
      this.#draw();
    };
    requestAnimationFrame(draw);
  }

  #draw() {
    this.#lastDraw = performance.now();
    this.#came = 0;
    const { first, end } = this.#viewport.rows(MORE_PX);
    this.#arrange(first, end);
    this.#measure();
    this.#scale.total = this.#heights.total;
    this.#scale.height = this.#viewport.height;
    this.#canvas.style.height = `${this.#scale.shown}px`;
    this.#settle();
    const place = this.#scale.isScaled ? this.#viewport.top - this.#scrollTop : 0;
    this.#body.style.transform = `translateY(${this.#heights.top(first) - place}px)`;
    this.#scroller.ariaRowCount = String(this.#listing.count);
    this.#showNew();
    if (this.#hasFound) this.#tellCount();
    this.#hasFound = false;
    this.#askOlder();
  }

  /** Whether all rows can be seen at once. */
  get #isShort() {
    return this.#heights.total <= this.#viewport.height;
  }

  /** Ask for older rows where there will soon be none to be seen. */
  #askOlder() {
    if (!this.#listing.isComplete) return;
    const isShort = this.#listing.filter !== null && this.#isShort;
    const isNear = !this.isFollowing && this.#viewport.top < NEAR_PX;
    if (!isShort && !isNear) return;
    const last = this.#drawn.at(-1)?.row ?? this.#store.end - 1;
    this.#send("need-older", last);
  }

  /**
   * Have just these rows in the document, keeping those that are there already.
   *
   * @param {number} first
   * @param {number} end
   */
  #arrange(first, end) {
    const before = this.#drawnFirst;
    const isKept = (/** @type {number} */ place) => {
      const drawn = this.#drawn[place - before];
      return drawn !== undefined && drawn.row === this.#listing.row(place);
    };
    const places = Array.from({ length: end - first }, (_, index) => first + index);
    const keptPlaces = new Set(places.filter(isKept));
    const free = this.#drawn.filter((_, index) => !keptPlaces.has(before + index));
    const drawn = places.map((place) => {
      if (keptPlaces.has(place)) return /** @type {LogRow} */ (this.#drawn[place - before]);
      const row = free.shift() ?? this.#spare.pop() ?? new LogRow();
      this.#fill(row, place);
      return row;
    });
    for (const row of free) {
      row.row = null;
      row.element.remove();
      this.#spare.push(row);
    }
    this.#drawn = drawn;
    this.#drawnFirst = first;
    this.#attach();
    this.#showCurrent();
  }

  /** Have the elements in the order of their rows, moving as few as possible. */
  #attach() {
    let next = this.#body.firstElementChild;
    for (const { element } of this.#drawn) {
      if (element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(element, next);
    }
  }

  /**
   * @param {LogRow} drawn
   * @param {number} place
   */
  #fill(drawn, place) {
    const row = this.#listing.row(place);
    const object = this.#store.object(row);
    const { zone, isMixed } = this.#look;
    const time = this.#store.time(row);
    const isFirst = place === this.#listing.first;
    const before = isFirst ? Date.now() : this.#store.time(this.#listing.row(place - 1));
    const [first, end] = this.#chosen();
    drawn.fill(
      object,
      {
        number: row,
        position: place - this.#listing.first + 1,
        isNewDay: object.type !== "gap" && dayNumber(time, zone) !== dayNumber(before, zone),
        isNewRun: this.#store.isFirstOfRun(row),
        isOpen: this.#open.has(object.id),
        isCurrent: object.id === this.#current,
        isChosen: place >= first && place < end,
        note: this.#notes.get(object.id) ?? "",
      },
      this.#look,
    );
    if (isMixed && object.channel.length > this.#tagChars) {
      this.#tagChars = object.channel.length;
      this.#setChars("tag", Math.min(this.#tagChars, 18));
    }
    const seqChars = object.type === "log" ? String(object.seq).length : 0;
    if (seqChars > this.#seqChars) this.#setChars("seq", (this.#seqChars = seqChars));
  }

  /** Show which rows are chosen. */
  #mark() {
    const [first, end] = this.#chosen();
    this.#drawn.forEach((drawn, index) => {
      const place = this.#drawnFirst + index;
      const isCurrent = drawn.row !== null && this.#store.id(drawn.row) === this.#current;
      drawn.mark({ isCurrent, isChosen: place >= first && place < end });
    });
    this.#showCurrent();
  }

  #showCurrent() {
    const current = this.#drawn.find((drawn) => drawn.element.classList.contains("current"));
    if (current === undefined) this.#scroller.removeAttribute("aria-activedescendant");
    else this.#scroller.setAttribute("aria-activedescendant", current.element.id);
  }

  /**
   * Make room for channels' names or numbers, so that messages begin at one place.
   *
   * @param {string} name
   * @param {number} chars of the longest that was drawn
   */
  #setChars(name, chars) {
    this.style.setProperty(`--${name}`, `${chars}ch`);
  }

  #measure() {
    this.#drawn.forEach(({ element }, index) => {
      const { height } = element.getBoundingClientRect();
      const place = this.#drawnFirst + index;
      if (Math.abs(height - this.#heights.height(place)) > 0.01) this.#heights.set(place, height);
    });
  }

  /** Scroll to where the list belongs, if it is not there. */
  #settle() {
    const { top } = this.#viewport;
    const scroll = this.#scale.toScroll(top);
    const isScrolling = performance.now() - this.#scrolledAt < RESTING_MS;
    // What a browser scrolls by itself is not broken off, where the bar is only a proportion.
    const isLeft =
      this.#scale.isScaled && !this.isFollowing && isScrolling &&
      !this.#scale.isStuck(this.#scrollTop, top);
    if (!isLeft && Math.abs(this.#scroller.scrollTop - scroll) >= 1) this.#scroller.scrollTop = scroll;
    this.#scrollTop = this.#scroller.scrollTop;
  }

  #showNew() {
    const count = this.isFollowing ? 0 : this.#listing.end - this.#endWhenPinned;
    this.#toTail.hidden = this.isFollowing;
    const words = count > 0 ? lines(count, "new") : "Back to the newest";
    if (!this.isFollowing) write(this.#toTail, this.isHeld ? `${words} and more` : words);
  }

  /** Whether more waits than can be told. */
  isHeld = false;
}

/** What can be done with the row that is pointed at. */
function toolbar() {
  const tools = make("div", "tools");
  tools.role = "gridcell";
  for (const [action, text, title] of [
    ["copy", "Copy", "Copy this line (c)"],
    ["link", "Link", "Link to this line (l)"],
    ["context", "Context", "What stands around it, without the filter (x)"],
  ]) {
    const element = button("", text ?? "");
    element.title = title ?? "";
    element.dataset["action"] = action;
    tools.append(element);
  }
  return tools;
}
