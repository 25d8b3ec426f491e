/**
 * `<connection-state>`: how the page stands with the relay.
 *
 * A screen reader is told of each new state, not of every second of waiting.
 *
 * Event `retry`: do not wait any longer.
 *
 * @import { Connection } from "../core/connection.js"
 */
import { connectionDetail, connectionWords } from "../core/sentences.js";
import { find, make, write } from "./dom.js";

const CONTENT = `
  <span class="dot" aria-hidden="true"></span>
  <span class="words" role="status"></span>
  <span class="detail"></span>
  <button class="retry" type="button" hidden>Retry now</button>`;

export class ConnectionState extends HTMLElement {
  static define() {
    customElements.define("connection-state", ConnectionState);
  }

  /** @type {ReturnType<typeof setInterval> | undefined} */
  #timer;
  #words = make("span");
  #detail = make("span");
  #retry = make("button");

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#words = find(this, ".words", HTMLSpanElement);
    this.#detail = find(this, ".detail", HTMLSpanElement);
    this.#retry = find(this, ".retry", HTMLButtonElement);
    this.#retry.addEventListener("click", () => {
      this.dispatchEvent(new Event("retry", { bubbles: true }));
    });
  }

  /** @param {Connection} connection */
  set connection(connection) {
    clearInterval(this.#timer);
    const { phase } = connection;
    // Between attempts there is no news for who waits.
    const isRetry = phase === "connecting" && connection.attempts > 0;
    this.dataset["phase"] = phase;
    this.title = connection.reason;
    write(this.#words, connectionWords(connection));
    this.#retry.hidden = phase !== "waiting";
    const tell = () => write(this.#detail, connectionDetail(connection, Date.now()));
    tell();
    this.classList.toggle("again", isRetry);
    if (phase === "waiting") this.#timer = setInterval(tell, 250);
  }
}
