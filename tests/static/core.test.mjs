/** The page's core: values, words and places, without a document. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Intake } from "../../relay/static/core/intake.js";
import { contrast, readable, runsOf, withoutControls } from "../../relay/static/core/ansi.js";
import { matcherOf, pieces } from "../../relay/static/core/filter.js";
import { conditionOf, containersByChannel, projectOf } from "../../relay/static/core/containers.js";
import { grouped, isAmong, stateOf } from "../../relay/static/core/groups.js";
import { segmentsOf } from "../../relay/static/core/segments.js";
import { leavesOf, objectIn } from "../../relay/static/core/tree.js";
import { troubles } from "../../relay/static/core/trouble.js";
import { ObjectReader } from "../../relay/static/core/wire.js";
import { HUES, Palette } from "../../relay/static/core/palette.js";
import { Pace } from "../../relay/static/core/pace.js";
import { whyEmpty } from "../../relay/static/core/notice.js";
import { begin, lost, opened, refused } from "../../relay/static/core/connection.js";
import {
  connectionDetail,
  connectionWords,
  endingSentence,
  gapSentence,
  missedWords,
  rate,
} from "../../relay/static/core/sentences.js";
import {
  age,
  clock,
  day,
  dayNumber,
  full,
  nanosOf,
  timestampOf,
} from "../../relay/static/core/times.js";
import {
  EVERYTHING,
  isFiltered,
  isMixed,
  parseView,
  streamQuery,
  unfiltered,
  viewParameters,
  wholeQuery,
} from "../../relay/static/core/view.js";
import { entry, gap, hello } from "./objects.mjs";

process.env.TZ = "Europe/Berlin";

test("objects are read alike, however the text is split", () => {
  const text = '{"a":1}\n{"b":"ü"}\n\n{"c"';
  for (let size = 1; size <= text.length; size += 1) {
    const reader = new ObjectReader();
    const objects = [];
    for (let at = 0; at < text.length; at += size) {
      objects.push(...reader.feed(text.slice(at, at + size)));
    }
    assert.deepEqual(objects, [{ a: 1 }, { b: "ü" }]);
    assert.deepEqual(reader.feed(":2}\n"), [{ c: 2 }]);
  }
});

const parsed = (/** @type {string[]} */ ...lines) => lines.map((line) => JSON.parse(line));

test("rows are entries, gaps and endings; the cursor is the last id of anything", () => {
  const intake = new Intake();
  assert.deepEqual(intake.take(parsed(hello(7))), []);
  assert.equal(intake.cursor, 7);
  const ending = '{"type":"complete","id":12,"channel":"web","run":"r"}';
  const rows = parsed(entry(8), entry(9), gap(11, 3), ending);
  assert.deepEqual(intake.take(rows), rows);
  assert.equal(intake.cursor, 12);
  assert.deepEqual(intake.take(parsed(entry(13), '{"type":"cursor","id":20}')), parsed(entry(13)));
  assert.equal(intake.cursor, 20);
  assert.deepEqual(intake.take(parsed(entry(21))), parsed(entry(21)));
  assert.equal(intake.cursor, 21);
  assert.equal(intake.received, 4);
});

test("a relay that ends a stream is heard, and the cursor stays", () => {
  const intake = new Intake();
  intake.take(parsed(hello(7), entry(8), '{"type":"error","code":"c","message":"it stops"}'));
  assert.equal(intake.failure, "it stops");
  assert.equal(intake.cursor, 8);
});

test("what is missed is counted; what nobody can count makes it a least number", () => {
  const intake = new Intake();
  intake.take(parsed(gap(5, 3), gap(6, 4)));
  assert.deepEqual(intake.missed, { count: 7, isLeast: false });
  intake.take(parsed(gap(7, null, 2), gap(8, 1)));
  assert.deepEqual(intake.missed, { count: 10, isLeast: true });
  assert.equal(missedWords({ count: 0, isLeast: false }), "0 missed");
  assert.equal(missedWords({ count: 1234, isLeast: false }), "1,234 missed");
  assert.equal(missedWords({ count: 10, isLeast: true }), "at least 10 missed");
  assert.equal(missedWords({ count: 0, isLeast: true }), "some may be missed");
});

