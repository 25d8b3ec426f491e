/** The page names its modules at its start, so that the browser asks for all of them at once. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../relay/static/", import.meta.url);
const IMPORT = /^(?:import|export)\b[^;]*?from "(\.[^"]+)";/gms;
const NAMED = /(?:modulepreload" href|module" src)="static\/([^"]+)"/g;

/** @param {URL} module @param {Set<string>} known */
function gather(module, known) {
  if (known.has(module.href)) return known;
  known.add(module.href);
  // What only types need is imported in comments.
  const code = readFileSync(module, "utf8").replace(/\/\*\*.*?\*\//gs, "");
  for (const [, path] of code.matchAll(IMPORT)) gather(new URL(path, module), known);
  return known;
}

/** @param {string} name of a module @returns {string[]} all that it needs, and itself */
const needs = (name) =>
  [...gather(new URL(name, ROOT), new Set())].map((href) => href.slice(ROOT.href.length));

/** @param {string} part of the page */
const named = (part) => [...part.matchAll(NAMED)].map(([, path]) => path);

const PAGE = readFileSync(new URL("index.html", ROOT), "utf8");
const [AT_ONCE = "", LATER = ""] = PAGE.split('<template class="later">');

test("the page names all modules that its lines need, and no others", () => {
  assert.deepEqual(named(AT_ONCE).sort(), [...new Set(needs("main.js"))].sort());
});

test("what asks for the first lines is named before all else", () => {
  const first = needs("first.js");
  assert.deepEqual(named(AT_ONCE).slice(0, first.length).sort(), first.sort());
});

test("what stands around the lines is named apart, to be asked for after them", () => {
  const atOnce = needs("main.js");
  const later = needs("ui/controls.js").filter((path) => !atOnce.includes(path));
  assert.deepEqual(named(LATER).sort(), later.sort());
});
