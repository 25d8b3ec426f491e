/** The stream against a real server: what is asked for, what is told, and nothing lost. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { test } from "node:test";

import { history, LogStream, status } from "../../relay/static/client.js";
import { entry, gap, hello } from "./objects.mjs";

/** What one request is answered with. @typedef {(response: import("node:http").ServerResponse) => void} Answer */

/** A stream with a server that gives one answer after the other, and all that happens, in order. */
class Stage {
  /** @type {string[]} */
  asked = [];
  /** @type {object[]} */
  rows = [];
  /** @type {string[]} */
  phases = [];
  /** @type {string[]} */
  reasons = [];
  /** @type {string[]} */
  tokens = [];

  /** @param {Answer[]} answers the last one is held */
  async open(answers, options = {}) {
    this.server = createServer((request, response) => {
      this.asked.push(`${request.url} ${request.headers.accept}`);
      this.tokens.push(request.headers.authorization);
      (answers.length > 1 ? answers.shift() : answers[0])(response);
    });
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.url = `http://127.0.0.1:${this.server.address().port}/logs`;
    this.stream = new LogStream({
      url: this.url,
      query: "channel=web&tail=500",
      transport: "fetch",
      onRows: (rows) => this.rows.push(...rows),
      onConnection: (connection) => this.#changed(connection),
      ...options,
    });
    return this;
  }

  /** Return when `isSo`. @param {() => boolean} isSo */
  async until(isSo) {
    while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 5));
  }

  close() {
    this.stream.close();
    this.server.closeAllConnections();
    this.server.close();
  }

  #changed(connection) {
    this.phases.push(connection.phase);
    // Who waits is told to try at once: the times have their own test.
    if (connection.phase !== "waiting") return;
    this.reasons.push(connection.reason);
    setTimeout(() => this.stream.retry());
  }
}

/** @param {Stage} stage @param {Answer[]} answers */
async function opened(stage, answers, options = {}) {
  await stage.open(answers, options);
  stage.stream.open();
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
  await opened(stage, [
    breaking(text([hello(7), entry(8), entry(9)]) + entry(10).slice(0, 30)),
    breaking(text([hello(9), entry(10), '{"type":"cursor","id":40}'])),
    holding(text([hello(40), gap(50, 2), entry(51)])),
  ]);
  await stage.until(() => stage.rows.length === 5);
  stage.close();
  const lines = [entry(8), entry(9), entry(10), gap(50, 2), entry(51)];
  assert.deepEqual(stage.rows, lines.map((line) => JSON.parse(line)));
  assert.deepEqual(stage.asked, [
    `/logs/api/v1/logs/stream?channel=web&tail=500 ${NDJSON}`,
    `/logs/api/v1/logs/stream?channel=web&after=9 ${NDJSON}`,
    `/logs/api/v1/logs/stream?channel=web&after=40 ${NDJSON}`,
  ]);
  assert.deepEqual(stage.phases, [
    ...["connecting", "live", "waiting"],
    ...["connecting", "live", "waiting"],
    ...["connecting", "live"],
  ]);
  assert.equal(stage.stream.intake.received, 4);
});

test("text cut inside a letter is whole again", async () => {
  const stage = new Stage();
  const bytes = Buffer.from(text([hello(1), entry(2, "größer")]));
  const inside = bytes.indexOf("ö") + 1;
  await opened(stage, [
    (response) => {
      response.write(bytes.subarray(0, inside));
      setTimeout(() => response.write(bytes.subarray(inside)), 20);
    },
  ]);
  await stage.until(() => stage.rows.length === 1);
  stage.close();
  assert.equal(stage.rows[0].message, "größer");
});

test("a wrong parameter is told once, and not asked again", async () => {
  const stage = new Stage();
  await opened(stage, [refusing(400, '{"error":{"code":"c","message":"q: expected less"}}')]);
  await stage.until(() => stage.phases.includes("refused"));
  assert.equal(stage.stream.connection.reason, "q: expected less");
  stage.close();
  assert.deepEqual(stage.phases, ["connecting", "refused"]);
});