test("a view survives its URL", () => {
  const search =
    "?channel=web,job-%2A&channel=db&q=a+b%26c%25&exclude=%2Fx%2Cy%2F&level=error,warn&stream=stderr" +
    "&instance=i-1&run=r.*&field=card.kind:visa&field=a:b&since=10m&until=2026-11-21T09:00:00Z" +
    "&find=%2Ffo%2Bo%2F&at=17&tail=all&time=utc&wrap=0&view=status&other=1";
  const view = parseView(search);
  assert.deepEqual(view, {
    channels: ["db", "job-*", "web"],
    q: "a b&c%",
    exclude: "/x,y/",
    levels: ["warn", "error"],
    streams: ["stderr"],
    instances: ["i-1"],
    runs: ["r.*"],
    fields: ["a:b", "card.kind:visa"],
    since: "10m",
    until: "2026-11-21T09:00:00Z",
    find: "/fo+o/",
    at: 17,
    tail: 0,
    time: "utc",
    wrap: false,
    page: "status",
  });
  assert.deepEqual(parseView(`?${viewParameters(view)}`), view);
  assert.deepEqual(parseView(""), EVERYTHING);
  assert.deepEqual(parseView("?level=loud&channel=,&q=&at=x&tail=-1&field=x"), EVERYTHING);
  assert.deepEqual(parseView("?min_level=error").levels, ["error", "fatal"]);
  assert.deepEqual(parseView("?regex=a%7Cb").q, "/a|b/");
  assert.equal(viewParameters(EVERYTHING), "");
});

test("the relay is asked for what a page cannot decide, and for all where it is busy", () => {
  const view = parseView("?channel=web&q=x&level=warn&run=r&find=y&at=7");
  assert.equal(streamQuery(view, false), "channel=web&run=r");
  assert.equal(streamQuery(view, true), "channel=web&level=warn&run=r&q=x");
  assert.equal(streamQuery(parseView("?q=/a|b/&level=warn"), false), "level=warn&regex=a%7Cb");
  assert.equal(wholeQuery(view), "channel=web&level=warn&run=r&q=x");
  assert.equal(isFiltered(parseView("?channel=web&find=y")), false);
  assert.equal(isFiltered(view), true);
  assert.equal(viewParameters(unfiltered(view)), "channel=web&find=y&at=7");
});

test("lines name their channel where several may come", () => {
  assert.equal(isMixed(EVERYTHING), true);
  assert.equal(isMixed(parseView("?channel=web")), false);
  assert.equal(isMixed(parseView("?channel=job-*")), true);
  assert.equal(isMixed(parseView("?channel=web,db")), true);
});

test("gaps and endings are told in a sentence", () => {
  const sentence = (/** @type {string} */ line) => gapSentence(JSON.parse(line));
  const why = "they left the relay’s memory before this page read them";
  assert.equal(sentence(gap(5, 1)), `1 line missing: ${why}`);
  assert.equal(sentence(gap(5, 12345)), `12,345 lines missing: ${why}`);
  assert.equal(sentence(gap(5, null, 3)), `At least 3 lines missing: ${why}`);
  assert.equal(sentence(gap(5, null)), `Lines may be missing: ${why}`);
  assert.equal(sentence(gap(5, 2, 2, "moon")), "2 lines missing: moon");
  const ending = { run: "job-1", status: "killed", exit_code: null, signal: "SIGKILL" };
  assert.equal(endingSentence(ending), "Run job-1 has ended: killed by SIGKILL");
  const failed = { run: "job-1", status: "failed", exit_code: 3, signal: null };
  assert.equal(endingSentence(failed), "Run job-1 has ended: failed, exit code 3");
});

test("rates keep to three digits or so", () => {
  const rates = [0.3, 9.96, 12.4, 999, 1234, 99_940, 123_456].map(rate);
  assert.deepEqual(rates, ["0.3/s", "10/s", "12/s", "999/s", "1.2k/s", "99.9k/s", "123k/s"]);
});

test("the pace is that of the last looks, and counts anew with the lines", () => {
  const pace = new Pace();
  const looks = [[100, 0], [200, 500], [300, 1000], [300, 1500], [300, 2000], [50, 2500]];
  const paces = looks.map(([count = 0, now = 0]) => pace.look(count, now));
  assert.deepEqual(paces, [0, 200, 200, 400 / 3, 200 / 3, 0]);
});

