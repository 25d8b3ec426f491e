/**
 * The relay's channels, looked at every other second while somebody looks at the page.
 *
 * @typedef {object} Channel as `GET channels` has it; of all it says, what the page shows
 * @property {string} name
 * @property {number} lines in all
 * @property {number} lines_per_second
 * @property {string | null} newest time of the newest entry, RFC 3339
 */

const PAUSE_MS = 2000;

/** Asks again and again. */
export class ChannelWatch {
  #address;
  #found;
  /** @type {AbortController | null} */
  #abort = null;

  /**
   * @param {string} base address of the API, with a slash at its end
   * @param {(channels: Channel[]) => void} found called with all of them, by name
   */
  constructor(base, found) {
    this.#address = `${base}channels`;
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
      const channels = await this.#ask(signal);
      if (channels !== null && !signal.aborted) this.#found(channels);
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<Channel[] | null>} null where there is no answer: the feed tells of that
   */
  async #ask(signal) {
    try {
      const response = await fetch(this.#address, { cache: "no-store", signal });
      return response.ok ? (await response.json()).channels : null;
    } catch {
      return null;
    }
  }
}
