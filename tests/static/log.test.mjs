/** The log of a view against a real server: history before, the stream behind, filters between. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { parseView } from "../../relay/static/core/view.js";
import { LiveLog } from "../../relay/static/net/log.js";
import { entry, gap, hello, row, rows } from "./objects.mjs";

/** @param {object[]} logs @param {object} [more] */
const page = (logs, more = {}) =>
  JSON.stringify({ logs, gaps: [], endings: [], count: logs.length, cursor: 0, truncated: false, ...more });

/** Return a log whose relay gives a stream and pages, and all that was asked. */
async function stage(stream, answer) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url.replace("/api/v1/", ""));
    if (request.url.includes("/logs/stream")) response.write(`${stream().join("\n")}\n`);
    else response.end(answer(new URL(request.url, "http://x").searchParams));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const told = [];
  const log = new LiveLog({ url: `http://127.0.0.1:${server.address().port}/` }, {
    started: () => told.push("started"),
    grown: () => told.push("grown"),
    prepended: (count) => told.push(`prepended ${count}`),
    replaced: () => told.push("replaced"),
    changed: () => {},
  });
  const until = async (isSo) => {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  const close = () => {
    log.close();
    server.closeAllConnections();
    server.close();
  };
  return { log, asked, told, until, close };
}

const ids = (log) => log.store.objects(log.store.first, log.store.end).map(({ id }) => id);

test("older rows come before those of the stream, until there are none", async () => {
  const { log, asked, until, close } = await stage(
    () => [hello(99), entry(100), entry(101)],
    (query) => page(query.get("before") === "100" ? rows(98, 100) : [], { truncated: query.get("before") === "100" }),
  );
  log.show(parseView("?channel=web"), false);
  await until(() => log.store.count === 2);
  await log.loadOlder(0);
  assert.deepEqual(ids(log), [98, 99, 100, 101]);
  await log.loadOlder(0);
  assert.equal(log.hasOlder, false);
  await log.loadOlder(0);
  close();
  assert.deepEqual(asked, [
    "logs/stream?channel=web&tail=500",
    "logs?channel=web&before=100&limit=1000",
    "logs?channel=web&before=98&limit=5000",
  ]);
});

test("a filter of the page asks history for what matches, which goes with the filter", async () => {
  const { log, asked, told, until, close } = await stage(
    () => [hello(99), entry(100), entry(101)],
    () => page([row(50), row(70)], { truncated: true }),
  );
  assert.equal(log.show(parseView("?channel=web"), false), true);
  await until(() => log.store.count === 2);
  assert.equal(log.show(parseView("?channel=web&q=x"), false), false);
  await log.loadOlder(0);
  assert.deepEqual(ids(log), [50, 70, 100, 101]);
  assert.equal(asked.at(-1), "logs?channel=web&q=x&before=100&limit=1000");
  assert.equal(log.show(parseView("?channel=web&q=y"), false), false);
  assert.deepEqual(ids(log), [100, 101]);
  assert.equal(log.hasOlder, true);
  close();
  assert.deepEqual(told.filter((one) => one !== "grown"), ["started", "prepended 2"]);
});

test("where it is busy the relay filters, also when it begins anew", async () => {
  const { log, asked, until, close } = await stage(() => [hello(1), entry(2)], () => page([]));
  log.show(parseView("?channel=web&q=x&level=warn"), true);
  await until(() => log.store.count === 1);
  log.reopen();
  await until(() => asked.length === 2);
  close();
  const query = "logs/stream?channel=web&level=warn&q=x&tail=500";
  assert.deepEqual(asked, [query, query]);
});

test("an entry is opened among those around it, and the stream goes on behind them", async () => {
  const { log, asked, until, close } = await stage(
    () => [hello(60), entry(61)],
    (query) =>
      query.has("before")
        ? page([row(48), row(50)], { truncated: true })
        : page([row(51), row(60)], { cursor: 60 }),
  );
  log.show(parseView("?channel=web&at=50"), false);
  await until(() => log.store.count === 5);
  close();
  assert.deepEqual(ids(log), [48, 50, 51, 60, 61]);
  assert.deepEqual(asked.toSorted?.() ?? [...asked].sort(), [
    "logs/stream?channel=web&after=60",
    "logs?channel=web&after=50&limit=300",
    "logs?channel=web&before=51&limit=300",
  ]);
});

test("of a gap comes what history has, and it counts as missed no more", async () => {
  const { log, asked, told, until, close } = await stage(
    () => [hello(1), entry(2), gap(9, 7), entry(10)],
    () => page([row(3), row(4)], { truncated: true, cursor: 4 }),
  );
  log.show(parseView("?channel=web"), false);
  await until(() => log.store.count === 3);
  assert.equal(log.intake.missed.count, 7);
  assert.equal(await log.fill(9), 2);
  assert.deepEqual(ids(log), [2, 3, 4, 9, 10]);
  assert.equal(log.store.object(log.store.rowOfId(9)).count, 5);
  assert.equal(log.intake.missed.count, 5);
  close();
  assert.equal(asked.at(-1), "logs?channel=web&after=1&before=10&limit=5000");
  assert.equal(told.at(-1), "replaced");
});