test("times are in the zone of who looks or in UTC, with all their digits", () => {
  const timestamp = "2026-11-21T23:07:05.004567891Z";
  const time = Date.parse(timestamp);
  assert.equal(clock(time), "00:07:05.004");
  assert.equal(clock(time, "utc"), "23:07:05.004");
  assert.equal(full(timestamp), "2026-11-22 00:07:05.004567891 +01:00");
  assert.equal(full(timestamp, "utc"), "2026-11-21 23:07:05.004567891 UTC");
  assert.equal(day(time), "Sunday 22 November 2026");
  assert.equal(day(time, "utc"), "Saturday 21 November 2026");
  assert.equal(dayNumber(time) - dayNumber(time, "utc"), 1);
  assert.equal(timestampOf(time, nanosOf(timestamp)), timestamp);
});

test("an age has one unit", () => {
  const ages = [-5000, 1999, 12_000, 3_599_000, 7_200_000, 200_000_000].map(age);
  assert.deepEqual(ages, ["now", "now", "12 s", "59 min", "2 h", "2 d"]);
});

test("control sequences are not shown, all else is", () => {
  assert.equal(withoutControls("\x1b[1;32mok\x1b[0m \x1b[2K[done]"), "ok [done]");
  assert.equal(withoutControls("[32m is text"), "[32m is text");
  assert.equal(withoutControls("\x1b]8;;http://x\x1b\\link\x1b]8;;\x07"), "link");
});

test("terminal colours: 16, 256 and true colour, with their styles", () => {
  const styles = (text) =>
    runsOf(text).map(({ text: piece, style }) => [
      piece,
      style && [style.fore, style.back, ...style.marks].filter((word) => word !== "").join(" "),
    ]);
  assert.deepEqual(styles("a\x1b[31mb\x1b[1;4mc\x1b[39md\x1b[22me\x1b[mf"), [
    ["a", null],
    ["b", "ansi-1"],
    ["c", "ansi-1 bold underline"],
    ["d", "bold underline"],
    ["e", "underline"],
    ["f", null],
  ]);
  assert.deepEqual(styles("\x1b[38;5;208ma\x1b[48;5;4;97mb\x1b[0;38;5;244mc"), [
    ["a", "#ff8700"],
    ["b", "ansi-15 ansi-4"],
    ["c", "#808080"],
  ]);
  assert.deepEqual(styles("\x1b[38;2;1;2;255ma\x1b[0;48:2::9:8:7mb\x1b[38;2;1mc"), [
    ["a", "#0102ff"],
    ["b", "#090807"],
    ["c", "#090807"],
  ]);
});

test("any colour can be read on any ground", () => {
  for (const ground of ["#ffffff", "#0f1317", "#808080", "#3050ee"]) {
    for (const colour of ["#000000", "#ffff00", "#0000ff", "#777777", "#ffffff"]) {
      assert.ok(contrast(readable(colour, ground), ground) >= 4.5, `${colour} on ${ground}`);
    }
  }
  assert.equal(readable("#000000", "#ffffff"), "#000000");
});

test("matches are found in any case, and the pieces are the text", () => {
  assert.deepEqual(pieces("Error: error", matcherOf("ERROR")), [
    { text: "Error", isMatch: true },
    { text: ": ", isMatch: false },
    { text: "error", isMatch: true },
  ]);
  assert.deepEqual(pieces("aaa", matcherOf("aa")), [
    { text: "aa", isMatch: true },
    { text: "a", isMatch: false },
  ]);
  assert.deepEqual(pieces("x1y", matcherOf("/\\d*/")), [
    { text: "x", isMatch: false },
    { text: "1", isMatch: true },
    { text: "y", isMatch: false },
  ]);
  assert.deepEqual(pieces("x", null), [{ text: "x", isMatch: false }]);
});

test("what is searched, what is filtered and what is coloured are marked together", () => {
  const text = "ab\x1b[31mcd\x1b[0mef";
  assert.deepEqual(
    segmentsOf(text, [matcherOf("ef")], matcherOf("BC")).map(({ text: one, mark, style }) => [
      one,
      mark,
      style?.fore ?? "",
    ]),
    [["a", "", ""], ["b", "found", ""], ["c", "found", "ansi-1"], ["d", "", "ansi-1"], ["ef", "match", ""]],
  );
});

