/** Rows, their heights, and the part that is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Heights } from "../../relay/static/core/heights.js";
import { filterOf, matcherOf, NOTHING } from "../../relay/static/core/filter.js";
import { Listing } from "../../relay/static/core/listing.js";
import { Scale } from "../../relay/static/core/scale.js";
import { BLOCK_ROWS, Store } from "../../relay/static/core/store.js";
import { Viewport } from "../../relay/static/core/viewport.js";
import { gap, row, rows } from "./objects.mjs";

/** @param {number} seed @returns {() => number} from 0 up to, not with, 1 (mulberry32) */
function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

test("rows come back as they came", () => {
  const store = new Store();
  const objects = [
    row(1, { level: "error", stream: "stderr", instance: "web-1", run: "web-1.a" }),
    row(2, { message: "one\ntwo ü €", part: true }),
    JSON.parse(gap(3, 7)),
    row(4, { fields: { user: "x" }, level: "unknown", timestamp: "2026-11-21T09:47:30.000000001Z" }),
    { type: "complete", id: 5, channel: "web", run: "web-1.a", status: "failed", exit_code: 3,
      timestamp: "2026-11-21T09:47:31.000000000Z", signal: null },
  ];
  store.append(objects);
  assert.deepEqual(store.objects(0, 5), objects);
  store.append(rows(6, 6 + 2 * BLOCK_ROWS));
  assert.deepEqual(store.objects(0, 5), objects);
  assert.deepEqual(store.object(store.end - 1), row(5 + 2 * BLOCK_ROWS));
  assert.equal(store.isFirstOfRun(0), true);
});

test("rows keep their numbers while others come before them and leave at both ends", () => {
  const store = new Store();
  for (let end = 10_700; end <= 17_000; end += 700) store.append(rows(end - 700, end));
  store.trim(3000, Infinity);
  assert.equal(store.end, 7000);
  assert.equal(store.first, 3 * BLOCK_ROWS);
  assert.equal(store.message(5000), "line 15000");
  store.prepend(rows(9000, 9000 + store.first + 100));
  assert.equal(store.first, -100);
  assert.equal(store.message(5000), "line 15000");
  assert.equal(store.message(-100), "line 9000");
  assert.equal(store.rowOfId(15_000), 5000);
  assert.equal(store.rowOfId(1), store.first);
  assert.equal(store.rowOfId(99_999), 7000);
  store.dropBefore(4000);
  assert.equal(store.first, 4000);
  assert.equal(store.message(4000), "line 14000");
  assert.equal(store.trimEnd(2000, Infinity, 4100), true);
  assert.equal(store.end, 5 * BLOCK_ROWS);
  store.append(rows(50_000, 50_002));
  assert.equal(store.message(5 * BLOCK_ROWS + 1), "line 50001");
  const message = `no row 3999 in 4000..${store.end}`;
  assert.throws(() => store.id(3999), { name: "RangeError", message });
});

test("bytes are counted, and text over its measure goes; the newest block stays", () => {
  const store = new Store();
  store.append(rows(0, 5 * BLOCK_ROWS, () => ({ message: "0123456789".repeat(10) })));
  assert.ok(Math.abs(store.bytes / (5 * BLOCK_ROWS) - 145) < 5, `${store.bytes}`);
  store.trim(Infinity, 2.5 * BLOCK_ROWS * 145);
  assert.equal(store.count, 2 * BLOCK_ROWS);
  store.trim(0, 0);
  assert.equal(store.count, BLOCK_ROWS);
});

test("what history has is put in the place of a gap, in the order of ids", () => {
  const store = new Store();
  store.append([row(1), row(5, { channel: "db" }), JSON.parse(gap(8, 3)), ...rows(9, 2000)]);
  store.merge(2, [row(2), row(6), row(8)]);
  assert.deepEqual(store.objects(store.first, 5).map(({ id }) => id), [1, 2, 5, 6, 8, 9, 10]);
  assert.equal(store.message(4), "line 10");
  store.append([row(3000)]);
  assert.equal(store.message(store.end - 1), "line 3000");
});

