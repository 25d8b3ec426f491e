/** The page names its modules at its start, so that the browser asks for all of them at once. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

const ROOT = new URL("../../relay/static/", import.meta.url);
const IMPORT = /^(?:import|export)\b[^;]*?from "(\.[^"]+)";/gms;

/** @param {URL} module @param {Set<string>} known */
function gather(module, known) {
  if (known.has(module.href)) return known;
  known.add(module.href);
  // What only types need is imported in comments.
  const code = readFileSync(module, "utf8").replace(/\/\*\*.*?\*\//gs, "");
  for (const [, path] of code.matchAll(IMPORT)) gather(new URL(path, module), known);
  return known;
}

test("the page names all modules that it needs, and no others", () => {
  const page = readFileSync(new URL("index.html", ROOT), "utf8");
  const named = [...page.matchAll(/modulepreload" href="static\/([^"]+)"/g)].map(([, path]) => path);
  const needed = [...gather(new URL("main.js", ROOT), new Set())].map((href) => href.slice(ROOT.href.length));
  assert.deepEqual(named.sort(), needed.filter((path) => path !== "main.js").sort());
});
