/**
 * Composition: the elements, the network and the page's address. The only module that knows all.
 *
 * The lines come first: what stands around them is asked for once they are seen.
 *
 * @import { View } from "./core/view.js"
 * @import { Controls } from "./ui/controls.js"
 */
import { filterOf, matcherOf } from "./core/filter.js";
import { Pace } from "./core/pace.js";
import { lines } from "./core/sentences.js";
import {
  conditions,
  joined,
  parseView,
  viewParameters,
  wholeQuery,
  withChanges,
} from "./core/view.js";
import { takeFirst } from "./first.js";
import { sentenceOf } from "./net/errors.js";
import { LiveLog } from "./net/log.js";
import { downloadAddress, histogram } from "./net/relay.js";
import { StatusWatch } from "./net/status.js";
import { copyText, find, make } from "./ui/dom.js";
import { LogView } from "./ui/log-view.js";
import { RelayViewer } from "./ui/viewer.js";

const COUNT_MS = 400;
/** From then on the relay filters, and sends only what matches. */
const BUSY_PER_SECOND = 3000;
/** Rows that wait below what is seen, where that is long ago. */
const MAX_BELOW = 5000;
const HISTOGRAM_MS = 4000;
const BUCKETS = 120;
/** So long the page waits for its first lines, before it shows what stands around them. */
const FIRST_LINES_MS = 150;

LogView.define();
RelayViewer.define();

