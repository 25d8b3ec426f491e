/**
 * Composition: the elements, the network and the page's address. The only module that knows all.
 *
 * @import { View } from "./core/view.js"
 */
import { Pace } from "./core/pace.js";
import { parseView, viewParameters } from "./core/view.js";
import { ChannelWatch } from "./net/channels.js";
import { Feed } from "./net/feed.js";
import { StoreWatch } from "./net/store.js";
import { ChannelList } from "./ui/channel-list.js";
import { ConnectionState } from "./ui/connection-state.js";
import { find } from "./ui/dom.js";
import { FilterBar } from "./ui/filter-bar.js";
import { LogView } from "./ui/log-view.js";
import { StoreState } from "./ui/store-state.js";
import { RelayViewer } from "./ui/viewer.js";

const COUNT_MS = 400;

const ELEMENTS = [ChannelList, ConnectionState, FilterBar, LogView, StoreState, RelayViewer];
for (const element of ELEMENTS) {
  element.define();
}

const viewer = find(document, "relay-viewer", RelayViewer);
const base = new URL("api/v1/", document.baseURI).href;
/** Channels that the relay had when it was last asked. @type {Set<string>} */
let known = new Set();

const feed = new Feed(base, {
  started: () => viewer.start(),
  received: (rows) => viewer.add(rows),
  changed: (connection) => {
    viewer.connection = connection;
  },
});

const watch = new ChannelWatch(base, (channels) => {
  const isAwaited = channels.some(
    ({ name }) => !known.has(name) && viewer.view.channels.includes(name),
  );
  known = new Set(channels.map(({ name }) => name));
  viewer.channels = channels;
  if (isAwaited) feed.retry();
});

const storeWatch = new StoreWatch(base, (store) => {
  viewer.store = store;
});

/** @param {View} view */
function show(view) {
  viewer.view = view;
  feed.open(view);
}

viewer.addEventListener("view-change", (event) => {
  const { view, isStep } = /** @type {CustomEvent} */ (event).detail;
  const parameters = viewParameters(view);
  const url = parameters === "" ? location.pathname : `?${parameters}`;
  if (isStep) history.pushState(null, "", url);
  else history.replaceState(null, "", url);
  show(view);
});
viewer.addEventListener("retry", () => feed.retry());
viewer.addEventListener("hold-change", () => (viewer.isHeld ? feed.hold() : feed.release()));
addEventListener("popstate", () => show(parseView(location.search)));
addEventListener("online", () => feed.retry());

document.addEventListener("visibilitychange", () => {
  for (const one of [watch, storeWatch]) {
    if (document.hidden) one.stop();
    else one.start();
  }
});

const pace = new Pace();
setInterval(() => {
  const { received, missed } = feed.intake;
  viewer.counts = { received, missed, perSecond: pace.look(received, performance.now()) };
}, COUNT_MS);

show(parseView(location.search));
watch.start();
storeWatch.start();
