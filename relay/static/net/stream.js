/**
 * The live stream of a query, over any number of connections.
 *
 * A connection that is lost is made again and goes on after the last id that came; what the
 * relay no longer has comes as a gap. How it comes is found out: by a WebSocket; where none comes
 * through, NDJSON by `fetch`; where something on the way gathers streams, long reads.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { Ending, Entry, Gap, Hello, RowObject, StreamObject } from "../core/wire.js"
 * @import { Query, Relay, Status } from "./relay.js"
 * @import { Attempt, End } from "./transports.js"
 *
 * @typedef {"auto" | "fetch" | "sse" | "websocket" | "poll"} Transport
 *
 * @typedef {object} Listener
 * @property {(entry: Entry) => void} [onEntry] one line
 * @property {(gap: Gap) => void} [onGap] lines that this reader can no longer have
 * @property {(ending: Ending) => void} [onComplete] the end of a run
 * @property {(status: Status) => void} [onStatus] what the relay is doing, every other second
 * @property {(hello: Hello) => void} [onConnect] a connection brings something
 * @property {(reason: string, milliseconds: number) => void} [onDisconnect] it was lost, and is
 *   made again after so long
 * @property {(error: Error) => void} [onError] nothing will follow
 * @property {(rows: RowObject[]) => void} [onRows] entries, gaps and endings, as they come
 * @property {(connection: Connection) => void} [onConnection] how it stands with the relay
 *
 * @typedef {object} Options
 * @property {Query | string} [query] names and values as the API has them
 * @property {Transport} [transport] default: what comes through
 * @property {number} [after] the id after which it starts
 * @property {number} [maxReconnectAttempts] that are in vain; default: without end
 */
import { again, begin, ended, lost, opened, refused } from "../core/connection.js";
import { Intake } from "../core/intake.js";
import { BufferedError, RefusedError, sentenceOf } from "./errors.js";
import { apiOf, headersOf, parametersOf } from "./relay.js";
import { StatusWatch } from "./status.js";
import { followEvents, followFetch, followPages, followSocket, resumed } from "./transports.js";

/** @type {Record<string, (attempt: Attempt) => Promise<End>>} */
const FOLLOW = {
  fetch: followFetch,
  sse: followEvents,
  websocket: followSocket,
  poll: followPages,
};

/** What is tried, each where the one before does not come through. */
const AUTO = /** @type {const} */ (["websocket", "fetch", "poll"]);

/** Work goes on so long before the page may draw. */
const TURN_MS = 8;
/** Entries that wait to be iterated. */
const MAX_WAITING = 10_000;

export class LogStream {
  /** What came so far: counts, what was missed, the cursor. */
  intake = new Intake();
  #options;
  #query;
  #connection = begin(0);
  #abort = new AbortController();
  #isOpen = false;
  #place = 0;
  /** Whether this attempt brought something. */
  #isHeard = false;
  #turnEnd = 0;
  /** @type {StatusWatch | null} */
  #watch = null;
  #release = () => {};
  /** @type {Promise<void> | null} */
  #hold = null;
  #wake = () => {};

  /** @param {Options & Listener & Relay} [options] */
  constructor(options = {}) {
    this.#options = options;
    this.#query = parametersOf(options.query ?? {});
    if (options.after !== undefined) this.intake.cursor = options.after;
  }

  /** How it stands with the relay. */
  get connection() {
    return this.#connection;
  }

