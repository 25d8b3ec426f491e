/** What the page says of the relay's store. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  keepingDetail,
  keepingMore,
  keepingWords,
  size,
} from "../../relay/static/core/keeping.js";

process.env.TZ = "Europe/Berlin";

const NOW = Date.parse("2026-11-21T12:00:00Z");

const STORE = {
  state: "ok",
  since: "2026-11-21T08:47:30.123456789Z",
  reason: null,
  directory: "/var/lib/relay",
  behind_lines: 0,
  behind_bytes: 0,
  free_bytes: 12_345_678_901,
  recovered: [],
};

/** @param {object} changes */
const words = (changes) => {
  const store = { ...STORE, ...changes };
  return `${keepingWords(store, NOW)}|${keepingDetail(store)}`;
};

test("each state has its words", () => {
  assert.equal(words({}), "Keeping lines since 09:47|11.5 GiB free");
  assert.equal(words({ since: "2026-11-19T23:30:00Z" }).split("|")[0], "Keeping lines since 2026-11-20 00:30");
  const behind = { behind_lines: 1200, behind_bytes: 5000, free_bytes: 0 };
  assert.equal(
    words({ state: "failing", reason: "no space left on device", ...behind }),
    "Not keeping lines since 09:47: no space left on device|1,200 lines behind, 4.88 KiB · 0 B free",
  );
  assert.equal(
    words({ state: "catching up", behind_lines: 1, behind_bytes: 9, free_bytes: null }),
    "Keeping lines again since 09:47|1 line behind, 9 B",
  );
  assert.equal(words({ state: "off" }), "|");
});

test("what was mended at the start is told to who looks closer", () => {
  const recovered = ["channel web: 1 line had not reached the disk, and is lost"];
  assert.deepEqual(keepingMore({ ...STORE, recovered }).split("\n"), [
    "/var/lib/relay, since 2026-11-21 09:47:30.123456789 +01:00",
    "At the start: channel web: 1 line had not reached the disk, and is lost",
  ]);
});

test("sizes have three digits", () => {
  const sizes = [0, 999, 1000, 123_456, 5e9, 9e15].map(size);
  assert.deepEqual(sizes, ["0 B", "999 B", "0.977 KiB", "121 KiB", "4.66 GiB", "8190 TiB"]);
});
