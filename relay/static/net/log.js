/**
 * The log of a view, as a page holds it: the rows, the stream that brings new ones, and history
 * that brings older ones.
 *
 * What is held is one stretch of the log without holes: from the oldest row to the newest, and
 * from there the stream goes on. Only before `#wholeFrom` rows may be but those that the filter
 * takes, since history is asked for these alone; they go when the filter changes. What lies before
 * a row is asked for by `tail`: with `since` a `limit` would give the first lines from there on.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { Gap, RowObject } from "../core/wire.js"
 * @import { Page, Relay } from "./relay.js"
 * @import { View } from "../core/view.js"
 *
 * @typedef {object} Listener
 * @property {() => void} started rows of a new query will come: what was shown is of the old
 * @property {() => void} grown rows came at the end, or left at the beginning
 * @property {(count: number) => void} prepended so many older rows came
 * @property {() => void} replaced rows came or left in the middle or at the end
 * @property {(connection: Connection) => void} changed
 */
import { begin } from "../core/connection.js";
import { Store } from "../core/store.js";
import {
  conditions,
  EVERYTHING,
  firstQuery,
  joined,
  streamQuery,
  wholeQuery,
  withTail,
} from "../core/view.js";
import { history, rowsOf } from "./relay.js";
import { LogStream } from "./stream.js";

const MAX_ROWS = 1_000_000;
const MAX_BYTES = 320 * 1024 * 1024;
/** While nothing may leave at the beginning, so much more may be held. */
const SLACK = 1.25;
/** Entries of a page of history; more where one follows the other quickly. */
const PAGE = 1000;
const MAX_PAGE = 5000;
const QUICK_MS = 1500;
/** Around an entry that is looked at. */
const AROUND = 300;
/** So long the first page may take, before the stream is asked for it. */
const FIRST_MS = 10_000;
/** After it, once it has been drawn, the rest of the tail. */
const DRAWN_MS = 100;

export class LiveLog {
  store = new Store();
  /** Whether older rows than those that are held may be had. */
  hasOlder = true;
  /** Whether history is being asked for. */
  isLoading = false;
  /** Whether rows at the end were let go, and the stream with them. */
  isCut = false;
  #relay;
  #listener;
  #early;
  #view = EVERYTHING;
  #query = "";
  /** Whether the relay filters what a page could. */
  #isBusy = false;
  #stream = new LogStream();
  #abort = new AbortController();
  #wholeFrom = -Infinity;
  #isStarted = false;
  #isTrimming = true;
  #page = PAGE;
  #loadedAt = -Infinity;

  /**
   * @param {Relay} relay
   * @param {Listener} listener
   * @param {(query: string) => Promise<Page> | null} [early] gives the answer to a query that was
   *   asked before this began
   */
  constructor(relay, listener, early = () => null) {
    this.#relay = relay;
    this.#listener = listener;
    this.#early = early;
  }

  /** Counts of what came by the stream. */
  get intake() {
    return this.#stream.intake;
  }

  get connection() {
    return this.#stream.connection;
  }

  get transport() {
    return this.#stream.transport;
  }

  /** Whether nothing may leave at the beginning, since somebody looks there. @param {boolean} is */
  set isPinned(is) {
    this.#isTrimming = !is;
    const { first } = this.store;
    this.#trim();
    if (this.store.first > first) this.#listener.grown();
  }

  /** Whether no more can be taken in while nothing leaves. */
  get isFull() {
    const { count, bytes } = this.store;
    return count >= MAX_ROWS * SLACK || bytes >= MAX_BYTES * SLACK;
  }

