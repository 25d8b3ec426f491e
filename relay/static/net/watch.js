/** Something that the relay is asked again and again, while somebody looks at the page. */
export class Watch {
  #address;
  #pauseMs;
  #found;
  /** @type {AbortController | null} */
  #abort = null;

  /**
   * @param {string} address
   * @param {number} pauseMs between an answer and the next question
   * @param {(answer: any) => void} found called with each answer
   */
  constructor(address, pauseMs, found) {
    this.#address = address;
    this.#pauseMs = pauseMs;
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
      const answer = await this.#ask(signal);
      if (answer !== null && !signal.aborted) this.#found(answer);
      await new Promise((resolve) => setTimeout(resolve, this.#pauseMs));
    }
  }

  /**
   * @param {AbortSignal} signal
   * @returns {Promise<unknown>} null where there is no answer: the feed tells of that
   */
  async #ask(signal) {
    try {
      const response = await fetch(this.#address, { cache: "no-store", signal });
      return response.ok ? await response.json() : null;
    } catch {
      return null;
    }
  }
}
