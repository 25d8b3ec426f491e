/**
 * The live stream of a view, over any number of connections.
 *
 * NDJSON by `fetch`: one read brings many lines, and one `split` parts them: 2 µs a line, where
 * EventSource, which makes an event of each, costs 11 (Chromium, 20,000 lines/s). A connection that is lost is made again and goes on after the last
 * id that came; what the relay no longer has comes as a gap.
 *
 * @import { Connection } from "../core/connection.js"
 * @import { View } from "../core/view.js"
 */
import { again, begin, ended, lost, opened, refused } from "../core/connection.js";
import { Intake } from "../core/intake.js";
import { LineSplitter } from "../core/lines.js";
import { streamParameters } from "../core/view.js";

/** Longer than the relay's heartbeat: a stream so silent is dead, as after a laptop's sleep. */
const SILENCE_MS = 60_000;

/**
 * What is told of a feed.
 *
 * @typedef {object} Listener
 * @property {() => void} started a new query's stream has begun: what was shown is of the old
 * @property {(rows: string[]) => void} received entries, gaps and endings, in their order
 * @property {(connection: Connection) => void} changed
 */

/** The relay's answer is no stream, and asking again is no use. */
class RefusedError extends Error {}

/** One stream at a time. */
export class Feed {
  /** What came by the query that is shown now. */
  intake = new Intake();
  #address;
  #listener;
  #connection = begin(0);
  #abort = new AbortController();
  #release = () => {};
  /** @type {Promise<void> | null} */
  #hold = null;
  #wake = () => {};

  /**
   * @param {string} base address of the API, with a slash at its end
   * @param {Listener} listener
   */
  constructor(base, listener) {
    this.#address = `${base}logs/stream`;
    this.#listener = listener;
  }

  get connection() {
    return this.#connection;
  }

  /**
   * Show another view: leave the old stream, begin a new one.
   *
   * @param {View} view
   */
  open(view) {
    this.close();
    this.#abort = new AbortController();
    void this.#run(view, this.#abort.signal);
  }

  /** Leave the stream; nothing is told any more. */
  close() {
    this.#abort.abort();
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

  /**
   * @param {View} view
   * @param {AbortSignal} signal
   */
  async #run(view, signal) {
    const intake = new Intake();
    this.#change(begin(Date.now()));
    while (!signal.aborted) {
      try {
        const isOver = await this.#follow(view, intake, signal);
        if (signal.aborted) return;
        if (isOver) return this.#change(ended(this.#connection, Date.now()));
        this.#lose(intake.failure ?? "the relay closed the connection");
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof RefusedError) {
          return this.#change(refused(this.#connection, error.message, Date.now()));
        }
        this.#lose(error instanceof SyntaxError ? "the answer was no log" : sentence(error));
      }
      await this.#rest(this.#connection.until - Date.now());
      if (!signal.aborted) this.#change(again(this.#connection));
    }
  }

  /**
   * Follow one connection to its end.
   *
   * @param {View} view
   * @param {Intake} intake
   * @param {AbortSignal} signal
   * @returns {Promise<boolean>} whether nothing will ever follow
   */
  async #follow(view, intake, signal) {
    const silence = new Silence(signal);
    try {
      const response = await this.#request(view, intake.cursor, silence.signal);
      if (response.status === 204) return true;
      if (response.body === null) return false;
      intake.failure = null;
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const splitter = new LineSplitter();
      for (;;) {
        const { done, value } = await reader.read();
        if (signal.aborted || done) return false;
        this.#take(intake, splitter.feed(decoder.decode(value, { stream: true })));
        silence.stop();
        if (this.#hold !== null) await this.#hold;
        silence.start();
      }
    } finally {
      silence.end();
    }
  }

  /**
   * @param {Intake} intake
   * @param {string[]} lines
   */
  #take(intake, lines) {
    if (lines.length === 0) return;
    const rows = intake.take(lines);
    if (intake !== this.intake && intake.hello !== null) {
      this.intake = intake;
      this.#listener.started();
    }
    if (this.#connection.phase !== "live") this.#change(opened(this.#connection, Date.now()));
    if (rows.length > 0) this.#listener.received(rows);
  }

  /**
   * @param {View} view
   * @param {number | null} cursor
   * @param {AbortSignal} signal
   */
  async #request(view, cursor, signal) {
    const response = await fetch(`${this.#address}?${streamParameters(view, cursor)}`, {
      headers: { Accept: "application/x-ndjson" },
      cache: "no-store",
      signal,
    });
    if (response.ok) return response;
    const reason = await refusal(response);
    // A wrong parameter stays wrong; a channel may appear, a proxy may find its relay again.
    throw response.status === 400 ? new RefusedError(reason) : new Error(reason);
  }

  /** @param {string} reason */
  #lose(reason) {
    this.#change(lost(this.#connection, reason, Date.now(), Math.random()));
  }

  /** @param {Connection} connection */
  #change(connection) {
    this.#connection = connection;
    this.#listener.changed(connection);
  }

  /**
   * Wait until the time is over, `retry` is called, or the query is left.
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

/** Ends a request that brings nothing for too long. */
class Silence {
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {AbortSignal} outer ends it too */
  constructor(outer) {
    this.signal = this.#abort.signal;
    if (outer.aborted) this.#abort.abort();
    const end = () => this.#abort.abort();
    outer.addEventListener("abort", end, { once: true, signal: this.signal });
    this.start();
  }

  start() {
    this.#timer = setTimeout(
      () => this.#abort.abort(new Error("the relay has been silent")),
      SILENCE_MS,
    );
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** Leave nothing open behind, such as an answer that could not be read. */
  end() {
    this.stop();
    this.#abort.abort();
  }
}

/**
 * Return the relay's sentence of why it refuses, or what stands in its way.
 *
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function refusal(response) {
  try {
    const { error } = await response.json();
    return String(error.message);
  } catch {
    return `the server answered ${response.status} ${response.statusText}`.trimEnd();
  }
}

/** @param {unknown} error */
function sentence(error) {
  // What fetch says of its failures differs by browser and helps nobody.
  if (error instanceof TypeError || !(error instanceof Error)) return "the relay cannot be reached";
  return error.message;
}
