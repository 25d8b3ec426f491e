/**
 * What the relay is doing, asked for every other second.
 *
 * By short questions: a browser has but six connections to a server, and a stream in each of a
 * few tabs would take them all.
 *
 * @import { Relay, Status } from "./relay.js"
 */
import { status } from "./relay.js";

const PAUSE_MS = 2000;

/** Asks again and again. */
export class StatusWatch {
  #relay;
  #found;
  /** @type {AbortController | null} */
  #abort = null;

  /**
   * @param {Relay} relay
   * @param {(status: Status) => void} found
   */
  constructor(relay, found) {
    this.#relay = relay;
    this.#found = found;
  }

  /** Ask at once, and then again and again. Does nothing where it does so already. */
  start() {
    if (this.#abort !== null) return;
    this.#abort = new AbortController();
    void this.#run(this.#abort.signal);
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  /** @param {AbortSignal} signal */
  async #run(signal) {
    while (!signal.aborted) {
      try {
        const found = await status({ ...this.#relay, signal });
        if (!signal.aborted) this.#found(found);
      } catch {
        // The stream tells of that.
      }
      await rest(PAUSE_MS, signal);
    }
  }
}

/**
 * @param {number} milliseconds
 * @param {AbortSignal} signal ends it
 */
function rest(milliseconds, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      resolve(undefined);
    });
  });
}