/** @param {Store} store @param {string} text */
const containing = (store, text) =>
  filterOf(store, { ...NOTHING, texts: [matcherOf(text)] });

test("a listing shows what a filter takes, found from the newest to the oldest", () => {
  const store = new Store();
  store.append(rows(0, 3000));
  const listing = new Listing(store, containing(store, "LINE 29"));
  assert.equal(listing.look(() => true), 100);
  assert.equal(listing.isComplete, false);
  assert.equal(listing.look(() => false), 11);
  assert.equal(listing.isComplete, true);
  assert.deepEqual([listing.first, listing.end], [-111, 0]);
  assert.equal(listing.row(-111), 29);
  assert.equal(listing.row(-1), 2999);
  store.append(rows(3000, 6000, (id) => ({ message: id % 2 ? "line 29" : "other" })));
  assert.equal(listing.grow(), 1500);
  assert.equal(listing.row(0), 3001);
  assert.equal(listing.place(2950), -50);
  assert.equal(listing.place(5999), 1499);
  store.trim(100, Infinity);
  listing.cut();
  assert.equal(listing.row(listing.first) >= store.first, true);
  assert.equal(listing.row(listing.end - 1), 5999);
  store.prepend(rows(100, 200, () => ({ message: "a line 29" })));
  assert.equal(listing.look(() => false), 100);
  assert.equal(listing.row(listing.first), store.first);
});

test("a filter looks at text, levels and streams; gaps are shown beside any", () => {
  const store = new Store();
  store.append([
    row(1, { message: "GET /a\nslow", level: "warn" }),
    row(2, { message: "get /b", level: "error", stream: "stderr" }),
    JSON.parse(gap(3, 1)),
    row(4, { message: "x.y", level: "error" }),
  ]);
  const [block] = store.blocks;
  const taken = (conditions, isMatch = false) =>
    filterOf(store, { ...NOTHING, ...conditions }, isMatch).select(block, 0, 4);
  for (const seal of [() => {}, () => block.seal()]) {
    seal();
    assert.deepEqual(taken({ texts: [matcherOf("get")] }), [0, 1, 2]);
    assert.deepEqual(taken({ texts: [matcherOf("get")] }, true), [0, 1]);
    assert.deepEqual(taken({ texts: [matcherOf(".")] }), [2, 3]);
    assert.deepEqual(taken({ texts: [matcherOf("/^slow$/")] }), [0, 2]);
    assert.deepEqual(taken({ texts: [matcherOf("get"), matcherOf("slow")] }), [0, 2]);
    assert.deepEqual(taken({ excluded: [matcherOf("get")] }), [2, 3]);
    assert.deepEqual(taken({ levels: ["error"] }), [1, 2, 3]);
    assert.deepEqual(taken({ levels: ["error"], streams: ["stderr"] }), [1, 2]);
  }
  assert.equal(filterOf(store, NOTHING), null);
  assert.equal(matcherOf("/(/"), null);
  assert.equal(matcherOf(""), null);
});

test("a list that is too high to be laid out is scrolled in proportion, or by steps", () => {
  const scale = new Scale(10_000);
  [scale.total, scale.height] = [5000, 100];
  assert.deepEqual([scale.isScaled, scale.shown, scale.toScroll(77)], [false, 5000, 77]);
  scale.total = 100_100;
  assert.deepEqual([scale.isScaled, scale.shown], [true, 10_000]);
  assert.equal(scale.toScroll(100_000), 9900);
  assert.equal(scale.toPlace(4950, 0, 0), 50_000);
  assert.equal(scale.toPlace(4970, 4950, 50_000), 50_020);
  assert.equal(scale.isStuck(0, 50_000), true);
  assert.equal(scale.isStuck(5000, 50_000), false);
});

