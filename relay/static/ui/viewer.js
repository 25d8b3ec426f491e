/**
 * `<relay-viewer>`: the page: its lines, and what stands in their place. It knows no network.
 *
 * What stands around the lines comes after the first of them: see `controls.js`.
 *
 * Events: `view-change` (its detail is the view that is to be shown, and whether that is a
 * step to go back to), `follow-change`, `need-older`, `fill-gap`, `retry`, `find-older`,
 * `download`, `clear-lines`.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { Missed } from "../core/intake.js"
 * @import { Filter } from "../core/listing.js"
 * @import { View } from "../core/view.js"
 * @import { Controls } from "./controls.js"
 * @import { Status } from "../net/relay.js"
 */
import { begin } from "../core/connection.js";
import { matcherOf } from "../core/filter.js";
import { whyEmpty } from "../core/notice.js";
import { Palette } from "../core/palette.js";
import { grouped, lines, missedWords, rate } from "../core/sentences.js";
import { Store } from "../core/store.js";
import { conditions, EVERYTHING, isFiltered, isMixed, isSame, unfiltered, withChanges } from "../core/view.js";
import { find, make, write } from "./dom.js";
import { LogView } from "./log-view.js";

/**
 * @typedef {object} Counts
 * @property {number} received lines of this view
 * @property {Missed} missed
 * @property {number} perSecond
 * @property {number} held rows
 * @property {boolean} isHeld whether more waits than is taken in
 * @property {boolean} isBusy whether the relay would filter what this page could
 */

export class RelayViewer extends HTMLElement {
  static define() {
    customElements.define("relay-viewer", RelayViewer);
  }

  /** @type {View} */
  #view = EVERYTHING;
  #connection = begin(0);
  /** @type {Status | null} */
  #status = null;
  /** @type {Controls | null} */
  #controls = null;
  /** Whether the view's stream has begun; what was shown before is of another view. */
  #isStarted = false;
  /** Colours of the channels. */
  palette = new Palette();
  #dark = matchMedia("(prefers-color-scheme: dark)");
  #log = new LogView();
  #pause = make("button");
  #notice = make("div");
  #counts = make("p");
  #said = make("p");

  connectedCallback() {
    this.#log = find(this, "log-view", LogView);
    this.#pause = find(this, ".pause", HTMLButtonElement);
    this.#notice = find(this, ".notice", HTMLDivElement);
    this.#counts = find(this, ".counts", HTMLParagraphElement);
    this.#said = find(this, ".said", HTMLParagraphElement);
    this.#log.look = { palette: this.palette, isDark: this.#dark.matches };
    this.#on(this.#log, "follow-change", () => this.#showFollowing());
    this.#on(this.#log, "count-change", () => this.#showFound());
    this.#on(this.#log, "field", (field) => {
      this.change({ fields: [...this.#view.fields, field], at: null }, true);
    });
    this.#on(this.#log, "link", (id) => this.link(id));
    this.#on(this.#log, "context", (id) => this.context(id));
    this.#pause.addEventListener("click", () => this.turn());
    this.#notice.addEventListener("click", (event) => this.#clicked(event));
    this.#dark.addEventListener("change", () => {
      this.#log.look = { isDark: this.#dark.matches };
    });
    setInterval(() => this.#view.time === "relative" && this.#log.tick(), 1000);
  }

