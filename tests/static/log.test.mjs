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

/**
 * Return a log whose relay gives a stream and pages, and all that was asked.
 *
 * @param {() => string[]} stream
 * @param {(query: URLSearchParams) => string} answer a page, also the first; empty: a refusal
 * @param {(query: string) => Promise<object> | null} [early]
 */
async function stage(stream, answer, early) {
  const asked = [];
  const server = createServer((request, response) => {
    asked.push(request.url.replace("/api/v1/", ""));
    if (request.url.includes("/logs/stream")) response.write(`${stream().join("\n")}\n`);
    else {
      const text = answer(new URL(request.url, "http://x").searchParams);
      response.writeHead(text === "" ? 503 : 200).end(text);
    }
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
  }, early);
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

/** What a view begins with. */
const FIRST = page([row(100), row(101)], { cursor: 101 });

test("a page comes first, behind it the stream, before it the rest and then older rows", async () => {
  /** @type {Record<string, [number, number]>} by the id before which they are */
  const older = { 100: [96, 100], 96: [90, 96], 90: [90, 90] };
  const { log, asked, told, until, close } = await stage(
    () => [hello(101), entry(102)],
    (query) => {
      if (!query.has("before")) return page([row(100), row(101)], { truncated: true, cursor: 101 });
      const [first, end] = older[query.get("before")];
      return page(rows(first, end), { truncated: first < end });
    },
  );
  log.show(parseView("?channel=web&tail=200"), false);
  await until(() => log.store.count === 7 && !log.isLoading);
  assert.equal(log.intake.received, 7);
  assert.equal(log.intake.cursor, 102);
  assert.deepEqual(told.filter((one) => one !== "grown"), ["started", "prepended 4"]);
  await log.loadOlder(0);
  assert.deepEqual(ids(log), [90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100, 101, 102]);
  await log.loadOlder(0);
  assert.equal(log.hasOlder, false);
  await log.loadOlder(0);
  close();
  assert.deepEqual(asked, [
    "logs?channel=web&tail=150",
    "logs/stream?channel=web&after=101",
    "logs?channel=web&before=100&tail=198",
    "logs?channel=web&before=96&tail=1000",
    "logs?channel=web&before=90&tail=5000",
  ]);
});

test("a first page that was asked before is taken, once", async () => {
  let taken = 0;
  const { log, asked, until, close } = await stage(
    () => [hello(101), entry(102)],
    () => FIRST,
    (query) => {
      assert.equal(query, "channel=web&tail=150");
      taken += 1;
      return taken === 1 ? Promise.resolve(JSON.parse(FIRST)) : null;
    },
  );
  log.show(parseView("?channel=web"), false);
  await until(() => log.store.count === 3);
  assert.deepEqual(asked, ["logs/stream?channel=web&after=101"]);
  log.reopen();
  await until(() => asked.length === 3);
  close();
  assert.deepEqual(asked.slice(1), ["logs?channel=web&tail=150", "logs/stream?channel=web&after=101"]);
});

test("where the first page does not come, the stream brings what it had", async () => {
  const { log, asked, until, close } = await stage(() => [hello(99), entry(100)], () => "");
  log.show(parseView("?channel=web"), false);
  await until(() => log.store.count === 1);
  close();
  assert.deepEqual(asked, ["logs?channel=web&tail=150", "logs/stream?channel=web&tail=500"]);
});

test("a filter of the page asks history for what matches, which goes with the filter", async () => {
  const { log, asked, told, until, close } = await stage(
    () => [hello(101)],
    (query) => (!query.has("before") ? FIRST : page([row(50), row(70)], { truncated: true })),
  );
  assert.equal(log.show(parseView("?channel=web"), false), true);
  await until(() => log.store.count === 2);
  // As after some of them have left.
  log.hasOlder = true;
  assert.equal(log.show(parseView("?channel=web&q=x"), false), false);
  await log.loadOlder(0);
  assert.deepEqual(ids(log), [50, 70, 100, 101]);
  assert.equal(asked.at(-1), "logs?channel=web&q=x&before=100&tail=1000");
  assert.equal(log.show(parseView("?channel=web&q=y"), false), false);
  assert.deepEqual(ids(log), [100, 101]);
  assert.equal(log.hasOlder, true);
  close();
  assert.deepEqual(told.filter((one) => one !== "grown"), ["started", "prepended 2"]);
});

test("where it is busy the relay filters, also when it begins anew", async () => {
  const { log, asked, until, close } = await stage(() => [hello(101)], () => FIRST);
  log.show(parseView("?channel=web&q=x&level=warn"), true);
  await until(() => asked.length === 2);
  log.reopen();
  await until(() => asked.length === 4);
  close();
  const query = "channel=web&level=warn&q=x";
  const each = [`logs?${query}&tail=150`, `logs/stream?${query}&after=101`];
  assert.deepEqual(asked, [...each, ...each]);
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
    "logs?channel=web&before=51&tail=300",
  ]);
});

test("of a gap comes what history has, and it counts as missed no more", async () => {
  const { log, asked, told, until, close } = await stage(
    () => [hello(2), gap(9, 7), entry(10)],
    (query) =>
      !query.has("before")
        ? page([row(2)], { cursor: 2 })
        : page([row(3), row(4)], { truncated: true, cursor: 4 }),
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