test("heights agree with a plain sum over any history of rows", () => {
  for (let seed = 1; seed <= 20; seed += 1) {
    const random = chance(seed);
    const heights = new Heights(20);
    /** @type {number[]} */
    let plain = [];
    for (let step = 0; step < 60; step += 1) {
      const more = Math.floor(random() * 500);
      heights.append(more);
      plain.push(...Array.from({ length: more }, () => 20));
      for (let change = 0; change < 20 && plain.length > 0; change += 1) {
        const index = Math.floor(random() * plain.length);
        plain[index] = 20 + Math.floor(random() * 200) / 4;
        heights.set(heights.first + index, plain[index]);
      }
      if (random() < 0.1) {
        const less = Math.floor(random() * plain.length);
        heights.dropBefore(heights.first + less);
        plain = plain.slice(less);
      }
      if (random() < 0.1) {
        const left = Math.floor(random() * plain.length);
        heights.dropFrom(heights.first + left);
        plain = plain.slice(0, left);
      }
      if (random() < 0.1) {
        const older = Math.floor(random() * 1500);
        heights.prepend(older);
        plain = [...Array.from({ length: older }, () => 20), ...plain];
      }
      if (random() < 0.05) {
        heights.reset();
        plain = plain.map(() => 20);
      }
    }
    if (plain.length === 0) continue;
    const tops = [0];
    for (const height of plain) tops.push((tops.at(-1) ?? 0) + height);
    assert.equal(heights.total, tops.at(-1));
    for (let look = 0; look < 200; look += 1) {
      const index = Math.floor(random() * plain.length);
      const row = heights.first + index;
      assert.equal(heights.top(row), tops[index]);
      assert.equal(heights.height(row), plain[index]);
      assert.equal(heights.rowAt(tops[index]), row);
      assert.equal(heights.rowAt(tops[index + 1] - 0.125), row);
    }
    const end = heights.first + plain.length;
    assert.equal(heights.top(end), heights.total);
    assert.equal(heights.rowAt(-1), heights.first);
    assert.equal(heights.rowAt(heights.total + 1), end - 1);
  }
});

/** @param {number} count @param {number} height */
function viewport(count, height) {
  const heights = new Heights(20);
  heights.append(count);
  const view = new Viewport(heights);
  view.height = height;
  return { heights, view };
}

test("at the tail the end is seen, whatever comes and goes", () => {
  const { heights, view } = viewport(3 * BLOCK_ROWS, 100);
  assert.equal(view.top, 3 * BLOCK_ROWS * 20 - 100);
  heights.append(10);
  heights.set(3 * BLOCK_ROWS + 9, 50);
  assert.equal(view.top, heights.total - 100);
  heights.dropBefore(BLOCK_ROWS);
  assert.equal(view.top, heights.total - 100);
  assert.deepEqual(view.rows(0), { first: 3 * BLOCK_ROWS + 6, end: 3 * BLOCK_ROWS + 10 });
});

test("pinned, the row at the top keeps its place while rows come, grow and go", () => {
  const { heights, view } = viewport(3 * BLOCK_ROWS, 100);
  view.pin(1500 * 20 + 7);
  assert.equal(view.isFollowing, false);
  heights.append(1000);
  assert.equal(view.top, 30_007);
  heights.set(1400, 60);
  assert.equal(view.top, 30_047);
  heights.dropBefore(BLOCK_ROWS);
  assert.equal(view.top, (1500 - BLOCK_ROWS) * 20 + 47);
  heights.dropBefore(2 * BLOCK_ROWS);
  assert.equal(view.top, 0);
  view.follow();
  assert.equal(view.top, heights.total - 100);
});

test("fewer rows than fit begin at the top", () => {
  const { view } = viewport(2, 100);
  assert.equal(view.top, 0);
  assert.deepEqual(view.rows(400), { first: 0, end: 2 });
  assert.deepEqual(viewport(0, 100).view.rows(400), { first: 0, end: 0 });
});

test("the end is seen when less than half a line is hidden", () => {
  const { view } = viewport(100, 100);
  assert.equal(view.isAtEnd(1889), false);
  assert.equal(view.isAtEnd(1890), true);
});
