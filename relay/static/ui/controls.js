/**
 * What stands around the lines: channels, filters, histogram, status, keys.
 *
 * Comes after the first lines, which are what somebody waits for. It hears what people do, and
 * tells the viewer; the viewer tells what is to be shown.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { View } from "../core/view.js"
 * @import { Histogram, Status } from "../net/relay.js"
 * @import { Hits } from "./filter-bar.js"
 * @import { RelayViewer } from "./viewer.js"
 */
import { isFiltered } from "../core/view.js";
import { ChannelList } from "./channel-list.js";
import { ConnectionState } from "./connection-state.js";
import { find, write } from "./dom.js";
import { FilterBar } from "./filter-bar.js";
import { KeySheet } from "./key-sheet.js";
import { StatusView } from "./status-view.js";
import { StoreState } from "./store-state.js";
import { TimeHistogram } from "./time-histogram.js";
import { ViewPanel } from "./view-panel.js";

const ZONES = /** @type {const} */ (["local", "utc", "relative"]);
const NARROW = "(max-width: 760px)";

export class Controls {
  static define() {
    for (const element of [
      ...[ChannelList, ConnectionState, FilterBar, KeySheet, StatusView, StoreState],
      ...[TimeHistogram, ViewPanel],
    ]) {
      element.define();
    }
  }

  /** @type {Status | null} */
  #status = null;
  #viewer;
  #list;
  #filter;
  #panel;
  #histogram;
  #statusView;
  #keys;
  #state;
  #store;
  #menu;

  /** @param {RelayViewer} viewer that has the elements */
  constructor(viewer) {
    this.#viewer = viewer;
    this.#list = find(viewer, "channel-list", ChannelList);
    this.#filter = find(viewer, "filter-bar", FilterBar);
    this.#panel = find(viewer, "view-panel", ViewPanel);
    this.#histogram = find(viewer, "time-histogram", TimeHistogram);
    this.#statusView = find(viewer, "status-view", StatusView);
    this.#keys = find(viewer, "key-sheet", KeySheet);
    this.#state = find(viewer, "connection-state", ConnectionState);
    this.#store = find(viewer, "store-state", StoreState);
    this.#menu = find(viewer, ".menu", HTMLButtonElement);
    this.#list.palette = viewer.palette;
    this.#listen();
  }

