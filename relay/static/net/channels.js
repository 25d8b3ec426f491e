/**
 * The relay's channels, looked at every other second while somebody looks at the page.
 *
 * @typedef {object} Channel as `GET channels` has it; of all it says, what the page shows
 * @property {string} name
 * @property {number} lines in all
 * @property {number} lines_per_second
 * @property {string | null} newest time of the newest entry, RFC 3339
 */
import { Watch } from "./watch.js";

const PAUSE_MS = 2000;

export class ChannelWatch extends Watch {
  /**
   * @param {string} base address of the API, with a slash at its end
   * @param {(channels: Channel[]) => void} found called with all of them, by name
   */
  constructor(base, found) {
    super(`${base}channels`, PAUSE_MS, ({ channels }) => found(channels));
  }
}
