/** The text of a line as it is drawn. */

// Of control sequences only SGR (colours) and the erasures of progress bars are common in logs.
// Source: ECMA-48, section 5.4.
const CONTROL_SEQUENCE = /\x1b\[[0-?]*[ -/]*[@-~]/g;

/**
 * Return text without terminal control sequences.
 *
 * @param {string} text
 */
export const withoutControls = (text) =>
  text.includes("\x1b") ? text.replace(CONTROL_SEQUENCE, "") : text;

/**
 * @typedef {object} Piece
 * @property {string} text
 * @property {boolean} isMatch
 */

/**
 * Cut text into what matches and what stands between, so that they joined are the text.
 *
 * @param {string} text
 * @param {string} wanted in any case; empty matches nothing
 * @returns {Piece[]}
 */
export function pieces(text, wanted) {
  const lower = text.toLowerCase();
  const needle = wanted.toLowerCase();
  // Some letters change their length ("İ"): then indexes are not comparable.
  if (needle === "" || lower.length !== text.length) return [{ text, isMatch: false }];
  const found = [];
  let end = 0;
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, end)) {
    if (at > end) found.push({ text: text.slice(end, at), isMatch: false });
    end = at + needle.length;
    found.push({ text: text.slice(at, end), isMatch: true });
  }
  if (end < text.length || found.length === 0) found.push({ text: text.slice(end), isMatch: false });
  return found;
}