const viewer = find(document, "relay-viewer", RelayViewer);
const relay = { url: document.baseURI.replace(/[?#].*$/, "") };
const pace = new Pace();
let perSecond = 0;
/** Channels that the relay had when it was last asked. @type {Set<string>} */
let known = new Set();
/** Whether the relay filters what this page could filter. */
let isBusy = false;
/** What stands around the lines; null: still on its way. @type {Controls | null} */
let controls = null;

const log = new LiveLog(relay, {
  started: () => {
    viewer.start(log.store, filter(), search());
    askHistogram();
  },
  grown: () => {
    viewer.grown();
    void showControls();
    if (viewer.view.at !== null && wantedId !== null) goToWanted();
    control();
  },
  prepended: (count) => viewer.log.prepended(count),
  replaced: () => viewer.log.replaced(),
  changed: (connection) => {
    viewer.connection = connection;
  },
}, takeFirst);

const watch = new StatusWatch(relay, (status) => {
  const names = status.channels.map(({ name }) => name);
  const isAwaited = names.some((name) => !known.has(name) && viewer.view.channels.includes(name));
  known = new Set(names);
  viewer.status = status;
  if (isAwaited) log.retry();
});

/** What the page itself decides about rows. */
const filter = () => (isBusy ? null : filterOf(log.store, conditions(viewer.view)));

function search() {
  const find = matcherOf(viewer.view.find);
  if (find === null) return null;
  const { texts, ...others } = conditions(viewer.view);
  const both = isBusy ? { texts: [], excluded: [], levels: [], streams: [] } : { texts, ...others };
  return filterOf(log.store, { ...both, texts: [find, ...both.texts] }, true);
}

/** Id of the entry that is to be shown as soon as it is there. @type {number | null} */
let wantedId = null;

function goToWanted() {
  if (wantedId === null) return;
  const id = wantedId;
  wantedId = null;
  viewer.log.pin();
  viewer.log.goTo(id);
}

/** @param {View} view */
function show(view) {
  const before = viewer.view;
  const isFilter = wholeQuery(view) !== wholeQuery(before);
  if (isFilter) isBusy = perSecond > BUSY_PER_SECOND && wholeQuery(view) !== "";
  if (view.at !== before.at) wantedId = view.at;
  const isNew = log.show(view, isBusy);
  viewer.setView(view, isNew);
  if (isNew) {
    perSecond = 0;
    return;
  }
  if (isFilter || view.find !== before.find) viewer.refilter(log.store, filter(), search());
  if (isFilter) askHistogram();
  if (view.at !== null) goToWanted();
}

/** @param {View} view @param {boolean} isStep */
function go(view, isStep) {
  const parameters = viewParameters(view);
  const url = parameters === "" ? location.pathname : `?${parameters}`;
  if (isStep) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  show(view);
}

/** Take in what can be held, and no more. */
function control() {
  const { log: list } = viewer;
  log.isPinned = !list.isFollowing;
  const isLong = viewer.view.at !== null && list.below > MAX_BELOW;
  isHeld = !list.isFollowing && (log.isFull || isLong);
  if (isHeld) log.hold();
  else log.release();
  if (log.isCut && (list.isFollowing || list.below < 1000)) {
    if (list.isFollowing) log.reopen();
    else log.attach();
  }
}

let isHeld = false;

/** Show what stands around the lines, after those that came have been drawn. */
async function showControls() {
  if (isShowing) return;
  isShowing = true;
  // Twice: the first comes before they are drawn. A page that nobody sees draws nothing.
  if (!document.hidden) await nextFrame().then(nextFrame);
  const later = find(document, "template.later", HTMLTemplateElement);
  document.head.append(later.content);
  const { Controls } = await import("./ui/controls.js");
  Controls.define();
  controls = new Controls(viewer);
  viewer.controls = controls;
  askHistogram();
  if (!document.hidden) watch.start();
}

let isShowing = false;

const nextFrame = () => new Promise(requestAnimationFrame);

/** @type {ReturnType<typeof setTimeout> | undefined} */
let histogramTimer;
let histogramAsked = -Infinity;

/** Ask how many lines there are, at once or soon; again and again while they come. */
function askHistogram() {
  clearTimeout(histogramTimer);
  const rest = histogramAsked + 300 - performance.now();
  histogramTimer = setTimeout(async () => {
    if (controls === null) return;
    if (document.hidden) return askLater();
    histogramAsked = performance.now();
    const view = withChanges(viewer.view, { levels: [] });
    try {
      const found = await histogram(joined(wholeQuery(view), `buckets=${BUCKETS}`), relay);
      if (wholeQuery(view) === wholeQuery(withChanges(viewer.view, { levels: [] }))) {
        if (controls !== null) controls.histogram = found;
      }
    } catch (error) {
      // What the connection says already is not said twice.
      const isSaid = log.connection.phase !== "live" || error instanceof TypeError;
      if (controls !== null) controls.uncounted = isSaid ? "" : sentenceOf(error);
    }
    const cost = performance.now() - histogramAsked;
    askLater(Math.max(HISTOGRAM_MS, cost * 20));
  }, Math.max(0, rest));
}

function askLater(milliseconds = HISTOGRAM_MS) {
  clearTimeout(histogramTimer);
  histogramTimer = setTimeout(askHistogram, milliseconds);
}

/**
 * @param {string} name
 * @param {(detail: any) => void} then
 */
const on = (name, then) =>
  viewer.addEventListener(name, (event) => then(/** @type {CustomEvent} */ (event).detail));

on("view-change", ({ view, isStep }) => go(view, isStep));
on("retry", () => log.retry());
on("follow-change", () => control());
on("need-older", (row) => {
  control();
  void log.loadOlder(row);
});
on("clear-lines", () => log.clear());
on("fill-gap", async (id) => {
  try {
    const count = await log.fill(id);
    if (count > 0) viewer.say(`${lines(count)} loaded`);
    else viewer.log.note(id, "Nothing of it is left.");
  } catch (error) {
    viewer.say(sentenceOf(error));
  }
});
on("find-older", async (text) => {
  try {
    const { id, isWhole } = await log.findOlder(text);
    if (id === null) viewer.say(isWhole ? "No older match" : "No match in what the relay can read");
    else go(withChanges(viewer.view, { at: id }), true);
  } catch (error) {
    viewer.say(sentenceOf(error));
  }
});
on("link", (view) => {
  copyText(new URL(`?${viewParameters(view)}`, location.href).href);
  history.replaceState(null, "", `?${viewParameters(view)}`);
  viewer.say("Link copied");
});
on("download", ({ format, day, isCompressed }) => {
  if (format === "shown") {
    const url = URL.createObjectURL(new Blob([viewer.log.text], { type: "text/plain" }));
    save(url, `${viewer.view.channels.join("+") || "all"}.log`);
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
    return;
  }
  const view = day === "" ? viewer.view : withChanges(viewer.view, { since: "", until: "" });
  const parts = [wholeQuery(view), `format=${format}`];
  if (day !== "") parts.push(`date=${day}`);
  if (isCompressed) parts.push("compress=gzip");
  save(downloadAddress(joined(...parts), relay), "");
});

/**
 * @param {string} url
 * @param {string} name of the file; empty: as the relay says
 */
function save(url, name) {
  const link = make("a");
  link.href = url;
  link.download = name;
  link.click();
}

addEventListener("popstate", () => show(parseView(location.search)));
addEventListener("online", () => log.retry());

document.addEventListener("visibilitychange", () => {
  if (document.hidden) watch.stop();
  else if (controls !== null) watch.start();
});

setInterval(() => {
  const { received, missed } = log.intake;
  perSecond = pace.look(received, performance.now());
  const held = log.store.count;
  const isNowBusy = perSecond > BUSY_PER_SECOND;
  viewer.counts = { received, missed, perSecond, held, isHeld, isBusy: isNowBusy };
  const { origins } = log.store;
  if (controls === null) return;
  controls.known = {
    instances: [...new Set(origins.map(({ instance }) => instance))].filter((name) => name !== ""),
    runs: [...new Set(origins.map(({ run }) => run))].filter((name) => name !== ""),
  };
}, COUNT_MS);

const first = parseView(location.search);
wantedId = first.at;
show(first);
setTimeout(showControls, FIRST_LINES_MS);
