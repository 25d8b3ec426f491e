/**
 * `<relay-viewer>`: the page. It puts the elements together, and knows no network.
 *
 * Events: `view-change` (its detail is the view that is to be shown, and whether that is a
 * step to go back to), `follow-change`, `need-older`, `fill-gap`, `retry`, `find-older`,
 * `download`, `clear-lines`.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { Missed } from "../core/intake.js"
 * @import { Filter } from "../core/listing.js"
 * @import { View } from "../core/view.js"
 * @import { Histogram, Status } from "../net/relay.js"
 */
import { begin } from "../core/connection.js";
import { matcherOf } from "../core/filter.js";
import { whyEmpty } from "../core/notice.js";
import { Palette } from "../core/palette.js";
import { grouped, lines, missedWords, rate } from "../core/sentences.js";
import { Store } from "../core/store.js";
import { conditions, EVERYTHING, isFiltered, isMixed, isSame, unfiltered, withChanges } from "../core/view.js";
import { ChannelList } from "./channel-list.js";
import { ConnectionState } from "./connection-state.js";
import { find, make, write } from "./dom.js";
import { FilterBar } from "./filter-bar.js";
import { KeySheet } from "./key-sheet.js";
import { LogView } from "./log-view.js";
import { StatusView } from "./status-view.js";
import { StoreState } from "./store-state.js";
import { TimeHistogram } from "./time-histogram.js";
import { ViewPanel } from "./view-panel.js";

/**
 * @typedef {object} Counts
 * @property {number} received lines of this view
 * @property {Missed} missed
 * @property {number} perSecond
 * @property {number} held rows
 * @property {boolean} isHeld whether more waits than is taken in
 * @property {boolean} isBusy whether the relay would filter what this page could
 */

const ZONES = /** @type {const} */ (["local", "utc", "relative"]);
const NARROW = "(max-width: 760px)";

export class RelayViewer extends HTMLElement {
  static define() {
    customElements.define("relay-viewer", RelayViewer);
  }

  /** @type {View} */
  #view = EVERYTHING;
  #connection = begin(0);
  /** @type {Status | null} */
  #status = null;
  /** Whether the view's stream has begun; what was shown before is of another view. */
  #isStarted = false;
  #palette = new Palette();
  #dark = matchMedia("(prefers-color-scheme: dark)");
  #log = new LogView();
  #list = new ChannelList();
  #filter = new FilterBar();
  #panel = new ViewPanel();
  #histogram = new TimeHistogram();
  #statusView = new StatusView();
  #keys = new KeySheet();
  #state = new ConnectionState();
  #menu = make("button");
  #pause = make("button");
  #notice = make("div");
  #counts = make("p");
  #said = make("p");
  #store = new StoreState();

