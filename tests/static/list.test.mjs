/** Rows, their heights, and the part that is seen. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Heights } from "../../relay/static/core/heights.js";
import { BLOCK_ROWS, Rows } from "../../relay/static/core/rows.js";
import { Viewport } from "../../relay/static/core/viewport.js";

/** @param {number} seed @returns {() => number} from 0 up to, not with, 1 (mulberry32) */
function chance(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let value = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @param {number} first @param {number} end */
const numbered = (first, end) => Array.from({ length: end - first }, (_, at) => `${first + at}`);

test("rows keep their numbers while older ones go", () => {
  const rows = new Rows();
  for (let end = 700; end <= 7000; end += 700) rows.append(numbered(end - 700, end));
  rows.trim(3000, Infinity);
  assert.equal(rows.end, 7000);
  assert.equal(rows.first, 3 * BLOCK_ROWS);
  assert.equal(rows.count, 7000 - 3 * BLOCK_ROWS);
  for (const row of [rows.first, 5000, 6999]) assert.equal(rows.get(row), `${row}`);
  const message = `no row 3071 in 3072..7000`;
  assert.throws(() => rows.get(rows.first - 1), { name: "RangeError", message });
  assert.throws(() => rows.get(7000), { name: "RangeError" });
});

test("text over its measure goes, whatever the number of rows; the newest block stays", () => {
  const rows = new Rows();
  rows.append(Array.from({ length: 5 * BLOCK_ROWS }, () => "0123456789"));
  assert.equal(rows.chars, 51_200);
  rows.trim(Infinity, 30_000);
  assert.equal(rows.chars, 20_480);
  assert.equal(rows.count, 2 * BLOCK_ROWS);
  rows.trim(0, 0);
  assert.equal(rows.count, BLOCK_ROWS);
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
      if (random() < 0.1 && plain.length > 2 * BLOCK_ROWS) {
        heights.dropBefore(heights.first + BLOCK_ROWS);
        plain = plain.slice(BLOCK_ROWS);
      }
      if (random() < 0.05) {
        heights.reset();
        plain = plain.map(() => 20);
      }
    }
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