  #listen() {
    const viewer = this.#viewer;
    this.#on(this.#list, "choose", (channels) => {
      this.#openMenu(false);
      viewer.change({ channels, runs: [], at: null, page: "log" }, true);
    });
    this.#on(this.#list, "run", (run) => {
      viewer.change({ runs: run === "" ? [] : [run], at: null }, true);
    });
    this.#on(this.#statusView, "choose", (channels) => {
      viewer.change({ channels, at: null, page: "log" }, true);
    });
    this.#on(this.#filter, "view", (changes) => viewer.change(changes, false));
    this.#on(this.#filter, "step", (step) => viewer.goToFound(step));
    this.#on(this.#filter, "panel", () => this.#openPanel(this.#panel.hidden));
    this.#on(this.#panel, "view", (changes) => viewer.change(changes, false));
    this.#on(this.#panel, "clear", () => viewer.clearFilters());
    this.#on(this.#panel, "clear-lines", () => viewer.send("clear-lines"));
    this.#on(this.#panel, "download", (file) => viewer.send("download", file));
    this.#on(this.#histogram, "range", (range) => viewer.change({ ...range, at: null }, true));
    this.#menu.addEventListener("click", () => this.#openMenu(!this.#isMenuOpen));
    const press = (/** @type {string} */ selector, /** @type {() => void} */ then) =>
      find(viewer, selector, HTMLElement).addEventListener("click", then);
    press(".to-status", () => this.#turnPage());
    press(".to-keys", () => this.#keys.show());
    press(".backdrop", () => this.#openMenu(false));
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  /**
   * @param {HTMLElement} element
   * @param {string} name
   * @param {(detail: any) => void} then
   */
  #on(element, name, then) {
    element.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));
  }

  /** @param {View} view that is shown */
  set view(view) {
    this.#list.choose(view.channels, view.runs);
    this.#filter.view = view;
    this.#panel.view = view;
    this.#histogram.zone = view.time;
    this.#histogram.isRange = view.since !== "" || view.until !== "";
    write(this.#menu, view.channels.join(", ") || "All channels");
    this.#statusView.hidden = view.page !== "status";
    if (this.#status !== null && view.page === "status") this.#statusView.status = this.#status;
    this.#showPanel();
  }

  /** @param {Connection} connection */
  set connection(connection) {
    this.#state.connection = connection;
  }

  /** @param {Status} status */
  set status(status) {
    this.#status = status;
    this.#list.status = status;
    this.#store.store = status.store;
    this.#statusView.note(status);
    if (this.#viewer.view.page === "status") this.#statusView.status = status;
  }

  /** @param {Histogram} histogram */
  set histogram(histogram) {
    this.#histogram.histogram = histogram;
    /** @type {Record<string, number>} */
    const counts = {};
    for (const { levels } of histogram.buckets) {
      for (const [level, count] of Object.entries(levels)) {
        counts[level] = (counts[level] ?? 0) + count;
      }
    }
    this.#filter.counts = counts;
  }

  /** @param {string} problem why nothing is counted; empty: that is said elsewhere */
  set uncounted(problem) {
    this.#histogram.problem = problem;
    this.#filter.counts = {};
  }

  /** @param {{instances: string[], runs: string[]}} known that occur in the lines */
  set known(known) {
    this.#panel.known = known;
  }

  /** @param {boolean} isBusy whether the relay would filter what this page could */
  set isBusy(isBusy) {
    this.#filter.isBusy = isBusy;
  }

  /** @param {Hits} hits of the search */
  set hits(hits) {
    this.#filter.hits = hits;
  }

  #turnPage() {
    const viewer = this.#viewer;
    viewer.change({ page: viewer.view.page === "log" ? "status" : "log" }, true);
    if (viewer.view.page === "status") this.#statusView.focus();
  }

  #showPanel() {
    const { exclude, streams, instances, runs, fields, since, until } = this.#viewer.view;
    const lists = [streams, instances, runs, fields].filter((list) => list.length > 0);
    const texts = [exclude, since, until].filter((text) => text !== "");
    this.#filter.panel(!this.#panel.hidden, lists.length + texts.length);
  }

  /** @param {boolean} isOpen */
  #openPanel(isOpen) {
    this.#panel.hidden = !isOpen;
    this.#showPanel();
    if (isOpen) this.#panel.focus();
    else this.#viewer.log.focus();
  }

  get #isMenuOpen() {
    return this.#menu.ariaExpanded === "true";
  }

  /** On a narrow screen the channels are behind a button. @param {boolean} isOpen */
  #openMenu(isOpen) {
    if (isOpen === this.#isMenuOpen) return;
    this.#menu.ariaExpanded = String(isOpen);
    this.#viewer.classList.toggle("menu-open", isOpen);
    if (isOpen) this.#list.focus();
    else if (matchMedia(NARROW).matches) this.#menu.focus();
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
    " ": () => this.#viewer.turn(),
    s: () => this.#filter.focusSearch(),
    n: () => this.#viewer.goToFound(1),
    N: () => this.#viewer.goToFound(-1),
    o: () => this.#openPanel(this.#panel.hidden),
    b: () => (matchMedia(NARROW).matches ? this.#openMenu(true) : this.#list.focus()),
    h: () => find(this.#histogram, ".chart", HTMLDivElement).focus(),
    t: () => this.#turnZone(),
    w: () => this.#viewer.change({ wrap: !this.#viewer.view.wrap }, false),
    q: () => this.#viewer.classList.toggle("seqs"),
    p: () => this.#turnPage(),
    C: () => this.#viewer.send("clear-lines"),
    c: () => this.#viewer.copy(),
    l: () => this.#atCurrent((id) => this.#viewer.link(id)),
    x: () => this.#atCurrent((id) => this.#viewer.context(id)),
    g: () => this.#atCurrent((id) => this.#viewer.send("fill-gap", id)),
    ...Object.fromEntries(
      Array.from({ length: 7 }, (_, at) => [String(at + 1), () => this.#filter.toggleLevel(at)]),
    ),
  };

  #turnZone() {
    const { time } = this.#viewer.view;
    this.#viewer.change({ time: ZONES[(ZONES.indexOf(time) + 1) % 3] ?? "local" }, false);
  }

  /** @param {(id: number) => void} then what is done with the line that the keyboard is at */
  #atCurrent(then) {
    const { current } = this.#viewer.log;
    if (current !== null) then(current);
  }

  #escape() {
    const viewer = this.#viewer;
    if (this.#isMenuOpen) return this.#openMenu(false);
    if (!this.#panel.hidden) return this.#openPanel(false);
    if (viewer.log.unchoose()) return viewer.log.focus();
    if (isFiltered(viewer.view)) viewer.clearFilters();
    else viewer.change({ find: "" }, false);
    viewer.log.focus();
  }
}

/** @param {EventTarget | null} target */
const isTyping = (target) =>
  target instanceof HTMLSelectElement ||
  (target instanceof HTMLInputElement && target.type !== "checkbox");