  /**
   * Show a view: by the rows that are held, or by new ones.
   *
   * @param {View} view
   * @param {boolean} isBusy whether the relay is to filter
   * @returns {boolean} whether rows of a new query will come
   */
  show(view, isBusy) {
    const query = joined(streamQuery(view, isBusy), `tail=${view.tail}`, `at=${view.at ?? ""}`);
    const isNew = query !== this.#query;
    const old = wholeQuery(this.#view);
    this.#view = view;
    this.#isBusy = isBusy;
    if (isNew) {
      this.#query = query;
      this.#open(streamQuery(view, isBusy));
    } else if (old !== wholeQuery(view)) this.#dropPartial();
    return isNew;
  }

  /** Begin anew, as with a new view. */
  reopen() {
    this.#query = "";
    this.show(this.#view, this.#isBusy);
  }

  retry() {
    this.#stream.retry();
  }

  hold() {
    this.#stream.hold();
  }

  release() {
    this.#stream.release();
  }

  /** Forget the rows that are held; those that come are shown. */
  clear() {
    this.store = new Store();
    this.hasOlder = false;
    this.#wholeFrom = -Infinity;
    this.#listener.started();
  }

  /** Leave the log; nothing is told any more. */
  close() {
    this.#stream.close();
    this.#abort.abort();
  }

  /** @param {string} query */
  #open(query) {
    this.#stream.close();
    this.#stream = new LogStream();
    this.#abort.abort();
    this.#abort = new AbortController();
    this.#isStarted = this.isCut = this.isLoading = false;
    const { at, tail } = this.#view;
    const { signal } = this.#abort;
    if (at !== null) void this.#openAround(query, at, signal);
    else if (tail > 0) void this.#openNewest(query, tail, signal);
    else this.#connect(withTail(query, tail));
  }

  /**
   * @param {string} query
   * @param {number} [after]
   */
  #connect(query, after) {
    const signal = this.#abort.signal;
    this.#stream = new LogStream({
      ...this.#relay,
      query,
      ...(after !== undefined && { after }),
      onConnect: () => signal.aborted || this.#start(),
      onRows: (rows) => signal.aborted || this.#append(rows),
      onConnection: (connection) => signal.aborted || this.#listener.changed(connection),
    }).open();
  }

  /** The old view's rows go when the new one's can come. */
  #start() {
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.store = new Store();
    this.hasOlder = this.#view.tail > 0;
    this.#wholeFrom = -Infinity;
    this.#listener.started();
  }

  /** @param {RowObject[]} rows */
  #append(rows) {
    this.#start();
    this.store.append(rows);
    this.#trim();
    this.#listener.grown();
  }

  #trim() {
    if (!this.#isTrimming) return;
    const { first } = this.store;
    this.store.trim(MAX_ROWS, MAX_BYTES);
    if (this.store.first > first) this.hasOlder = true;
  }

  /**
   * Begin with a page: it comes at once, whatever way the stream then finds.
   *
   * @param {string} query of the stream
   * @param {number} tail lines of history
   * @param {AbortSignal} signal
   */
  async #openNewest(query, tail, signal) {
    this.#listener.changed(begin(Date.now()));
    try {
      const first = firstQuery(query, tail);
      const page = await within(FIRST_MS, this.#early(first) ?? this.#ask(first, signal));
      if (signal.aborted) return;
      const rows = rowsOf(page);
      this.#begin(rows, page.truncated);
      this.#connect(query, page.cursor);
      this.intake.take(rows);
      const rest = tail - page.logs.length;
      if (page.truncated && rest > 0) setTimeout(() => void this.#complete(query, rest, signal), DRAWN_MS);
    } catch {
      // The stream finds out what is wrong, and says so.
      if (!signal.aborted) this.#connect(withTail(query, tail));
    }
  }

  /**
   * Ask for the rest of the tail.
   *
   * @param {string} query of the stream
   * @param {number} count of lines
   * @param {AbortSignal} signal
   */
  async #complete(query, count, signal) {
    const { store } = this;
    if (signal.aborted || this.isLoading || !this.hasOlder || store.count === 0) return;
    this.isLoading = true;
    try {
      const page = await this.#ask(joined(query, `before=${store.id(store.first)}`, `tail=${count}`), signal);
      if (signal.aborted || store !== this.store) return;
      const rows = rowsOf(page);
      this.hasOlder = page.truncated;
      this.intake.received += page.logs.length;
      store.prepend(rows);
      this.#listener.prepended(rows.length);
    } catch {
      // Asked for when somebody scrolls there.
    } finally {
      if (!signal.aborted) this.isLoading = false;
    }
  }

  /** @param {RowObject[]} rows that are the first @param {boolean} hasOlder */
  #begin(rows, hasOlder) {
    this.#start();
    this.store.append(rows);
    this.hasOlder = hasOlder;
    this.#listener.grown();
  }

  /**
   * @param {string} query
   * @param {number} id
   * @param {AbortSignal} signal
   */
  async #openAround(query, id, signal) {
    this.#listener.changed(begin(Date.now()));
    try {
      const [before, after] = await Promise.all([
        this.#ask(joined(query, `before=${id + 1}`, `tail=${AROUND}`), signal),
        this.#ask(joined(query, `after=${id}`, `limit=${AROUND}`), signal),
      ]);
      if (signal.aborted) return;
      this.#begin([...rowsOf(before), ...rowsOf(after)], before.truncated);
      this.#connect(query, Math.max(id, after.cursor));
    } catch {
      // The stream finds out what is wrong, and says so.
      if (!signal.aborted) this.#connect(withTail(query, this.#view.tail));
    }
  }

  /**
   * Ask for older rows.
   *
   * @param {number} lastRow that is seen, and must stay
   */
  async loadOlder(lastRow) {
    if (this.isLoading || !this.hasOlder || this.store.count === 0) return;
    const { signal } = this.#abort;
    const { store } = this;
    const view = this.#view;
    this.isLoading = true;
    const oldest = store.id(store.first);
    this.#page = performance.now() - this.#loadedAt < QUICK_MS ? MAX_PAGE : PAGE;
    try {
      const query = joined(wholeQuery(view), `before=${oldest}`, `tail=${this.#page}`);
      const page = await this.#ask(query, signal);
      if (signal.aborted || store !== this.store || wholeQuery(this.#view) !== wholeQuery(view)) return;
      this.hasOlder = page.truncated;
      const rows = rowsOf(page);
      if (rows.length === 0) return;
      if (this.#isPartial(view)) this.#wholeFrom = Math.max(this.#wholeFrom, oldest);
      store.prepend(rows);
      this.#listener.prepended(rows.length);
      this.#cut(lastRow);
    } catch {
      // Asked again when somebody scrolls there again.
    } finally {
      if (!signal.aborted) this.isLoading = false;
      this.#loadedAt = performance.now();
    }
  }

  /** Whether the page decides a part of a view's filter by itself. @param {View} view */
  #isPartial(view) {
    const { texts, excluded, levels, streams } = conditions(view);
    return texts.length + excluded.length + levels.length + streams.length > 0;
  }

  /** Let rows at the end go that are too many beside older ones. @param {number} lastRow */
  #cut(lastRow) {
    if (!this.store.trimEnd(MAX_ROWS * SLACK, MAX_BYTES * SLACK, lastRow)) return;
    this.isCut = true;
    this.#stream.close();
    this.#listener.replaced();
  }

  /** Go on after the newest row, where the stream was let go. */
  attach() {
    if (!this.isCut) return;
    this.isCut = false;
    const { intake } = this.#stream;
    this.#connect(streamQuery(this.#view, this.#isBusy), this.store.id(this.store.end - 1));
    this.#stream.intake.received = intake.received;
    this.#stream.intake.missed = intake.missed;
  }

  #dropPartial() {
    if (this.#wholeFrom === -Infinity) return;
    this.store.dropBefore(this.store.rowOfId(this.#wholeFrom));
    this.#wholeFrom = -Infinity;
    this.hasOlder = true;
  }

  /**
   * Put into the place of a gap what history still has.
   *
   * @param {number} id of the gap
   * @returns {Promise<number>} how many entries came
   * @throws {Error} the relay does not answer
   */
  async fill(id) {
    const { store } = this;
    const { signal } = this.#abort;
    const row = store.rowOfId(id);
    const gap = /** @type {Gap} */ (store.object(row));
    const query = joined(
      streamQuery({ ...this.#view, channels: [gap.channel] }, false),
      `after=${gap.after}`,
      `before=${gap.until + 1}`,
      `limit=${MAX_PAGE}`,
    );
    const page = await this.#ask(query, signal);
    if (signal.aborted || store !== this.store) return 0;
    const count = page.logs.length;
    const at = store.rowOfId(id);
    if (count === 0 || store.id(at) !== id) return 0;
    this.intake.missed.count = Math.max(0, this.intake.missed.count - count);
    store.merge(at, [...rowsOf(page), ...restOf(gap, page)]);
    this.#listener.replaced();
    return count;
  }

  /**
   * Return the id of the newest entry that matches a search, older than all that are held.
   *
   * @param {string} search as a view's `q`
   * @returns {Promise<{id: number | null, isWhole: boolean}>} and whether all could be searched
   */
  async findOlder(search) {
    const view = { ...this.#view, at: null };
    const oldest = this.store.count > 0 ? this.store.id(this.store.first) : 0;
    const also = wholeQuery({ ...EVERYTHING, q: search });
    const query = joined(wholeQuery(view), also, `before=${oldest}`, "tail=1");
    const page = await this.#ask(query, this.#abort.signal);
    const isWhole = page.gaps.every(({ reason }) => reason !== "storage");
    return { id: page.logs[0]?.id ?? null, isWhole };
  }

  /**
   * @param {string} query
   * @param {AbortSignal} signal
   */
  #ask(query, signal) {
    return history(query, { ...this.#relay, signal });
  }
}

/**
 * @template T
 * @param {number} milliseconds
 * @param {Promise<T>} answer
 * @returns {Promise<T>}
 * @throws {Error} it takes longer, or fails
 */
async function within(milliseconds, answer) {
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error("the relay does not answer")), milliseconds);
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Return what is still missing of a gap.
 *
 * @param {Gap} gap
 * @param {import("./relay.js").Page} page
 * @returns {Gap[]}
 */
function restOf(gap, page) {
  if (page.truncated) {
    const count = gap.count === null ? null : Math.max(0, gap.count - page.logs.length);
    return [{ ...gap, after: page.cursor, count, at_least: count ?? 0 }];
  }
  return [];
}
