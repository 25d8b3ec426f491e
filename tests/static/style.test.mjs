/** The style sheet's colours can be read: WCAG 2.2, 1.4.3 (text, 4.5) and 1.4.11 (borders, 3). */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import { HUES } from "../../relay/static/core/palette.js";

const SHEET = readFileSync(new URL("../../relay/static/list.css", import.meta.url), "utf8");
const [, LIGHT = "", DARK = ""] = SHEET.split(/:host \{/);

/** @param {string} block @returns {Record<string, string>} */
function colours(block) {
  const declared = block.slice(0, block.indexOf("}")).matchAll(/--([\w-]+): (#[0-9a-f]{6});/g);
  return Object.fromEntries([...declared].map(([, name, value]) => [name, value]));
}

/** Source: WCAG 2.2, "relative luminance". @param {string} colour */
function luminance(colour) {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** @param {string} one @param {string} other */
function contrast(one, other) {
  const [dark = 0, light = 0] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

const HUE_NAMES = Array.from({ length: HUES }, (_, hue) => `hue-${hue}`);

/** Which colours stand on which grounds. @type {[string[], string[]][]} */
const TEXTS = [
  [
    ["text", "dim", "info", "warn", "error", "fatal", ...HUE_NAMES],
    ["ground", "line-hover"],
  ],
  [
    ["text", "dim", "good", "error", "warn"],
    ["panel", "raised", "chosen", "line-hover"],
  ],
  [["warn", "dim", ...HUE_NAMES], ["warn-ground"]],
  [["error", "dim", ...HUE_NAMES], ["error-ground"]],
  [["fatal", "dim", ...HUE_NAMES], ["fatal-ground"]],
  [["on-accent"], ["accent"]],
  [["on-mark"], ["mark"]],
];

for (const [theme, block] of [
  ["light", LIGHT],
  ["dark", DARK],
]) {
  test(`text can be read in the ${theme}`, () => {
    const known = colours(block ?? "");
    const faint = TEXTS.flatMap(([texts, grounds]) =>
      texts.flatMap((text) =>
        grounds
          .map((ground) => [text, ground, contrast(known[text] ?? "", known[ground] ?? "")])
          .filter(([, , ratio]) => !(Number(ratio) >= 4.5)),
      ),
    );
    assert.deepEqual(faint, []);
  });

  test(`fields and focus can be seen in the ${theme}`, () => {
    const known = colours(block ?? "");
    for (const edge of ["field-border", "accent"]) {
      for (const ground of ["ground", "panel", "raised"]) {
        assert.ok(contrast(known[edge] ?? "", known[ground] ?? "") >= 3, `${edge} on ${ground}`);
      }
    }
  });
}