test("JSON unfolds into its values, each with the field that finds it", () => {
  const object = objectIn('{"a":{"b":1,"c.d":"x"},"l":["m",{"n":null}],"e":false,"k:k":"v"}');
  assert.deepEqual(
    leavesOf(object).map(({ depth, key, value, kind, path, wanted }) =>
      [depth, key, value, kind, path, wanted].join("|")),
    [
      "0|a|{2}|object|a|",
      "1|b|1|number|a.b|1",
      "1|c.d|x|string|a.c.d|x",
      "0|l|[2]|array|l|",
      "1||m|string|l|m",
      "1||{1}|object||",
      "2|n|null|null||",
      "0|e|false|boolean|e|false",
      "0|k:k|v|string||",
    ],
  );
  assert.equal(objectIn("[1]"), null);
  assert.equal(objectIn("{no}"), null);
});

test("channels stand in groups by what their names begin with", () => {
  assert.deepEqual(grouped(["shop.web", "db", "shop.db", "x.y", "api-1", "api-2"]), [
    { prefix: "", project: "", names: ["db", "x.y"] },
    { prefix: "api-", project: "", names: ["api-1", "api-2"] },
    { prefix: "shop.", project: "", names: ["shop.db", "shop.web"] },
  ]);
});

test("channels stand in groups by their Compose projects, of which two make one", () => {
  const projects = { web: "shop", db: "shop", "api-1": "shop", mail: "post" };
  assert.deepEqual(grouped(["web", "mail", "db", "api-1", "api-2"], (name) => projects[name] ?? ""), [
    { prefix: "", project: "", names: ["api-2", "mail"] },
    { prefix: "", project: "shop", names: ["api-1", "db", "web"] },
  ]);
});

/** @param {object} more */
const container = (more) => ({
  ...{ name: "shop-web-1", service: "web", project: "shop", image: "nginx:1", state: "running" },
  ...{ health: "healthy", restarts: 0, since: "2026-11-21T09:00:00Z", id: "f" },
  ...more,
});

test("a channel has the containers whose runs feed it", () => {
  const [one, other] = [container({}), container({ name: "shop-web-2" })];
  const readers = {
    "shop-web-1": { run: "a", container: one },
    "shop-web-2": { run: "b", container: other },
    "shop-new-1": { run: null, container: other },
    "web.log": { run: "c" },
  };
  const runs = [
    { id: "a", channels: ["web"] },
    { id: "b", channels: ["web", "jobs"] },
    { id: "c", channels: ["files"] },
  ];
  const found = containersByChannel({ sources: [{ readers }], runs });
  assert.deepEqual([...found], [["web", [one, other]], ["jobs", [other]]]);
});

test("of a channel's containers the worst is said, and each is told", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  assert.deepEqual(conditionOf([container({})], now), {
    word: "",
    words: ["shop-web-1 running for 3 h, healthy"],
  });
  const bad = container({ name: "b", health: "unhealthy", restarts: 1 });
  const paused = container({ name: "c", state: "paused", health: null, since: null, restarts: 2 });
  assert.deepEqual(conditionOf([paused, bad], now), {
    word: "unhealthy",
    words: ["c paused, restarted 2 times", "b running for 3 h, unhealthy, restarted 1 time"],
  });
  assert.equal(conditionOf([], now).word, "");
  assert.equal(projectOf([bad, paused]), "shop");
  assert.equal(projectOf([bad, container({ project: null })]), "");
  assert.equal(projectOf([]), "");
});

test("a channel is chosen by its name or by a glob", () => {
  assert.equal(isAmong("shop.web", ["shop.web"]), true);
  assert.equal(isAmong("shop.web", ["db", "shop.*"]), true);
  assert.equal(isAmong("shopxweb", ["shop.*"]), false);
  assert.equal(isAmong("job-1", ["job-?"]), true);
  assert.equal(isAmong("job-12", ["job-?"]), false);
});

