/**
 * How a stream comes over the network: four ways, one contract.
 *
 * Each follows one connection to its end. It gives what comes to `take`, in pieces, and awaits
 * it before it reads on, so that who is full holds the relay back. What can never follow makes
 * it return "over"; "again" asks to be connected anew at once. All else is thrown.
 *
 * A WebSocket is tried first: a browser has but six HTTP/1.1 connections to a server, for all of
 * its tabs, and a seventh stream would wait for ever. WebSockets are not among them. A line costs
 * 2.3 µs by a WebSocket, 2.8 as NDJSON by `fetch`, and 11 by EventSource, which makes an event of
 * each (Chromium, 20,000 lines/s).
 *
 * @import { StreamObject } from "../core/wire.js"
 *
 * @typedef {object} Attempt
 * @property {string} api address, with a slash at its end
 * @property {string} query what is asked for, with where it starts
 * @property {Record<string, string>} headers
 * @property {AbortSignal} signal
 * @property {(objects: StreamObject[]) => Promise<void>} take
 * @property {boolean} isProbing whether a stream that is held back is to be found out
 *
 * @typedef {"over" | "again"} End
 */
import { ObjectReader } from "../core/wire.js";
import { joined } from "../core/view.js";
import { BufferedError, errorOf, RefusedError } from "./errors.js";
import { rowsOf } from "./relay.js";

/** Longer than the relay's heartbeat: a stream so silent is dead, as after a laptop's sleep. */
const SILENCE_MS = 60_000;
/** A stream begins at once, if nothing on the way gathers it. */
const BEGINNING_MS = 3000;
/** Of messages that wait because the reader is full: beyond, the socket is closed. */
const MAX_WAITING = 200;
const WAIT = "25s";
const POLL_LIMIT = 5000;

/**
 * Newline-delimited JSON over HTTP.
 *
 * @param {Attempt} attempt
 * @returns {Promise<End>}
 * @throws {BufferedError} it is held back on the way
 */
export async function followFetch(attempt) {
  return followBody(attempt, "application/x-ndjson", new ObjectReader());
}

/**
 * Server-sent events, read by `fetch`, which can send a token.
 *
 * @param {Attempt} attempt
 * @returns {Promise<End>}
 * @throws {BufferedError} it is held back on the way
 */
export async function followEvents(attempt) {
  return followBody(attempt, "text/event-stream", new EventReader());
}

/** Cuts server-sent events into the objects that they carry, one in each line of data. */
export class EventReader {
  #objects = new ObjectReader();
  #rest = "";

  /** @param {string} text as it came, cut anywhere */
  feed(text) {
    const all = this.#rest + text;
    const end = all.lastIndexOf("\n") + 1;
    this.#rest = all.slice(end);
    const data = all.slice(0, end).replace(/^data: ?|^(?!data:).*$/gm, "");
    return data === "" ? [] : this.#objects.feed(data);
  }
}

/**
 * @param {Attempt} attempt
 * @param {string} type
 * @param {{feed: (text: string) => StreamObject[]}} objects
 * @returns {Promise<End>}
 */
async function followBody(attempt, type, objects) {
  const silence = new Silence(attempt.signal);
  const beginning = attempt.isProbing ? new Beginning(attempt, silence) : null;
  try {
    const response = await fetch(`${attempt.api}logs/stream?${attempt.query}`, {
      headers: { Accept: type, ...attempt.headers },
      cache: "no-store",
      signal: silence.signal,
    });
    if (!response.ok) throw await errorOf(response);
    if (response.status === 204) return "over";
    if (response.body === null) throw new Error("the answer was empty");
    const reader = response.body.getReader();
    const decoder = new TextDecoder();
    for (;;) {
      const { done, value } = await reader.read();
      beginning?.end();
      if (attempt.signal.aborted) return "over";
      if (done) throw new Error("the relay closed the connection");
      const some = objects.feed(decoder.decode(value, { stream: true }));
      silence.stop();
      if (some.length > 0) await attempt.take(some);
      silence.start();
    }
  } catch (error) {
    throw beginning?.isHeldBack ? new BufferedError("the stream is held back on its way") : error;
  } finally {
    beginning?.end();
    silence.end();
  }
}

/**
 * A WebSocket. It cannot be held back by reading less: one that is full closes it.
 *
 * @param {Attempt} attempt
 * @returns {Promise<End>}
 */
