/** How many colours the style sheet has for channels. */
export const HUES = 8;

/**
 * Which colour each channel has: by its name, so that mostly everyone sees the same; but as long
 * as there are enough, no two channels have one.
 */
export class Palette {
  /** @type {Map<string, number>} */
  #hues = new Map();

  /**
   * Return a channel's colour, which it keeps.
   *
   * @param {string} channel
   * @returns {number} from 0 up to, not with, HUES
   */
  hue(channel) {
    let hue = this.#hues.get(channel);
    if (hue === undefined) {
      hue = this.#free(hash(channel) % HUES);
      this.#hues.set(channel, hue);
    }
    return hue;
  }

  /** @param {number} wanted */
  #free(wanted) {
    const taken = new Set(this.#hues.values());
    if (taken.size === HUES) return wanted;
    while (taken.has(wanted)) wanted = (wanted + 1) % HUES;
    return wanted;
  }
}

/**
 * Source: FNV-1a, 32 bits.
 *
 * @param {string} text
 */
function hash(text) {
  let value = 0x811c9dc5;
  for (const character of text) {
    value = Math.imul(value ^ (character.codePointAt(0) ?? 0), 0x01000193) >>> 0;
  }
  return value >>> 8;
}