test("a channel is live, quiet, ended or failing, and says why", () => {
  const channel = { name: "web", newest_source: "files", lines_per_second: 0 };
  const status = { sources: [{ name: "files", state: "running", last_error: null }], runs: [] };
  const state = (more, also = {}) => stateOf({ ...channel, ...more }, { ...status, ...also });
  assert.deepEqual(state({}), { word: "quiet", words: "quiet" });
  assert.deepEqual(state({ lines_per_second: 2 }), { word: "live", words: "live" });
  const sources = [{ name: "files", state: "failing", last_error: "no such folder" }];
  assert.deepEqual(state({}, { sources }), { word: "failing", words: "failing: no such folder" });
  const run = { channels: ["web"], started: "1", ended: "2", status: "failed", exit_code: 3 };
  const over = { word: "ended", words: "ended: failed, exit code 3" };
  assert.deepEqual(state({}, { runs: [run] }), over);
  assert.equal(state({}, { runs: [run, { ...run, started: "3", ended: null }] }).word, "quiet");
});

test("what is wrong with a relay is told with what to do", () => {
  const source = { name: "web", state: "failing", last_error: "gone", lost_lines: 2, invalid_bytes: 0, readers: {} };
  const store = { state: "failing", reason: "disk full" };
  const found = troubles({ sources: [source], store, runs: [] });
  assert.deepEqual(found.map(({ what, why }) => `${what}: ${why}`), [
    "Lines are not being stored: disk full",
    "The source web is failing: gone",
    "The source web has lost 2 lines: They stand in the log as gaps.",
  ]);
});

test("containers that are unhealthy or restarting are told among what is wrong", () => {
  const readers = {
    a: { container: container({ name: "a", health: "unhealthy" }) },
    b: { container: container({ name: "b", state: "restarting", restarts: 7 }) },
    c: { container: container({ name: "c" }) },
    d: {},
  };
  const source = { name: "docker", state: "running", lost_lines: 0, invalid_bytes: 0, readers };
  const found = troubles({ sources: [source], store: { state: "off" }, runs: [] });
  assert.deepEqual(found.map(({ what, why }) => `${what}: ${why}`), [
    "The container a is unhealthy: Its own check fails; it is running.",
    "The container b is restarting: The engine has started it again 7 times.",
  ]);
});

test("channels keep their colour, and share none while there are enough", () => {
  const palette = new Palette();
  const names = ["web", "db", "worker", "payments", "a", "b", "c", "d"];
  const hues = names.map((name) => palette.hue(name));
  assert.equal(new Set(hues).size, HUES);
  assert.ok([palette.hue("one"), palette.hue("more")].every((hue) => hue >= 0 && hue < HUES));
  assert.deepEqual(names.map((name) => palette.hue(name)), hues);
});

test("the connection is told in words", () => {
  const now = Date.parse("2026-11-21T12:00:00Z");
  const first = begin(now);
  assert.equal(`${connectionWords(first)}|${connectionDetail(first, now)}`, "Connecting…|");
  const live = opened(first, now);
  assert.equal(`${connectionWords(live)}|${connectionDetail(live, now)}`, "Live|since 13:00:00");
  const waiting = lost(live, "it broke", now + 60_000, 0.5);
  assert.equal(connectionWords(waiting), "Not connected");
  assert.equal(connectionDetail(waiting, now + 60_100), "trying again in 1 s, since 13:01:00");
});

test("an empty list says why", () => {
  const live = opened(begin(0), 0);
  const why = (connection, search, names = ["web"]) =>
    whyEmpty({ connection, view: parseView(search), names });
  assert.equal(why(live, "").title, "No lines yet");
  assert.equal(why(live, "?q=x").action, "clear");
  assert.match(why(live, "", []).text, /no channels so far/);
  const away = lost(begin(0), "no channel 'wbe'; did you mean 'web'?", 0, 0.5);
  assert.deepEqual(why(away, "?channel=wbe"), {
    title: "This channel is not there yet",
    text: "No channel 'wbe'; did you mean 'web'? Its lines appear here as soon as it is there.",
    action: "all",
    label: "Show all channels",
  });
  assert.equal(why(away, "?channel=web").title, "Waiting for the relay");
  const wrong = refused(begin(0), "q: expected less", 0);
  assert.deepEqual(why(wrong, "?q=x"), {
    title: "The relay cannot show this",
    text: "Q: expected less.",
    action: "clear",
    label: "Clear the filter",
  });
  assert.equal(why(wrong, "?channel=x").action, "all");
});
