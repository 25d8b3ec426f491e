/**
 * A message cut into what is drawn alike: by its terminal styles and by what was looked for.
 *
 * @import { Style } from "./ansi.js"
 *
 * @typedef {object} Segment
 * @property {string} text
 * @property {Style | null} style
 * @property {string} mark `""`, `match` (of the filter) or `found` (of the search)
 */
import { runsOf } from "./ansi.js";
import { pieces } from "./filter.js";

/**
 * Return a message's segments; without control sequences they are joined the message.
 *
 * @param {string} message
 * @param {readonly RegExp[]} filter what the filter looks for
 * @param {RegExp | null} find what the search looks for, which is marked before all else
 * @returns {Segment[]}
 */
export function segmentsOf(message, filter, find) {
  const runs = runsOf(message);
  const wanted = [...(find === null ? [] : [find]), ...filter];
  if (wanted.length === 0) return runs.map((run) => ({ ...run, mark: "" }));
  const text = runs.map((run) => run.text).join("");
  const marks = marksOf(text, wanted, find !== null);
  /** @type {Segment[]} */
  const segments = [];
  let start = 0;
  for (const run of runs) {
    const end = start + run.text.length;
    for (let at = start; at < end; ) {
      const next = marks.find((mark) => mark.end > at) ?? { start: end, end, mark: "" };
      const isIn = next.start <= at;
      const stop = Math.min(end, isIn ? next.end : next.start);
      segments.push({ text: text.slice(at, stop), style: run.style, mark: isIn ? next.mark : "" });
      at = stop;
    }
    start = end;
  }
  return segments;
}

/**
 * Return where something was found, in order, without overlaps.
 *
 * @param {string} text
 * @param {readonly RegExp[]} wanted what comes first counts where two overlap
 * @param {boolean} isFind whether the first is the search
 */
function marksOf(text, wanted, isFind) {
  /** @type {{start: number, end: number, mark: string}[]} */
  const marks = [];
  wanted.forEach((pattern, index) => {
    let start = 0;
    for (const piece of pieces(text, pattern)) {
      const end = start + piece.text.length;
      const isFree = piece.isMatch && !marks.some((mark) => mark.start < end && mark.end > start);
      if (isFree) marks.push({ start, end, mark: isFind && index === 0 ? "found" : "match" });
      start = end;
    }
  });
  return marks.sort((one, other) => one.start - other.start);
}
