/**
 * What the page shows, as its URL says it: a link shows another person the same.
 *
 * The names are those of the API, except for what only a page has: `find`, `at`, `time`, `wrap`,
 * `view`. What a relay is asked for is a part of the view: see `streamQuery`.
 *
 * @import { Conditions } from "./filter.js"
 * @import { Level } from "./wire.js"
 *
 * @typedef {object} View frozen
 * @property {readonly string[]} channels names or globs; none: all channels
 * @property {string} q text that the lines hold, in any case, or `/pattern/`; may be empty
 * @property {string} exclude text or `/pattern/` that they do not hold; may be empty
 * @property {readonly Level[]} levels none: all
 * @property {readonly string[]} streams none: all
 * @property {readonly string[]} instances
 * @property {readonly string[]} runs
 * @property {readonly string[]} fields each `key:value`
 * @property {string} since a time as the API takes it; may be empty
 * @property {string} until
 * @property {string} find text or `/pattern/` that is marked and counted
 * @property {number | null} at id of the entry that is looked at, with what surrounds it
 * @property {number} tail lines of history that it begins with; 0: all
 * @property {"local" | "utc" | "relative"} time
 * @property {boolean} wrap
 * @property {"log" | "status"} page
 */
import { matcherOf, patternIn } from "./filter.js";
import { LEVELS } from "./wire.js";

/** Lines of history that a new query begins with. */
export const TAIL = 500;
/** Of them so many come first, since they are seen; a high window has a hundred rows. */
const SEEN = 150;

/** @type {View} */
export const EVERYTHING = Object.freeze({
  channels: Object.freeze([]),
  q: "",
  exclude: "",
  levels: Object.freeze([]),
  streams: Object.freeze([]),
  instances: Object.freeze([]),
  runs: Object.freeze([]),
  fields: Object.freeze([]),
  since: "",
  until: "",
  find: "",
  at: null,
  tail: TAIL,
  time: "local",
  wrap: true,
  page: "log",
});

/** @type {readonly Level[]} */
export const ALL_LEVELS = [...LEVELS, "unknown"];
export const STREAMS = ["stdout", "stderr", "system"];

/** Parameters that are lists of names, and the view's name for them. */
const LISTS = /** @type {const} */ ([
  ["channel", "channels"],
  ["level", "levels"],
  ["stream", "streams"],
  ["instance", "instances"],
  ["run", "runs"],
]);

/**
 * Read a view from a query string; what it cannot use it leaves out.
 *
 * @param {string} search as in `location.search`
 * @returns {View}
 */
export function parseView(search) {
  const given = new URLSearchParams(search);
  const one = (/** @type {string} */ name) => given.get(name) ?? "";
  const names = (/** @type {string} */ name) =>
    given.getAll(name).flatMap((value) => value.split(",").filter((part) => part !== ""));
  const regex = one("regex");
  const at = Number(one("at"));
  const time = one("time");
  return withChanges(EVERYTHING, {
    channels: names("channel"),
    q: regex === "" ? one("q") : `/${regex}/`,
    exclude: one("exclude"),
    levels: [...levelsIn(names("level")), ...andWorse(one("min_level"))],
    streams: names("stream").filter((stream) => STREAMS.includes(stream)),
    instances: names("instance"),
    runs: names("run"),
    fields: given.getAll("field").filter((field) => field.indexOf(":") > 0),
    since: one("since"),
    until: one("until"),
    find: one("find"),
    at: Number.isSafeInteger(at) && at > 0 ? at : null,
    tail: tailIn(one("tail")),
    time: time === "utc" || time === "relative" ? time : "local",
    wrap: one("wrap") !== "0",
    page: one("view") === "status" ? "status" : "log",
  });
}

/** @param {string[]} words */
const levelsIn = (words) => ALL_LEVELS.filter((level) => words.includes(level));

/** @param {string} word */
function andWorse(word) {
  const at = LEVELS.findIndex((level) => level === word);
  return at < 0 ? [] : LEVELS.slice(at);
}

/** @param {string} word */
function tailIn(word) {
  if (word === "all") return 0;
  const tail = Number(word);
  return Number.isSafeInteger(tail) && tail > 0 ? Math.min(tail, 10_000) : TAIL;
}

/**
 * Return a view that differs in some of its parts.
 *
 * @param {View} view
 * @param {Partial<View>} changes
 * @returns {View}
 */
export function withChanges(view, changes) {
  const changed = { ...view, ...changes };
  const isAll = new Set(changed.levels).size === ALL_LEVELS.length;
  return Object.freeze({
    ...changed,
    channels: frozen(changed.channels),
    levels: Object.freeze(isAll ? [] : ALL_LEVELS.filter((level) => changed.levels.includes(level))),
    streams: frozen(changed.streams),
    instances: frozen(changed.instances),
    runs: frozen(changed.runs),
    fields: frozen(changed.fields),
  });
}