  /**
   * @param {HTMLElement} element
   * @param {string} name
   * @param {(detail: any) => void} then
   */
  #on(element, name, then) {
    element.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));
  }

  /** What stands around the lines. @param {Controls} controls */
  set controls(controls) {
    this.#controls = controls;
    controls.view = this.#view;
    controls.connection = this.#connection;
    this.#showFound();
  }

  get view() {
    return this.#view;
  }

  /**
   * Show the controls of a view; its lines are shown by `start` or `refilter`.
   *
   * @param {View} view
   * @param {boolean} isNew whether rows of a new query will come
   */
  setView(view, isNew) {
    this.#view = view;
    if (isNew) this.#isStarted = false;
    const names = view.channels.join(", ");
    document.title = names === "" ? "relay" : `${names} · relay`;
    this.classList.toggle("nowrap", !view.wrap);
    this.classList.toggle("status", view.page === "status");
    if (this.#controls !== null) this.#controls.view = view;
    this.#showLook();
    this.#showNotice();
  }

  /** @param {Connection} connection */
  set connection(connection) {
    this.#connection = connection;
    if (this.#controls !== null) this.#controls.connection = connection;
    const isTrying = connection.phase === "connecting" || connection.phase === "live";
    // What is shown of the old view does not stand for one that cannot be shown.
    if (!this.#isStarted && !isTrying) this.#log.show(new Store(), null);
    this.#showNotice();
  }

  /** @param {Status} status */
  set status(status) {
    this.#status = status;
    if (this.#controls !== null) this.#controls.status = status;
    const started = new Map(status.runs.map((run) => [run.id, run.started]));
    const isLook = started.size !== this.#startedRuns;
    this.#startedRuns = started.size;
    if (isLook) this.#log.look = { started };
    this.#showLook();
    this.#showNotice();
  }

  #startedRuns = 0;

  /** @param {Counts} counts */
  set counts(counts) {
    const isPart = isFiltered(this.#view);
    const shown = `${grouped(this.#log.count)}${this.#log.isComplete ? "" : "…"} shown`;
    const words = [
      counts.perSecond > 0 ? rate(counts.perSecond) : "",
      `${lines(counts.received)} received`,
      isPart ? shown : "",
      missedWords(counts.missed),
    ];
    write(this.#counts, words.filter((word) => word !== "").join(" · "));
    this.#counts.classList.toggle("missed", counts.missed.count > 0 || counts.missed.isLeast);
    this.#counts.title = `${grouped(counts.held)} rows are held by this page`;
    this.#log.isHeld = counts.isHeld;
    if (this.#controls !== null) this.#controls.isBusy = counts.isBusy;
  }

  get log() {
    return this.#log;
  }

  /**
   * A new view's rows will come: those of the old one go.
   *
   * @param {Store} store
   * @param {Filter | null} filter
   * @param {Filter | null} search
   */
  start(store, filter, search) {
    this.refilter(store, filter, search);
    this.#isStarted = true;
    this.#showLook();
  }

  /**
   * @param {Store} store
   * @param {Filter | null} filter
   * @param {Filter | null} search
   */
  refilter(store, filter, search) {
    this.#showLook();
    this.#log.show(store, filter);
    this.#log.search = search;
    this.#showNotice();
  }

  /** Rows came. */
  grown() {
    const wasEmpty = this.#log.count === 0;
    this.#log.grown();
    if (wasEmpty || this.#log.count === 0) this.#showNotice();
  }

  /** Tell something in passing. @param {string} words */
  say(words) {
    write(this.#said, words);
    this.#said.hidden = false;
    clearTimeout(this.#saying);
    this.#saying = setTimeout(() => {
      this.#said.hidden = true;
    }, 4000);
  }

  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #saying;

  /**
   * @param {Partial<View>} changes
   * @param {boolean} isStep whether the browser's "back" leads before it
   */
  change(changes, isStep) {
    const view = withChanges(this.#view, changes);
    if (isSame(view, this.#view)) return;
    this.send("view-change", { view, isStep });
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  clearFilters() {
    this.change({ ...unfiltered(this.#view), at: null }, false);
  }

  /** Pause, or follow. */
  turn() {
    if (!this.#log.isFollowing) this.#follow();
    else this.#log.pin();
  }

  #follow() {
    if (this.#view.at !== null) this.change({ at: null }, true);
    else this.#log.follow();
  }

  #showFollowing() {
    const { isFollowing } = this.#log;
    // "Follow" from the past begins anew at the newest line.
    if (isFollowing && this.#view.at !== null && this.#isStarted) return this.change({ at: null }, true);
    write(this.#pause, isFollowing ? "Pause" : "Follow");
    this.#pause.title = isFollowing ? "Stay here (space)" : "Go to the newest lines (space)";
    this.classList.toggle("paused", !isFollowing);
  }

  #showFound() {
    if (this.#controls !== null) this.#controls.hits = this.#log.found;
    this.#showNotice();
  }

  /** @param {1 | -1} step to the next match, or the one before */
  goToFound(step) {
    if (this.#view.find === "" || this.#log.goToFound(step)) return;
    if (step < 0) this.send("find-older", this.#view.find);
    else this.say("No further match");
  }

  /** Copy a link to a line. @param {number} id */
  link(id) {
    const view = withChanges(this.#view, { at: id });
    this.send("link", view);
  }

  /** Show what stands around a line. @param {number} id */
  context(id) {
    const { q, find: search } = this.#view;
    this.change({ ...unfiltered(this.#view), find: search || q, at: id }, true);
  }

  /** What is shown of the old view keeps its look, until the new one has begun. */
  #showLook() {
    if (!this.#isStarted) return;
    const isMixedView = isMixed(this.#view) && this.#names.length !== 1;
    const { texts } = conditions(this.#view);
    const look = {
      filter: texts,
      find: matcherOf(this.#view.find),
      isMixed: isMixedView,
      zone: this.#view.time,
    };
    const key = JSON.stringify([this.#view.q, this.#view.find, isMixedView, this.#view.time]);
    if (key !== this.#lookKey) this.#log.look = look;
    this.#lookKey = key;
  }

  #lookKey = "";

  /** @param {Event} event */
  #clicked(event) {
    const { action } = /** @type {HTMLElement} */ (event.target).dataset;
    if (action === "clear") this.clearFilters();
    if (action === "all") this.change({ channels: [], runs: [], at: null }, true);
    if (action === "retry") this.send("retry");
  }

  /** Copy the lines that are chosen. */
  copy() {
    const count = this.#log.copy();
    if (count > 0) this.say(`${lines(count)} copied`);
  }

  /** Names of the relay's channels, as far as they are known. */
  get #names() {
    return (this.#status?.channels ?? []).map(({ name }) => name);
  }

  /** Where there are no lines, say why. */
  #showNotice() {
    const isEmpty = this.#log.count === 0 && this.#log.isComplete;
    this.#notice.hidden = !isEmpty || this.#view.page !== "log";
    if (this.#notice.hidden) return;
    const connection = this.#connection;
    const notice = whyEmpty({ connection, view: this.#view, names: this.#names });
    write(find(this.#notice, "h2", HTMLHeadingElement), notice.title);
    write(find(this.#notice, "p", HTMLParagraphElement), notice.text);
    const button = find(this.#notice, "button", HTMLButtonElement);
    button.hidden = notice.action === "";
    write(button, notice.label);
    button.dataset["action"] = notice.action;
  }
}

