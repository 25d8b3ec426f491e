/**
 * `<relay-viewer>`: the page. It puts the elements together, and knows no network.
 *
 * Events: `view-change` (its detail is the view that is to be shown, and whether that is a
 * step to go back to), `hold-change`, `retry`.
 *
 * @import { Channel } from "../net/channels.js"
 * @import { Connection } from "../core/connection.js"
 * @import { Missed } from "../core/intake.js"
 * @import { Store } from "../core/keeping.js"
 * @import { View } from "../core/view.js"
 */
import { begin } from "../core/connection.js";
import { whyEmpty } from "../core/notice.js";
import { grouped, lines, missedWords, rate } from "../core/sentences.js";
import { EVERYTHING, isMixed, isSame } from "../core/view.js";
import { ChannelList } from "./channel-list.js";
import { ConnectionState } from "./connection-state.js";
import { find, make, write } from "./dom.js";
import { FilterBar } from "./filter-bar.js";
import { LogView } from "./log-view.js";
import { StoreState } from "./store-state.js";

/**
 * @typedef {object} Counts
 * @property {number} received lines of this view
 * @property {Missed} missed
 * @property {number} perSecond
 */

export class RelayViewer extends HTMLElement {
  static define() {
    customElements.define("relay-viewer", RelayViewer);
  }

  /** @type {View} */
  #view = EVERYTHING;
  #connection = begin(0);
  /** Whether the view's stream has begun; what was shown before is of another view. */
  #isStarted = false;
  #log = new LogView();
  #list = new ChannelList();
  #filter = new FilterBar();
  #state = new ConnectionState();
  #menu = make("button");
  #pause = make("button");
  #notice = make("div");
  #counts = make("p");
  #store = new StoreState();

  connectedCallback() {
    this.#log = find(this, "log-view", LogView);
    this.#list = find(this, "channel-list", ChannelList);
    this.#filter = find(this, "filter-bar", FilterBar);
    this.#state = find(this, "connection-state", ConnectionState);
    this.#menu = find(this, ".menu", HTMLButtonElement);
    this.#pause = find(this, ".pause", HTMLButtonElement);
    this.#notice = find(this, ".notice", HTMLDivElement);
    this.#counts = find(this, ".counts", HTMLParagraphElement);
    this.#store = find(this, "store-state", StoreState);
    this.#listen();
  }

  #listen() {
    this.#list.addEventListener("choose", (event) => {
      this.#openMenu(false);
      this.#change({ channels: /** @type {CustomEvent} */ (event).detail }, true);
    });
    this.#filter.addEventListener("filter", (event) => {
      this.#change(/** @type {CustomEvent} */ (event).detail, false);
    });
    this.#log.addEventListener("follow-change", () => this.#showFollowing());
    this.#pause.addEventListener("click", () => this.#turn());
    this.#menu.addEventListener("click", () => this.#openMenu(!this.#isMenuOpen));
    this.#notice.addEventListener("click", (event) => this.#clicked(event));
    find(this, ".backdrop", HTMLDivElement).addEventListener("click", () => this.#openMenu(false));
    document.addEventListener("keydown", (event) => this.#pressed(event));
  }

  get view() {
    return this.#view;
  }

  /** @param {View} view */
  set view(view) {
    this.#view = view;
    this.#isStarted = false;
    this.#list.chosen = view.channels;
    this.#filter.q = view.q;
    this.#filter.minLevel = view.minLevel;
    const names = view.channels.join(", ");
    write(this.#menu, names || "All channels");
    document.title = names === "" ? "relay" : `${names} · relay`;
    this.#showLook();
    this.#showNotice();
  }

  /** @param {Connection} connection */
  set connection(connection) {
    this.#connection = connection;
    this.#state.connection = connection;
    const isTrying = connection.phase === "connecting" || connection.phase === "live";
    if (!this.#isStarted && !isTrying) this.#log.clear();
    this.#showNotice();
  }

  /** @param {Channel[]} channels */
  set channels(channels) {
    this.#list.channels = channels;
    this.#showLook();
    this.#showNotice();
  }

  /** @param {Store} store */
  set store(store) {
    this.#store.store = store;
  }

  /** @param {Counts} counts */
  set counts(counts) {
    const words = [
      counts.perSecond > 0 ? rate(counts.perSecond) : "",
      `${lines(counts.received)} received`,
      missedWords(counts.missed),
    ];
    write(this.#counts, words.filter((word) => word !== "").join(" · "));
    this.#counts.classList.toggle("missed", counts.missed.count > 0 || counts.missed.isLeast);
    this.#counts.title = `${grouped(this.#log.count)} rows are held by this page`;
  }

  get isHeld() {
    return this.#log.isHeld;
  }

  /** A new view's rows will come: those of the old one go. */
  start() {
    this.#isStarted = true;
    this.#log.clear();
    this.#showLook();
    this.#showNotice();
  }

  /** @param {string[]} rows as they came */
  add(rows) {
    const wasEmpty = this.#log.count === 0;
    this.#log.add(rows);
    if (wasEmpty) this.#showNotice();
  }

  /**
   * @param {Partial<View>} changes
   * @param {boolean} isStep whether the browser's "back" leads before it
   */
  #change(changes, isStep) {
    const view = Object.freeze({ ...this.#view, ...changes });
    if (isSame(view, this.#view)) return;
    this.dispatchEvent(new CustomEvent("view-change", { detail: { view, isStep } }));
  }

  #turn() {
    if (this.#log.isFollowing) this.#log.pin();
    else this.#log.follow();
  }

  #showFollowing() {
    const { isFollowing } = this.#log;
    write(this.#pause, isFollowing ? "Pause" : "Follow");
    this.#pause.title = isFollowing ? "Stay here (space)" : "Go to the newest lines (space)";
    this.classList.toggle("paused", !isFollowing);
  }

  /** What is shown of the old view keeps its look, until the new one has begun. */
  #showLook() {
    if (!this.#isStarted) return;
    const isOnly = this.#list.names.length === 1;
    this.#log.look(this.#view.q, isMixed(this.#view) && !isOnly);
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
    else this.#menu.focus();
  }

  /** @param {Event} event */
  #clicked(event) {
    const action = /** @type {HTMLElement} */ (event.target).dataset["action"];
    if (action === "clear") this.#filter.clear();
    if (action === "all") this.#change({ channels: [] }, true);
    if (action === "retry") this.dispatchEvent(new Event("retry"));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") this.#escape();
    if (isTyping(event.target)) return;
    if (event.key === "/") this.#filter.focus();
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) this.#turn();
    else return;
    event.preventDefault();
  }

  #escape() {
    if (this.#isMenuOpen) return this.#openMenu(false);
    this.#filter.clear();
    this.#log.focus();
  }

  /** Where there are no lines, say why. */
  #showNotice() {
    this.#notice.hidden = this.#log.count > 0;
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
  target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