export function followSocket(attempt) {
  return new Promise((resolve, reject) => {
    if (typeof WebSocket === "undefined") return reject(new BufferedError("there is no WebSocket"));
    const address = `${attempt.api}logs/ws?${joined(attempt.query, "batch=500")}`;
    const socket = new WebSocket(address.replace(/^http/, "ws"));
    /** @type {string[]} */
    const waiting = [];
    let isTaking = false;
    let isHeard = false;
    /** The relay's last words, should it refuse. */
    let failure = "the relay refused the query";
    /** @type {() => void} */
    let end = () => {};
    const close = () => socket.close();
    let timer = setTimeout(close, BEGINNING_MS);
    const wait = () => {
      clearTimeout(timer);
      timer = setTimeout(close, SILENCE_MS);
    };
    attempt.signal.addEventListener("abort", close, { once: true });
    const takeAll = async () => {
      isTaking = true;
      for (let text = waiting.shift(); text !== undefined; text = waiting.shift()) {
        /** @type {StreamObject | StreamObject[]} */
        const said = JSON.parse(text);
        const objects = Array.isArray(said) ? said : [said];
        if (objects[0]?.type === "error") failure = objects[0].message;
        await attempt.take(objects);
        if (attempt.signal.aborted) break;
      }
      isTaking = false;
      end();
    };
    // The relay may search before it says anything.
    socket.onopen = wait;
    socket.onmessage = ({ data }) => {
      isHeard = true;
      wait();
      waiting.push(data);
      if (waiting.length > MAX_WAITING) socket.close();
      if (!isTaking) takeAll().catch(reject);
    };
    socket.onclose = ({ code, reason }) => {
      clearTimeout(timer);
      attempt.signal.removeEventListener("abort", close);
      end = () => {
        if (attempt.signal.aborted || (code === 1000 && reason === "ended")) resolve("over");
        else if (!isHeard) reject(new BufferedError("no WebSocket comes through"));
        else if (code === 1005 || code === 1001) resolve("again");
        else if (code === 4400) reject(new RefusedError(failure));
        else reject(new Error("the relay closed the connection"));
      };
      if (!isTaking) end();
    };
  });
}

/**
 * One page after the other, each held back by the relay until there is something on it.
 *
 * @param {Attempt} attempt
 * @returns {Promise<End>}
 */
export async function followPages(attempt) {
  let query = attempt.query;
  let isFirst = true;
  while (!attempt.signal.aborted) {
    const silence = new Silence(attempt.signal);
    try {
      // The first is answered at once, and tells that the relay is there.
      const wait = isFirst ? "" : `wait=${WAIT}`;
      const limit = /(^|&)tail=/.test(query) ? "" : `limit=${POLL_LIMIT}`;
      const response = await fetch(`${attempt.api}logs?${joined(query, limit, wait)}`, {
        headers: attempt.headers,
        cache: "no-store",
        signal: silence.signal,
      });
      if (!response.ok) throw await errorOf(response);
      /** @type {import("./relay.js").Page} */
      const page = await response.json();
      silence.stop();
      /** @type {StreamObject} */
      const hello = { type: "hello", version: "", cursor: page.cursor, channels: [] };
      await attempt.take([
        ...(isFirst ? [hello] : []),
        ...rowsOf(page),
        { type: "cursor", id: page.cursor },
      ]);
      const run = new URLSearchParams(query).get("run");
      if (page.endings.some((ending) => ending.run === run)) return "over";
      query = resumed(attempt.query, page.cursor);
      isFirst = false;
    } finally {
      silence.end();
    }
  }
  return "over";
}

/**
 * Return a query that goes on after an id.
 *
 * @param {string} query
 * @param {number} cursor
 */
export function resumed(query, cursor) {
  const rest = query.split("&").filter((part) => !/^(after|tail)=/.test(part));
  return joined(...rest, `after=${cursor}`);
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
    clearTimeout(this.#timer);
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
 * Finds out why a stream does not begin: something on the way gathers it, or the relay still
 * searches. A stream of which nothing is asked tells: it would begin at once.
 */
class Beginning {
  isHeldBack = false;
  #isOver = false;
  #abort = new AbortController();
  /** @type {ReturnType<typeof setTimeout>} */
  #timer;

  /**
   * @param {Attempt} attempt
   * @param {Silence} silence ended where it is held back
   */
  constructor(attempt, silence) {
    this.#timer = setTimeout(async () => {
      const isHeldBack = !(await this.#begins(attempt));
      if (this.#isOver) return;
      this.isHeldBack = isHeldBack;
      if (isHeldBack) silence.end();
    }, BEGINNING_MS);
  }

  end() {
    this.#isOver = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
  }

  /** @param {Attempt} attempt */
  async #begins({ api, headers }) {
    const timer = setTimeout(() => this.#abort.abort(), BEGINNING_MS);
    try {
      const response = await fetch(`${api}logs/stream?tail=0`, {
        headers: { Accept: "application/x-ndjson", ...headers },
        cache: "no-store",
        signal: this.#abort.signal,
      });
      const read = await response.body?.getReader().read();
      return read !== undefined && !read.done;
    } catch {
      return false;
    } finally {
      clearTimeout(timer);
      this.#abort.abort();
    }
  }
}