/** @param {readonly string[]} names */
const frozen = (names) => Object.freeze([...new Set(names)].sort());

/**
 * Return a view's query in the page's URL.
 *
 * @param {View} view
 * @returns {string} such as `channel=db,web&q=time+out`; empty for everything
 */
export function viewParameters(view) {
  const others = new URLSearchParams();
  if (view.find !== "") others.set("find", view.find);
  if (view.at !== null) others.set("at", String(view.at));
  if (view.tail !== TAIL) others.set("tail", view.tail === 0 ? "all" : String(view.tail));
  if (view.time !== "local") others.set("time", view.time);
  if (!view.wrap) others.set("wrap", "0");
  if (view.page !== "log") others.set("view", view.page);
  return joined(query(view, true), others.toString());
}

/**
 * Return all that the relay can be asked for of a view, as for history or a download.
 *
 * @param {View} view
 */
export const wholeQuery = (view) => query(view, true);

/**
 * Return what the relay is asked for by a stream: everything that the page cannot decide by
 * itself, and what it can too where lines come faster than one wants to have them all.
 *
 * @param {View} view
 * @param {boolean} isBusy
 */
export const streamQuery = (view, isBusy) => query(view, isBusy || !isLocal(view));

/** Tell whether the page can decide a view's filter by itself. @param {View} view */
const isLocal = (view) => patternIn(view.q) === null && patternIn(view.exclude) === null;

/**
 * @param {View} view
 * @param {boolean} isWhole with what a page can decide: text, levels, streams
 */
function query(view, isWhole) {
  const others = new URLSearchParams();
  const parts = [];
  for (const [name, key] of LISTS) {
    const isLeft = !isWhole && (name === "level" || name === "stream");
    // Commas may stand as they are in a query string, and read better.
    const names = view[key].map(encodeURIComponent).join(",");
    if (names !== "" && !isLeft) parts.push(`${name}=${names}`);
  }
  if (isWhole && view.q !== "") {
    const pattern = patternIn(view.q);
    others.set(pattern === null ? "q" : "regex", pattern ?? view.q);
  }
  if (isWhole && view.exclude !== "") others.set("exclude", view.exclude);
  for (const field of view.fields) others.append("field", field);
  if (view.since !== "") others.set("since", view.since);
  if (view.until !== "") others.set("until", view.until);
  return joined(...parts, others.toString());
}

/** @param {string[]} parts of a query */
export const joined = (...parts) => parts.filter((part) => part !== "").join("&");

/**
 * Return where a stream begins that has no cursor.
 *
 * @param {string} query
 * @param {number} tail lines of history; 0: all that is held
 */
export function withTail(query, tail) {
  if (tail > 0) return joined(query, `tail=${tail}`);
  return /(^|&)since=/.test(query) ? query : joined(query, "since=1970-01-01");
}

/**
 * Return the query of the page of history that a view begins with.
 *
 * @param {string} query of its stream
 * @param {number} tail lines of history that it begins with, not all
 */
export const firstQuery = (query, tail) => withTail(query, Math.min(tail, SEEN));

/**
 * Return what the page itself decides about each row, beside a stream's query.
 *
 * @param {View} view
 * @returns {Conditions}
 */
export function conditions(view) {
  const [text, excluded] = [matcherOf(view.q), matcherOf(view.exclude)];
  return {
    texts: text === null ? [] : [text],
    excluded: excluded === null ? [] : [excluded],
    levels: view.levels,
    streams: view.streams,
  };
}

/**
 * Tell whether a view shows but a part of the lines of its channels.
 *
 * @param {View} view
 */
export const isFiltered = (view) =>
  query(view, true) !== query(withChanges(EVERYTHING, { channels: view.channels }), true);

/**
 * Return a view of the same channels without any filter.
 *
 * @param {View} view
 */
export function unfiltered(view) {
  const { q, exclude, levels, streams, instances, runs, fields, since, until } = EVERYTHING;
  return withChanges(view, {
    ...{ q, exclude, levels, streams, instances, runs, fields, since, until },
  });
}

/**
 * Tell whether two views show the same.
 *
 * @param {View} one
 * @param {View} other
 */
export const isSame = (one, other) => viewParameters(one) === viewParameters(other);

/**
 * Tell whether lines of more than one channel may come.
 *
 * @param {View} view
 */
export const isMixed = (view) => view.channels.length !== 1 || /[*?]/.test(view.channels[0] ?? "");
