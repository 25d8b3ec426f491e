/**
 * Terminal colours and styles of a line.
 *
 * Source: ECMA-48, section 8.3.117 (SGR); ITU-T T.416 for 38 and 48; xterm's 256 colours.
 *
 * @typedef {object} Style
 * @property {string} fore `""`, the name of one of 16 colours such as `ansi-1`, or `#rrggbb`
 * @property {string} back
 * @property {readonly string[]} marks of `bold dim italic underline inverse strike`
 *
 * @typedef {object} Run text in one style
 * @property {string} text
 * @property {Style | null} style null: as all text
 */

// Of control sequences only SGR (colours) and the erasures of progress bars are common in logs;
// of strings that end with BEL or ST, those that set a title or a link.
const CONTROL = /\x1b(?:\[([0-?]*)[ -/]*([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)|[ -/]*[0-~])/g;

/** @type {Record<number, string>} */
const MARKS = {
  1: "bold",
  2: "dim",
  3: "italic",
  4: "underline",
  7: "inverse",
  9: "strike",
};

/** @type {Record<number, string[]>} */
const ENDS = {
  22: ["bold", "dim"],
  23: ["italic"],
  24: ["underline"],
  27: ["inverse"],
  29: ["strike"],
};

/**
 * Return text without terminal control sequences.
 *
 * @param {string} text
 */
export const withoutControls = (text) => (text.includes("\x1b") ? text.replace(CONTROL, "") : text);

/**
 * Cut text into runs of one style, without the sequences that set it.
 *
 * @param {string} text
 * @returns {Run[]}
 */
export function runsOf(text) {
  if (!text.includes("\x1b")) return [{ text, style: null }];
  /** @type {Run[]} */
  const runs = [];
  /** @type {Style | null} */
  let style = null;
  let end = 0;
  const take = (/** @type {number} */ until) => {
    if (until > end) runs.push({ text: text.slice(end, until), style });
  };
  for (const match of text.matchAll(CONTROL)) {
    take(match.index);
    end = match.index + match[0].length;
    if (match[2] === "m") style = styled(style, match[1] ?? "");
  }
  take(text.length);
  return runs;
}

/**
 * @param {Style | null} before
 * @param {string} parameters as `1;38;5;208` or `38:2::1:2:3`
 * @returns {Style | null}
 */
function styled(before, parameters) {
  let { fore, back, marks } = before ?? { fore: "", back: "", marks: [] };
  const codes = parameters.split(";").flatMap((part) => spread(part));
  while (codes.length > 0) {
    const code = codes.shift() ?? 0;
    const mark = MARKS[code];
    if (code === 0) [fore, back, marks] = ["", "", []];
    else if (mark !== undefined) marks = [...new Set([...marks, mark])];
    else if (ENDS[code]) marks = marks.filter((one) => !ENDS[code]?.includes(one));
    else if (code === 38) fore = extended(codes) || fore;
    else if (code === 48) back = extended(codes) || back;
    else if (code === 39) fore = "";
    else if (code === 49) back = "";
    else if (code >= 30 && code < 38) fore = `ansi-${code - 30}`;
    else if (code >= 40 && code < 48) back = `ansi-${code - 40}`;
    else if (code >= 90 && code < 98) fore = `ansi-${code - 82}`;
    else if (code >= 100 && code < 108) back = `ansi-${code - 92}`;
  }
  return fore === "" && back === "" && marks.length === 0 ? null : { fore, back, marks };
}

/** Colons part what belongs together; a colour space may stand between. @param {string} part */
function spread(part) {
  const codes = part.split(":").map(Number);
  if (codes.length > 5 && codes[1] === 2) codes.splice(2, 1);
  if (codes[0] === 4 && codes.length === 2) return codes[1] === 0 ? [24] : [4];
  return codes;
}

/** @param {number[]} codes what follows 38 or 48; taken away */
function extended(codes) {
  const kind = codes.shift();
  if (kind === 5) return indexed(codes.shift() ?? 0);
  if (kind !== 2) return "";
  return hex(codes.splice(0, 3));
}

/** @param {number} index of 256 */
function indexed(index) {
  if (!(index >= 0 && index < 256)) return "";
  if (index < 16) return `ansi-${index}`;
  if (index >= 232) return hex([1, 1, 1].map(() => 8 + (index - 232) * 10));
  const cube = index - 16;
  const parts = [Math.floor(cube / 36), Math.floor(cube / 6) % 6, cube % 6];
  return hex(parts.map((part) => (part === 0 ? 0 : 55 + part * 40)));
}

/** @param {number[]} parts */
function hex(parts) {
  if (parts.length < 3) return "";
  const digits = parts.map((part) => Math.min(255, part || 0).toString(16).padStart(2, "0"));
  return `#${digits.join("")}`;
}

/**
 * Return a colour that can be read on a ground: itself, or nearer to white or black.
 *
 * Source: WCAG 2.2, 1.4.3.
 *
 * @param {string} colour as `#rrggbb`
 * @param {string} ground as `#rrggbb`
 */
export function readable(colour, ground) {
  const far = luminance(ground) > 0.18 ? 0 : 255;
  let parts = partsOf(colour);
  for (let step = 0; step < 12; step += 1) {
    if (contrast(hex(parts), ground) >= 5.2) break;
    parts = parts.map((part) => Math.round(part + (far - part) * 0.2));
  }
  return hex(parts);
}

/** @param {string} colour */
const partsOf = (colour) => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));

/** Source: WCAG 2.2, "relative luminance". @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = partsOf(colour).map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} one @param {string} other */
export function contrast(one, other) {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}
