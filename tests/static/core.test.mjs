/** The page's core: values, words and places, without a document. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { Intake } from "../../relay/static/core/intake.js";
import { LineSplitter } from "../../relay/static/core/lines.js";
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
import { pieces, withoutControls } from "../../relay/static/core/text.js";
import { age, clock, day, full } from "../../relay/static/core/times.js";
import {
  EVERYTHING,
  isMixed,
  parseView,
  streamParameters,
  viewParameters,
} from "../../relay/static/core/view.js";
import { entry, gap, hello } from "./objects.mjs";

process.env.TZ = "Europe/Berlin";

test("lines are cut alike, however the text is split", () => {
  const text = '{"a":1}\n{"b":"ü"}\n\n{"c"';
  for (let size = 1; size <= text.length; size += 1) {
    const splitter = new LineSplitter();
    const lines = [];
    for (let at = 0; at < text.length; at += size) {
      lines.push(...splitter.feed(text.slice(at, at + size)));
    }
    assert.deepEqual(lines, ['{"a":1}', '{"b":"ü"}', ""]);
    assert.deepEqual(splitter.feed(":2}\n"), ['{"c":2}']);
  }
});

test("rows are entries, gaps and endings; the cursor is the last id of anything", () => {
  const intake = new Intake();
  assert.deepEqual(intake.take([hello(7)]), []);
  assert.equal(intake.cursor, 7);
  const ending = '{"type":"complete","id":12,"channel":"web","run":"r"}';
  const rows = [entry(8), entry(9), gap(11, 3), ending];
  assert.deepEqual(intake.take(rows), rows);
  assert.equal(intake.cursor, 12);
  assert.deepEqual(intake.take([entry(13), '{"type":"cursor","id":20}', ""]), [entry(13)]);
  assert.equal(intake.cursor, 20);
  assert.deepEqual(intake.take([entry(21)]), [entry(21)]);
  assert.equal(intake.cursor, 21);
  assert.equal(intake.received, 4);
});

test("a relay that ends a stream is heard, and the cursor stays", () => {
  const intake = new Intake();
  intake.take([hello(7), entry(8), '{"type":"error","code":"c","message":"it stops"}']);
  assert.equal(intake.failure, "it stops");
  assert.equal(intake.cursor, 8);
});

test("what is missed is counted; what nobody can count makes it a least number", () => {
  const intake = new Intake();
  intake.take([gap(5, 3), gap(6, 4)]);
  assert.deepEqual(intake.missed, { count: 7, isLeast: false });
  intake.take([gap(7, null, 2), gap(8, 1)]);
  assert.deepEqual(intake.missed, { count: 10, isLeast: true });
  assert.equal(missedWords({ count: 0, isLeast: false }), "0 missed");
  assert.equal(missedWords({ count: 1234, isLeast: false }), "1,234 missed");
  assert.equal(missedWords({ count: 10, isLeast: true }), "at least 10 missed");
  assert.equal(missedWords({ count: 0, isLeast: true }), "some may be missed");
});

test("a view survives its URL", () => {
  const search = "?channel=web,job-%2A&channel=db&q=a+b%26c%25&min_level=warn&other=1";
  const view = parseView(search);
  assert.deepEqual(view, { channels: ["db", "job-*", "web"], q: "a b&c%", minLevel: "warn" });
  assert.equal(viewParameters(view), "channel=db,job-*,web&q=a+b%26c%25&min_level=warn");
  assert.deepEqual(parseView(`?${viewParameters(view)}`), view);
  assert.deepEqual(parseView(""), EVERYTHING);
  assert.deepEqual(parseView("?min_level=loud&channel=,&q="), EVERYTHING);
  assert.equal(viewParameters(EVERYTHING), "");
});

test("a stream begins with the newest lines, and is resumed by its cursor", () => {
  const view = parseView("?channel=web");
  assert.equal(streamParameters(view, null), "channel=web&tail=500");
  assert.equal(streamParameters(view, 17), "channel=web&after=17");
  assert.equal(streamParameters(EVERYTHING, 0), "after=0");
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

test("times are in the zone of who looks, with all their digits", () => {
  const timestamp = "2026-11-21T23:07:05.004567891Z";
  assert.equal(clock(new Date(timestamp)), "00:07:05.004");
  assert.equal(full(timestamp), "2026-11-22 00:07:05.004567891 +01:00");
  assert.equal(day(new Date(timestamp)), "Sunday 22 November 2026");
});

test("an age has one unit", () => {
  const ages = [-5000, 1999, 12_000, 3_599_000, 7_200_000, 200_000_000].map(age);
  assert.deepEqual(ages, ["now", "now", "12 s", "59 min", "2 h", "2 d"]);
});

test("control sequences are not shown, all else is", () => {
  assert.equal(withoutControls("\x1b[1;32mok\x1b[0m \x1b[2K[done]"), "ok [done]");
  assert.equal(withoutControls("[32m is text"), "[32m is text");
});

test("matches are found in any case, and the pieces are the text", () => {
  assert.deepEqual(pieces("Error: error", "ERROR"), [
    { text: "Error", isMatch: true },
    { text: ": ", isMatch: false },
    { text: "error", isMatch: true },
  ]);
  assert.deepEqual(pieces("aaa", "aa"), [
    { text: "aa", isMatch: true },
    { text: "a", isMatch: false },
  ]);
  assert.deepEqual(pieces("İx", "x"), [{ text: "İx", isMatch: false }]);
  assert.deepEqual(pieces("x", ""), [{ text: "x", isMatch: false }]);
  assert.deepEqual(pieces("", "x"), [{ text: "", isMatch: false }]);
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
