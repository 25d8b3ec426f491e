/** The feed against a real server: what is asked for, what is told, and nothing lost. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { parseView } from "../../relay/static/core/view.js";
import { Feed } from "../../relay/static/net/feed.js";
import { entry, gap, hello } from "./objects.mjs";

/** What one request is answered with. @typedef {(response: import("node:http").ServerResponse) => void} Answer */

/** A feed with a server that gives one answer after the other, and all that happens, in order. */
class Stage {
  /** @type {string[]} */
  asked = [];
  /** @type {string[]} */
  rows = [];
  /** @type {string[]} */
  phases = [];
  /** @type {string[]} */
  reasons = [];
  started = 0;

  /** @param {Answer[]} answers the last one is held */
  async open(answers, search = "?channel=web") {
    this.server = createServer((request, response) => {
      this.asked.push(`${request.url} ${request.headers.accept}`);
      (answers.length > 1 ? answers.shift() : answers[0])(response);
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.feed = new Feed(`http://127.0.0.1:${this.server.address().port}/logs/api/v1/`, {
      started: () => (this.started += 1),
      received: (rows) => this.rows.push(...rows),
      changed: (connection) => this.#changed(connection),
    });
    this.feed.open(parseView(search));
  }

  /** Return when `isSo`. @param {() => boolean} isSo */
  async until(isSo) {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  close() {
    this.feed.close();
    this.server.closeAllConnections();
    this.server.close();
  }

  #changed(connection) {
    this.phases.push(connection.phase);
    // Who waits is told to try at once: the times have their own test.
    if (connection.phase !== "waiting") return;
    this.reasons.push(connection.reason);
    setTimeout(() => this.feed.retry());
  }
}

/** @param {string[]} lines */
const text = (lines) => lines.map((line) => `${line}\n`).join("");

/** @param {string} body @returns {Answer} answers and stays open */
const holding = (body) => (response) => response.write(body);

/** @param {string} body @returns {Answer} answers and breaks off */
const breaking = (body) => (response) =>
  response.write(body, () => setTimeout(() => response.destroy(), 20));

/** @param {number} status @param {string} body @returns {Answer} */
const refusing = (status, body) => (response) => response.writeHead(status).end(body);

const NDJSON = "application/x-ndjson";

test("a connection cut inside a line is resumed after the last whole one", async () => {
  const stage = new Stage();
  await stage.open([
    breaking(text([hello(7), entry(8), entry(9)]) + entry(10).slice(0, 30)),
    breaking(text([hello(9), entry(10), '{"type":"cursor","id":40}'])),
    holding(text([hello(40), gap(50, 2), entry(51)])),
  ]);
  await stage.until(() => stage.rows.length === 5);
  stage.close();
  assert.deepEqual(stage.rows, [entry(8), entry(9), entry(10), gap(50, 2), entry(51)]);
  assert.deepEqual(stage.asked, [
    `/logs/api/v1/logs/stream?channel=web&tail=500 ${NDJSON}`,
    `/logs/api/v1/logs/stream?channel=web&after=9 ${NDJSON}`,
    `/logs/api/v1/logs/stream?channel=web&after=40 ${NDJSON}`,
  ]);
  assert.equal(stage.started, 1);
  assert.deepEqual(stage.phases, [
    ...["connecting", "live", "waiting"],
    ...["connecting", "live", "waiting"],
    ...["connecting", "live"],
  ]);
  assert.equal(stage.feed.intake.received, 4);
});

test("text cut inside a letter is whole again", async () => {
  const stage = new Stage();
  const bytes = Buffer.from(text([hello(1), entry(2, "größer")]));
  const inside = bytes.indexOf("ö") + 1;
  await stage.open([
    (response) => {
      response.write(bytes.subarray(0, inside));
      setTimeout(() => response.write(bytes.subarray(inside)), 20);
    },
  ]);
  await stage.until(() => stage.rows.length === 1);
  stage.close();
  assert.equal(JSON.parse(stage.rows[0]).message, "größer");
});

test("another view leaves the old stream, and begins when its own has begun", async () => {
  const stage = new Stage();
  let left = false;
  await stage.open([
    (response) => {
      response.on("close", () => (left = true));
      response.write(text([hello(1), entry(2)]));
    },
    holding(text([hello(5), entry(6)])),
  ]);
  await stage.until(() => stage.rows.length === 1);
  stage.feed.open(parseView("?q=x"));
  await stage.until(() => stage.rows.length === 2 && left);
  stage.close();
  assert.equal(stage.started, 2);
  assert.equal(stage.asked[1], `/logs/api/v1/logs/stream?q=x&tail=500 ${NDJSON}`);
});

test("a wrong parameter is told once, and not asked again", async () => {
  const stage = new Stage();
  await stage.open([refusing(400, '{"error":{"code":"c","message":"q: expected less"}}')]);
  await stage.until(() => stage.phases.includes("refused"));
  assert.equal(stage.feed.connection.reason, "q: expected less");
  stage.close();
  assert.deepEqual(stage.phases, ["connecting", "refused"]);
});

test("a channel that is not there yet, and a server that is no relay, are asked again", async () => {
  const stage = new Stage();
  await stage.open([
    refusing(404, '{"error":{"code":"unknown_channel","message":"no channel \'web\'"}}'),
    refusing(502, "<html>"),
    refusing(200, "<html>\n"),
    refusing(200, text([hello(1), '{"type":"error","code":"c","message":"it stops"}'])),
    (response) => response.destroy(),
    holding(text([hello(1), entry(2)])),
  ]);
  await stage.until(() => stage.rows.length === 1);
  stage.close();
  assert.deepEqual(stage.reasons, [
    "no channel 'web'",
    "the server answered 502 Bad Gateway",
    "the answer was no log",
    "it stops",
    "the relay cannot be reached",
  ]);
});

test("a run that is over ends the stream", async () => {
  const stage = new Stage();
  await stage.open([breaking(text([hello(1), entry(2)])), refusing(204, "")]);
  await stage.until(() => stage.phases.includes("ended"));
  stage.close();
  assert.equal(stage.asked.length, 2);
});

test("held, it reads no more; released, it goes on where it was", async () => {
  const stage = new Stage();
  let sent = 1;
  let taken = 0;
  await stage.open([
    (response) => {
      response.write(text([hello(1)]));
      const send = () => {
        while (sent < 200_000) {
          sent += 1;
          if (!response.write(text([entry(sent)]))) return response.once("drain", send);
        }
      };
      send();
    },
  ]);
  stage.feed.hold();
  await stage.until(() => {
    const isStill = sent === taken && sent > 1;
    taken = sent;
    return isStill;
  });
  const { length } = stage.rows;
  assert.ok(length < 10_000, `${length} rows came while it was held`);
  stage.feed.release();
  await stage.until(() => stage.rows.length === 199_999);
  stage.close();
  assert.deepEqual(stage.rows.map((row) => JSON.parse(row).id).slice(0, 3), [2, 3, 4]);
});
