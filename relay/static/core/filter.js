/**
 * Which rows are shown or marked, decided for whole blocks at once.
 *
 * Rule of this file: a text is looked for in the text of a whole block, which holds a thousand
 * messages with a newline between them; only where it is found is a row looked at.
 *
 * @import { Filter } from "./listing.js"
 * @import { Block, Store } from "./store.js"
 * @import { Level } from "./wire.js"
 */
import { ENDING, GAP, levelOf } from "./store.js";

/**
 * What an entry must be; an empty list asks for nothing.
 *
 * @typedef {object} Conditions
 * @property {readonly RegExp[]} texts all of them occur
 * @property {readonly RegExp[]} excluded none of them occurs
 * @property {readonly Level[]} levels
 * @property {readonly string[]} streams
 */

/** @type {Conditions} */
export const NOTHING = Object.freeze({ texts: [], excluded: [], levels: [], streams: [] });

/** A pattern between slashes. */
const PATTERN = /^\/(.+)\/$/s;

/**
 * Return the pattern that a text stands for, if it stands between slashes; else null.
 *
 * @param {string} text
 */
export const patternIn = (text) => PATTERN.exec(text)?.[1] ?? null;

/**
 * Compile what somebody looks for: text in any case, or a pattern between slashes.
 *
 * @param {string} text
 * @returns {RegExp | null} null where it is empty or cannot be compiled
 */
export function matcherOf(text) {
  if (text === "") return null;
  const pattern = patternIn(text);
  if (pattern === null) return new RegExp(text.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&"), "giu");
  for (const flags of ["gimu", "gim"]) {
    try {
      return new RegExp(pattern, flags);
    } catch {
      continue;
    }
  }
  return null;
}

/**
 * Return a filter for rows of a store; null where there is nothing to ask for.
 *
 * Gaps and endings of runs are shown beside any filter, but are no matches.
 *
 * @param {Store} store
 * @param {Conditions} conditions
 * @param {boolean} [isMatch] whether only entries count
 * @returns {Filter | null}
 */
export function filterOf(store, conditions, isMatch = false) {
  const { texts, excluded, levels, streams } = conditions;
  if (texts.length + excluded.length + levels.length + streams.length === 0) return null;
  const kinds = Array.from({ length: ENDING + 1 }, (_, kind) => {
    if (kind >= GAP) return !isMatch;
    return levels.length === 0 || levels.includes(levelOf(kind));
  });
  const isStream = (/** @type {number} */ origin) =>
    streams.length === 0 || streams.includes(store.origins[origin]?.stream ?? "");
  return {
    select(block, from, to) {
      const nominated = nominate(block, texts[0], from, to);
      return nominated.filter((index) => {
        const kind = block.kinds[index] ?? 0;
        if (!kinds[kind]) return false;
        if (kind >= GAP) return true;
        if (!isStream(block.origins[index] ?? 0)) return false;
        if (texts.length < 2 && excluded.length === 0) return true;
        const message = block.message(index);
        return (
          texts.slice(1).every((text) => occurs(text, message)) &&
          !excluded.some((text) => occurs(text, message))
        );
      });
    },
  };
}

/**
 * Tell whether a pattern occurs.
 *
 * @param {RegExp} pattern one with the flag `g`
 * @param {string} text
 */
export function occurs(pattern, text) {
  pattern.lastIndex = 0;
  return pattern.test(text);
}

/**
 * Return the rows of a block in which a text occurs, and those that are no entries.
 *
 * @param {Block} block
 * @param {RegExp | undefined} wanted undefined: all rows
 * @param {number} from
 * @param {number} to
 */
function nominate(block, wanted, from, to) {
  /** @type {number[]} */
  const found = [];
  if (wanted === undefined) {
    for (let index = from; index < to; index += 1) found.push(index);
    return found;
  }
  // A pattern could take the newlines between messages in: it is asked for each alone.
  if (!wanted.multiline && block.text !== null) scan(block, block.text, wanted, from, to, found);
  else {
    for (let index = from; index < to; index += 1) {
      if (occurs(wanted, block.message(index))) found.push(index);
    }
  }
  if (block.others === 0) return found;
  const others = new Set(found);
  for (let index = from; index < to; index += 1) {
    if ((block.kinds[index] ?? 0) >= GAP) others.add(index);
  }
  return [...others].sort((one, other) => one - other);
}

/**
 * @param {Block} block
 * @param {string} text
 * @param {RegExp} wanted
 * @param {number} from
 * @param {number} to
 * @param {number[]} found
 */
function scan(block, text, wanted, from, to, found) {
  const { ends } = block;
  let index = from;
  wanted.lastIndex = block.start(from);
  for (let match = wanted.exec(text); match !== null; match = wanted.exec(text)) {
    while (index < to && (ends[index] ?? 0) < match.index) index += 1;
    if (index >= to) return;
    found.push(index);
    wanted.lastIndex = block.start(index + 1);
    index += 1;
  }
}

/**
 * @typedef {object} Piece
 * @property {string} text
 * @property {boolean} isMatch
 */

/**
 * Cut text into what matches and what stands between, so that they joined are the text.
 *
 * @param {string} text
 * @param {RegExp | null} wanted null matches nothing
 * @returns {Piece[]}
 */
export function pieces(text, wanted) {
  if (wanted === null) return [{ text, isMatch: false }];
  const found = [];
  let end = 0;
  wanted.lastIndex = 0;
  for (let match = wanted.exec(text); match !== null; match = wanted.exec(text)) {
    const [matched] = match;
    if (matched === "") {
      wanted.lastIndex += 1;
      continue;
    }
    if (match.index > end) found.push({ text: text.slice(end, match.index), isMatch: false });
    end = match.index + matched.length;
    found.push({ text: matched, isMatch: true });
  }
  if (end < text.length || found.length === 0) found.push({ text: text.slice(end), isMatch: false });
  return found;
}