  /** How lines come now. */
  get transport() {
    const { transport = "auto", token } = this.#options;
    if (transport !== "auto") return transport;
    // A browser's WebSocket sends no token.
    const ways = token === undefined ? AUTO : AUTO.filter((way) => way !== "websocket");
    return ways[Math.min(this.#place, ways.length - 1)] ?? "fetch";
  }

  /** Begin. Does nothing where it has begun already. */
  open() {
    if (this.#isOpen) return this;
    this.#isOpen = true;
    const { onStatus } = this.#options;
    if (onStatus) {
      this.#watch = new StatusWatch(this.#options, onStatus);
      this.#watch.start();
    }
    void this.#run(this.#abort.signal);
    return this;
  }

  /** Leave the stream; nothing is told any more. */
  close() {
    this.#abort.abort();
    this.#watch?.stop();
    this.release();
    this.#wake();
  }

  /** Do not wait any longer before the next attempt. */
  retry() {
    this.#wake();
  }

  /**
   * Read no more for now. The relay keeps our place as a cursor and sends no more than fits
   * into the connection; should it close that, we come back with the last id that we have.
   */
  hold() {
    this.#hold ??= new Promise((resolve) => {
      this.#release = resolve;
    });
  }

  release() {
    this.#hold = null;
    this.#release();
  }

  /** Give the entries one by one, until nothing will follow. @returns {AsyncGenerator<Entry, void>} */
  async *[Symbol.asyncIterator]() {
    /** @type {Entry[]} */
    let waiting = [];
    let wake = () => {};
    /** @type {Error | null} */
    let failure = null;
    let isOver = false;
    this.#iterating = (entries) => {
      waiting.push(...entries);
      if (waiting.length > MAX_WAITING) this.hold();
      wake();
    };
    this.#ended = (error) => {
      [failure, isOver] = [error, true];
      wake();
    };
    this.open();
    try {
      for (;;) {
        const some = waiting;
        waiting = [];
        this.release();
        yield* some;
        if (waiting.length > 0) continue;
        if (failure !== null) throw failure;
        if (isOver) return;
        await new Promise((resolve) => {
          wake = () => resolve(undefined);
        });
      }
    } finally {
      this.close();
    }
  }

  /** @type {((entries: Entry[]) => void) | null} */
  #iterating = null;
  /** @type {(error: Error | null) => void} */
  #ended = () => {};

  /** @param {AbortSignal} signal */
  async #run(signal) {
    this.#change(begin(Date.now()));
    while (!signal.aborted) {
      try {
        const end = await this.#follow(signal);
        if (signal.aborted) return;
        if (end === "over") return this.#end(null);
        continue;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RefusedError) return this.#end(error);
        if (this.#isTryingNext(error)) continue;
        if (this.#lose(this.intake.failure ?? sentenceOf(error))) return;
      }
      await this.#rest(this.#connection.until - Date.now());
      if (!signal.aborted) this.#change(again(this.#connection));
    }
  }

  /** @param {AbortSignal} signal */
  #follow(signal) {
    const { cursor } = this.intake;
    this.intake.failure = null;
    this.#isHeard = false;
    const way = this.transport;
    const follow = FOLLOW[way];
    if (follow === undefined) throw new RefusedError(`no transport ${way}`);
    return follow({
      api: apiOf(this.#options),
      query: cursor === null ? this.#query : resumed(this.#query, cursor),
      headers: headersOf(this.#options),
      signal,
      take: (objects) => this.#take(objects, signal),
      isProbing: (this.#options.transport ?? "auto") === "auto",
    });
  }

  /** @param {unknown} error @returns {boolean} whether another way is tried at once */
  #isTryingNext(error) {
    if ((this.#options.transport ?? "auto") !== "auto") return false;
    if (error instanceof BufferedError) {
      this.#place += 1;
      return true;
    }
    return false;
  }

  /**
   * @param {StreamObject[]} objects
   * @param {AbortSignal} signal
   */
  async #take(objects, signal) {
    if (signal.aborted) return;
    const rows = this.intake.take(objects);
    if (objects.some(({ type }) => type !== "error")) this.#isHeard = true;
    if (this.#connection.phase !== "live" && this.#isHeard) {
      this.#change(opened(this.#connection, Date.now()));
      if (this.intake.hello !== null) this.#options.onConnect?.(this.intake.hello);
    }
    if (rows.length > 0) this.#tell(rows);
    if (this.#hold !== null) await this.#hold;
    await this.#breathe();
  }

  /** @param {RowObject[]} rows */
  #tell(rows) {
    const { onRows, onEntry, onGap, onComplete } = this.#options;
    onRows?.(rows);
    this.#iterating?.(rows.filter((row) => row.type === "log"));
    if (!onEntry && !onGap && !onComplete) return;
    for (const row of rows) {
      if (row.type === "log") onEntry?.(row);
      else if (row.type === "gap") onGap?.(row);
      else onComplete?.(row);
    }
  }

  /** Let the page draw now and then, while much comes at once. */
  async #breathe() {
    const now = performance.now();
    // Long ago: this turn has just begun.
    if (now > this.#turnEnd + TURN_MS) this.#turnEnd = now + TURN_MS;
    if (now < this.#turnEnd) return;
    await nextTurn();
    this.#turnEnd = performance.now() + TURN_MS;
  }

  /** @param {string} reason @returns {boolean} whether that was the last attempt */
  #lose(reason) {
    const connection = lost(this.#connection, reason, Date.now(), Math.random());
    if (connection.attempts > (this.#options.maxReconnectAttempts ?? Infinity)) {
      this.#end(new RefusedError(reason));
      return true;
    }
    // A way that brought nothing is no better than the first: the relay may not be there at all.
    if (!this.#isHeard || connection.attempts > 2) this.#place = 0;
    this.#change(connection);
    this.#options.onDisconnect?.(reason, connection.until - Date.now());
    return false;
  }

  /** @param {Error | null} error null: all was given */
  #end(error) {
    this.#watch?.stop();
    const now = Date.now();
    const connection = this.#connection;
    this.#change(error === null ? ended(connection, now) : refused(connection, error.message, now));
    if (error !== null) this.#options.onError?.(error);
    this.#ended(error);
  }

  /** @param {Connection} connection */
  #change(connection) {
    this.#connection = connection;
    this.#options.onConnection?.(connection);
  }

  /**
   * Wait until the time is over, `retry` is called, or the stream is left.
   *
   * @param {number} milliseconds
   */
  #rest(milliseconds) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }
}

/** Return in a turn of its own; a timer would be slowed down where nobody looks. */
function nextTurn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
