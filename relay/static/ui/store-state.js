/**
 * `<store-state>`: whether the relay keeps its lines; nothing where it has no store.
 *
 * A screen reader is told of each new state, not of every line that it is behind.
 *
 * @import { StoreState as Store } from "../net/relay.js"
 */
import { keepingDetail, keepingMore, keepingWords } from "../core/keeping.js";
import { find, make, write } from "./dom.js";

const CONTENT = `<span class="words" role="status"></span> <span class="detail"></span>`;

export class StoreState extends HTMLElement {
  static define() {
    customElements.define("store-state", StoreState);
  }

  #words = make("span");
  #detail = make("span");

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#words = find(this, ".words", HTMLSpanElement);
    this.#detail = find(this, ".detail", HTMLSpanElement);
  }

  /** @param {Store} store */
  set store(store) {
    this.dataset["state"] = store.state;
    this.hidden = store.state === "off";
    write(this.#words, keepingWords(store, Date.now()));
    write(this.#detail, keepingDetail(store));
    this.title = this.hidden ? "" : keepingMore(store);
  }
}
