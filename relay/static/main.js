/**
 * Composition: the elements, the network and the page's address. The only module that knows all.
 *
 * @import { View } from "./core/view.js"
 */
import { parseView, viewParameters } from "./core/view.js";
import { ChannelWatch } from "./net/channels.js";
import { Feed } from "./net/feed.js";
import { ChannelList } from "./ui/channel-list.js";
import { ConnectionState } from "./ui/connection-state.js";
import { find } from "./ui/dom.js";
import { FilterBar } from "./ui/filter-bar.js";
import { LogView } from "./ui/log-view.js";
import { RelayViewer } from "./ui/viewer.js";

const COUNT_MS = 1000;

for (const element of [ChannelList, ConnectionState, FilterBar, LogView, RelayViewer]) {
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
  if (document.hidden) watch.stop();
  else watch.start();
});

let before = { intake: feed.intake, received: 0 };
setInterval(() => {
  const { intake } = feed;
  const received = intake.received - (before.intake === intake ? before.received : 0);
  before = { intake, received: intake.received };
  const perSecond = (received * 1000) / COUNT_MS;
  viewer.counts = { received: intake.received, missed: intake.missed, perSecond };
}, COUNT_MS);

show(parseView(location.search));
watch.start();
