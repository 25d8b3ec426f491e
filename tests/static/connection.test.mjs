/** How the page stands with the relay: each step, and how long it waits. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  again,
  begin,
  delay,
  ended,
  lost,
  opened,
  refused,
} from "../../relay/static/core/connection.js";

test("delays double up to half a minute, and are scattered over their second half", () => {
  assert.deepEqual([0, 1, 2, 3, 4].map((attempts) => delay(attempts, 0)), [
    500, 1000, 2000, 4000, 8000,
  ]);
  assert.equal(delay(4, 0.5), 12_000);
  assert.equal(delay(5, 0), 15_000);
  assert.equal(delay(1000, 0.999999), 30_000);
});

test("attempts in vain wait longer each time, and remember when the connection was lost", () => {
  let connection = opened(begin(0), 10);
  connection = lost(connection, "it broke", 60_000, 0);
  assert.deepEqual(connection, {
    phase: "waiting",
    since: 60_000,
    attempts: 1,
    until: 60_500,
    reason: "it broke",
  });
  connection = again(connection);
  assert.deepEqual(connection, {
    phase: "connecting",
    since: 60_000,
    attempts: 1,
    until: 0,
    reason: "it broke",
  });
  connection = lost(connection, "nobody there", 60_600, 0);
  assert.deepEqual(connection, {
    phase: "waiting",
    since: 60_000,
    attempts: 2,
    until: 61_600,
    reason: "nobody there",
  });
});

test("a connection that lived for a while makes attempts count anew; a short one does not", () => {
  const twice = { ...begin(0), attempts: 2 };
  assert.equal(lost(opened(twice, 1000), "", 6000, 0).attempts, 1);
  assert.equal(lost(opened(twice, 1000), "", 5999, 0).attempts, 3);
});

test("a first attempt in vain was lost when it failed", () => {
  assert.equal(lost(begin(0), "", 400, 0).since, 400);
});

test("what was refused or is over says so", () => {
  const { phase, reason } = refused(begin(0), "q: too long", 5);
  assert.deepEqual([phase, reason], ["refused", "q: too long"]);
  assert.equal(ended(opened(begin(0), 1), 5).phase, "ended");
});