test("a channel that is not there yet, and a server that is no relay, are asked again", async () => {
  const stage = new Stage();
  await opened(stage, [
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
  await opened(stage, [breaking(text([hello(1), entry(2)])), refusing(204, "")]);
  await stage.until(() => stage.phases.includes("ended"));
  stage.close();
  assert.equal(stage.asked.length, 2);
});

test("held, it reads no more; released, it goes on where it was", async () => {
  const stage = new Stage();
  let sent = 1;
  let taken = 0;
  await opened(stage, [
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
  stage.stream.hold();
  await stage.until(() => {
    const isStill = sent === taken && sent > 1;
    taken = sent;
    return isStill;
  });
  const { length } = stage.rows;
  assert.ok(length < 10_000, `${length} rows came while it was held`);
  stage.stream.release();
  await stage.until(() => stage.rows.length === 199_999);
  stage.close();
  assert.deepEqual(stage.rows.map((row) => row.id).slice(0, 3), [2, 3, 4]);
});

test("each kind of object has its own listener, and so has what becomes of the connection", async () => {
  /** @type {string[]} */
  const told = [];
  const ending = '{"type":"complete","id":10,"channel":"web","run":"r","status":"succeeded"}';
  const stage = new Stage();
  await opened(
    stage,
    [breaking(text([hello(7), entry(8), gap(9, 2), ending])), refusing(400, '{"error":{"message":"no"}}')],
    {
      onConnect: (hello) => told.push(`connect ${hello.cursor}`),
      onEntry: (one) => told.push(`entry ${one.id}`),
      onGap: (one) => told.push(`gap ${one.count}`),
      onComplete: (one) => told.push(`complete ${one.status}`),
      onDisconnect: (reason, milliseconds) => told.push(`disconnect ${milliseconds > 0}`),
      onError: (error) => told.push(`error ${error.message}`),
    },
  );
  await stage.until(() => stage.phases.includes("refused"));
  stage.close();
  assert.deepEqual(told, [
    ...["connect 7", "entry 8", "gap 2", "complete succeeded", "disconnect true", "error no"],
  ]);
});

test("entries can be iterated, to the end of a run", async () => {
  const stage = new Stage();
  await stage.open([
    breaking(text([hello(1), entry(2), gap(3, 1), entry(4)])),
    breaking(text([hello(4), entry(5)])),
    refusing(204, ""),
  ]);
  const ids = [];
  for await (const one of stage.stream) ids.push(one.id);
  stage.close();
  assert.deepEqual(ids, [2, 4, 5]);
});

test("an iteration ends with the error that ends its stream", async () => {
  const stage = new Stage();
  await stage.open([refusing(400, '{"error":{"message":"q: expected less"}}')]);
  await assert.rejects(async () => {
    for await (const one of stage.stream) assert.fail(one);
  }, { message: "q: expected less" });
  stage.close();
});

test("what the relay is doing is told to who asks", async () => {
  const stage = new Stage();
  const told = new Promise((resolve) => {
    stage.open([holding(text([hello(1)]))], { onStatus: resolve }).then(() => {
      stage.server.removeAllListeners("request");
      stage.server.on("request", (request, response) => {
        if (request.url.endsWith("/status")) response.end('{"version":"1.2.3"}');
        else response.write(text([hello(1)]));
      });
      stage.stream.open();
    });
  });
  assert.deepEqual(await told, { version: "1.2.3" });
  stage.close();
});

test("attempts in vain come to an end where that is wanted", async () => {
  const stage = new Stage();
  await opened(stage, [refusing(502, "")], { maxReconnectAttempts: 2 });
  await stage.until(() => stage.phases.includes("refused"));
  stage.close();
  assert.equal(stage.asked.length, 3);
});

test("a token goes with every question, by header", async () => {
  const stage = new Stage();
  const token = "secret";
  await opened(stage, [holding(text([hello(1), entry(2)]))], { token });
  await stage.until(() => stage.rows.length === 1);
  const relay = { url: stage.url, token };
  stage.server.removeAllListeners("request");
  stage.server.on("request", (request, response) => {
    stage.asked.push(request.url);
    stage.tokens.push(request.headers.authorization);
    response.end("{}");
  });
  await history({ channel: ["a", "b"], before: 7, q: null }, relay);
  await status(relay);
  stage.close();
  assert.deepEqual(stage.tokens, ["Bearer secret", "Bearer secret", "Bearer secret"]);
  assert.deepEqual(stage.asked.slice(1), [
    "/logs/api/v1/logs?channel=a&channel=b&before=7",
    "/logs/api/v1/status",
  ]);
});

test("server-sent events bring the same, however they are cut", async () => {
  const event = (line) => `event: x\nid: 1\ndata: ${line}\n\n`;
  const whole = `retry: 1000\n${[hello(7), entry(8, "data: x"), gap(9, 1)].map(event).join("")}`;
  for (const at of [3, 20, 60, 200]) {
    const stage = new Stage();
    await opened(
      stage,
      [
        (response) => {
          response.write(whole.slice(0, at));
          setTimeout(() => response.write(whole.slice(at)), 10);
        },
      ],
      { transport: "sse" },
    );
    await stage.until(() => stage.rows.length === 2);
    stage.close();
    assert.deepEqual(stage.rows, [entry(8, "data: x"), gap(9, 1)].map((line) => JSON.parse(line)));
    assert.match(stage.asked[0], / text\/event-stream$/);
  }
});

test("pages follow each other by their cursors, each held back by the relay", async () => {
  const page = (logs, cursor, more = {}) =>
    JSON.stringify({ logs, gaps: [], endings: [], count: logs.length, cursor, ...more });
  const stage = new Stage();
  const one = (id) => JSON.parse(entry(id));
  await opened(
    stage,
    [
      refusing(200, page([one(2), one(4)], 4)),
      refusing(200, page([one(6)], 9, { gaps: [JSON.parse(gap(5, 1))] })),
      () => {},
    ],
    { transport: "poll" },
  );
  await stage.until(() => stage.asked.length === 3);
  stage.close();
  assert.deepEqual(stage.rows.map(({ id }) => id), [2, 4, 5, 6]);
  assert.deepEqual(stage.asked.map((one) => one.split(" ")[0]), [
    "/logs/api/v1/logs?channel=web&tail=500",
    "/logs/api/v1/logs?channel=web&after=4&limit=5000&wait=25s",
    "/logs/api/v1/logs?channel=web&after=9&limit=5000&wait=25s",
  ]);
});

test("a stream that something on the way holds back is read by pages, found out by itself", async () => {
  const stage = new Stage();
  await stage.open([() => {}], { transport: "auto" });
  const done = JSON.stringify({
    ...{ logs: [JSON.parse(entry(2))], gaps: [], endings: [], count: 1, cursor: 2 },
  });
  stage.server.removeAllListeners("request");
  stage.server.on("request", (request, response) => {
    const isPage = request.url.startsWith("/logs/api/v1/logs?");
    // A proxy that gathers a stream passes not even its beginning on.
    if (isPage && !request.url.includes("wait=")) response.end(done);
  });
  stage.stream.open();
  await stage.until(() => stage.rows.length === 1);
  assert.equal(stage.stream.transport, "poll");
  assert.equal(stage.stream.connection.phase, "live");
  stage.close();
});
