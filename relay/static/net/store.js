/**
 * Whether the relay keeps its lines, asked now and then while somebody looks at the page.
 *
 * @import { Store } from "../core/keeping.js"
 */
import { Watch } from "./watch.js";

const PAUSE_MS = 3000;

export class StoreWatch extends Watch {
  /**
   * @param {string} base address of the API, with a slash at its end
   * @param {(store: Store) => void} found
   */
  constructor(base, found) {
    super(`${base}status/store`, PAUSE_MS, found);
  }
}