  connectedCallback() {
    this.#log = find(this, "log-view", LogView);
    this.#list = find(this, "channel-list", ChannelList);
    this.#filter = find(this, "filter-bar", FilterBar);
    this.#panel = find(this, "view-panel", ViewPanel);
    this.#histogram = find(this, "time-histogram", TimeHistogram);
    this.#statusView = find(this, "status-view", StatusView);
    this.#keys = find(this, "key-sheet", KeySheet);
    this.#state = find(this, "connection-state", ConnectionState);
    this.#menu = find(this, ".menu", HTMLButtonElement);
    this.#pause = find(this, ".pause", HTMLButtonElement);
    this.#notice = find(this, ".notice", HTMLDivElement);
    this.#counts = find(this, ".counts", HTMLParagraphElement);
    this.#said = find(this, ".said", HTMLParagraphElement);
    this.#store = find(this, "store-state", StoreState);
    this.#list.palette = this.#palette;
    this.#log.look = { palette: this.#palette, isDark: this.#dark.matches };
    this.#listen();
    setInterval(() => this.#view.time === "relative" && this.#log.tick(), 1000);
  }

  #listen() {
    this.#on(this.#list, "choose", (channels) => {
      this.#openMenu(false);
      this.#change({ channels, runs: [], at: null, page: "log" }, true);
    });
    this.#on(this.#list, "run", (run) => {
      this.#change({ runs: run === "" ? [] : [run], at: null }, true);
    });
    this.#on(this.#statusView, "choose", (channels) => {
      this.#change({ channels, at: null, page: "log" }, true);
    });
    this.#on(this.#filter, "view", (changes) => this.#change(changes, false));
    this.#on(this.#filter, "step", (step) => this.#goToFound(step));
    this.#on(this.#filter, "panel", () => this.#openPanel(this.#panel.hidden));
    this.#on(this.#panel, "view", (changes) => this.#change(changes, false));
    this.#on(this.#panel, "clear", () => this.#clearFilters());
    this.#on(this.#panel, "clear-lines", () => this.#send("clear-lines"));
    this.#on(this.#panel, "download", (file) => this.#send("download", file));
    this.#on(this.#histogram, "range", (range) => this.#change({ ...range, at: null }, true));
    this.#on(this.#log, "follow-change", () => this.#showFollowing());
    this.#on(this.#log, "count-change", () => this.#showFound());
    this.#on(this.#log, "field", (field) => {
      this.#change({ fields: [...this.#view.fields, field], at: null }, true);
    });
    this.#on(this.#log, "link", (id) => this.#link(id));
    this.#on(this.#log, "context", (id) => this.#context(id));
    this.#pause.addEventListener("click", () => this.#turn());
    this.#menu.addEventListener("click", () => this.#openMenu(!this.#isMenuOpen));
    this.#notice.addEventListener("click", (event) => this.#clicked(event));
    find(this, ".to-status", HTMLButtonElement).addEventListener("click", () => this.#turnPage());
    find(this, ".to-keys", HTMLButtonElement).addEventListener("click", () => this.#keys.show());
    find(this, ".backdrop", HTMLDivElement).addEventListener("click", () => this.#openMenu(false));
    document.addEventListener("keydown", (event) => this.#pressed(event));
    this.#dark.addEventListener("change", () => {
      this.#log.look = { isDark: this.#dark.matches };
    });
  }

  /**
   * @param {HTMLElement} element
   * @param {string} name
   * @param {(detail: any) => void} then
   */
  #on(element, name, then) {
    element.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));
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
    this.#list.choose(view.channels, view.runs);
    this.#filter.view = view;
    this.#panel.view = view;
    this.#histogram.zone = view.time;
    this.#histogram.isRange = view.since !== "" || view.until !== "";
    const names = view.channels.join(", ");
    write(this.#menu, names || "All channels");
    document.title = names === "" ? "relay" : `${names} · relay`;
    this.classList.toggle("nowrap", !view.wrap);
    this.classList.toggle("status", view.page === "status");
    this.#statusView.hidden = view.page !== "status";
    if (this.#status !== null && view.page === "status") this.#statusView.status = this.#status;
    this.#showPanel();
    this.#showLook();
    this.#showNotice();
  }

  /** @param {Connection} connection */
  set connection(connection) {
    this.#connection = connection;
    this.#state.connection = connection;
    const isTrying = connection.phase === "connecting" || connection.phase === "live";
    // What is shown of the old view does not stand for one that cannot be shown.
    if (!this.#isStarted && !isTrying) this.#log.show(new Store(), null);
    this.#showNotice();
  }

  /** @param {Status} status */
  set status(status) {
    this.#status = status;
    this.#list.status = status;
    this.#store.store = status.store;
    this.#statusView.note(status);
    if (this.#view.page === "status") this.#statusView.status = status;
    const started = new Map(status.runs.map((run) => [run.id, run.started]));
    const isLook = started.size !== this.#startedRuns;
    this.#startedRuns = started.size;
    if (isLook) this.#log.look = { started };
    this.#showLook();
    this.#showNotice();
  }

  #startedRuns = 0;

  /** @param {Histogram | null} histogram */
  set histogram(histogram) {
    this.#histogram.histogram = histogram;
    /** @type {Record<string, number>} */
    const counts = {};
    for (const { levels } of histogram?.buckets ?? []) {
      for (const [level, count] of Object.entries(levels)) {
        counts[level] = (counts[level] ?? 0) + count;
      }
    }
    this.#filter.counts = counts;
  }

  /** @param {{instances: string[], runs: string[]}} known */
  set known(known) {
    this.#panel.known = known;
  }

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
    this.#filter.isBusy = counts.isBusy;
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
  #change(changes, isStep) {
    const view = withChanges(this.#view, changes);
    if (isSame(view, this.#view)) return;
    this.#send("view-change", { view, isStep });
  }

  /**
   * @param {string} name
   * @param {unknown} [detail]
   */
  #send(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  #clearFilters() {
    this.#change({ ...unfiltered(this.#view), at: null }, false);
  }

  #turn() {
    if (!this.#log.isFollowing) this.#follow();
    else this.#log.pin();
  }

  #follow() {
    if (this.#view.at !== null) this.#change({ at: null }, true);
    else this.#log.follow();
  }

  #turnPage() {
    this.#change({ page: this.#view.page === "log" ? "status" : "log" }, true);
    if (this.#view.page === "status") this.#statusView.focus();
  }

  #showFollowing() {
    const { isFollowing } = this.#log;
    // "Follow" from the past begins anew at the newest line.
    if (isFollowing && this.#view.at !== null && this.#isStarted) return this.#change({ at: null }, true);
    write(this.#pause, isFollowing ? "Pause" : "Follow");
    this.#pause.title = isFollowing ? "Stay here (space)" : "Go to the newest lines (space)";
    this.classList.toggle("paused", !isFollowing);
  }

  #showFound() {
    this.#filter.hits = this.#log.found;
    this.#showNotice();
  }

  /** @param {1 | -1} step */
  #goToFound(step) {
    if (this.#view.find === "" || this.#log.goToFound(step)) return;
    if (step < 0) this.#send("find-older", this.#view.find);
    else this.say("No further match");
  }

  /** @param {number} id */
  #link(id) {
    const view = withChanges(this.#view, { at: id });
    this.#send("link", view);
  }

  /** @param {number} id */
  #context(id) {
    const { q, find: search } = this.#view;
    this.#change({ ...unfiltered(this.#view), find: search || q, at: id }, true);
  }

  /** What is shown of the old view keeps its look, until the new one has begun. */
  #showLook() {
    if (!this.#isStarted) return;
    const isMixedView = isMixed(this.#view) && this.#list.names.length !== 1;
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

  #showPanel() {
    const { exclude, streams, instances, runs, fields, since, until } = this.#view;
    const lists = [streams, instances, runs, fields].filter((list) => list.length > 0);
    const texts = [exclude, since, until].filter((text) => text !== "");
    this.#filter.panel(!this.#panel.hidden, lists.length + texts.length);
  }

  /** @param {boolean} isOpen */
  #openPanel(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#showPanel();
    if (isOpen) this.#panel.focus();
    else this.#log.focus();
  }

  get #isMenuOpen() {
    return this.#menu.ariaExpanded === "true";
  }

  /** On a narrow screen the channels are behind a button. @param {boolean} isOpen */
  #openMenu(isOpen) {
    if (isOpen === this.#isMenuOpen) return;
    this.#menu.ariaExpanded = String(isOpen);
    this.classList.toggle("menu-open", isOpen);
    if (isOpen) this.#list.focus();
    else if (matchMedia(NARROW).matches) this.#menu.focus();
  }

  /** @param {Event} event */
  #clicked(event) {
    const { action } = /** @type {HTMLElement} */ (event.target).dataset;
    if (action === "clear") this.#clearFilters();
    if (action === "all") this.#change({ channels: [], runs: [], at: null }, true);
    if (action === "retry") this.#send("retry");
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (this.#keys.isOpen) return;
    if (event.key === "Escape") return this.#escape();
    if (isTyping(event.target)) return;
    const isPressing = event.target instanceof HTMLButtonElement && event.key === " ";
    const action = this.#actions[event.key];
    if (isPressing || action === undefined) return;
    action();
    event.preventDefault();
  }

  /** @type {Record<string, () => void>} */
  #actions = {
    "/": () => this.#filter.focus(),
    "?": () => this.#keys.show(),
    " ": () => this.#turn(),
    s: () => this.#filter.focusSearch(),
    n: () => this.#goToFound(1),
    N: () => this.#goToFound(-1),
    o: () => this.#openPanel(this.#panel.hidden),
    b: () => (matchMedia(NARROW).matches ? this.#openMenu(true) : this.#list.focus()),
    h: () => find(this, "time-histogram .chart", HTMLDivElement).focus(),
    t: () => this.#change({ time: ZONES[(ZONES.indexOf(this.#view.time) + 1) % 3] ?? "local" }, false),
    w: () => this.#change({ wrap: !this.#view.wrap }, false),
    q: () => this.classList.toggle("seqs"),
    p: () => this.#turnPage(),
    C: () => this.#send("clear-lines"),
    c: () => this.#copy(),
    l: () => this.#log.current !== null && this.#link(this.#log.current),
    x: () => this.#log.current !== null && this.#context(this.#log.current),
    g: () => this.#log.current !== null && this.#send("fill-gap", this.#log.current),
    ...Object.fromEntries(
      Array.from({ length: 7 }, (_, at) => [String(at + 1), () => this.#filter.toggleLevel(at)]),
    ),
  };

  #copy() {
    const count = this.#log.copy();
    if (count > 0) this.say(`${lines(count)} copied`);
  }

  #escape() {
    if (this.#isMenuOpen) return this.#openMenu(false);
    if (!this.#panel.hidden) return this.#openPanel(false);
    if (this.#log.unchoose()) return this.#log.focus();
    if (isFiltered(this.#view)) this.#clearFilters();
    else this.#change({ find: "" }, false);
    this.#log.focus();
  }

  /** Where there are no lines, say why. */
  #showNotice() {
    const isEmpty = this.#log.count === 0 && this.#log.isComplete;
    this.#notice.hidden = !isEmpty || this.#view.page !== "log";
    if (this.#notice.hidden) return;
    const connection = this.#connection;
    const notice = whyEmpty({ connection, view: this.#view, names: this.#list.names });
    write(find(this.#notice, "h2", HTMLHeadingElement), notice.title);
    write(find(this.#notice, "p", HTMLParagraphElement), notice.text);
    const button = find(this.#notice, "button", HTMLButtonElement);
    button.hidden = notice.action === "";
    write(button, notice.label);
    button.dataset["action"] = notice.action;
  }
}


/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLSelectElement ||
  (target instanceof HTMLInputElement && target.type !== "checkbox");
