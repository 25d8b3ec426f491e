/**
 * The relay's client: what its page uses, and what any page or program may.
 *
 *     import { LogStream } from "https://logs.example/client.js";
 *     for await (const entry of new LogStream({ query: { channel: "web" } })) {
 *       console.log(entry.message);
 *     }
 */
export { LogStream } from "./net/stream.js";
export { histogram, history, status } from "./net/relay.js";
export { RefusedError } from "./net/errors.js";

/**
 * @typedef {import("./core/wire.js").Entry} Entry
 * @typedef {import("./core/wire.js").Gap} Gap
 * @typedef {import("./core/wire.js").Ending} Ending
 * @typedef {import("./core/wire.js").Hello} Hello
 * @typedef {import("./core/wire.js").Level} Level
 * @typedef {import("./core/connection.js").Connection} Connection
 * @typedef {import("./net/relay.js").Page} Page
 * @typedef {import("./net/relay.js").Query} Query
 * @typedef {import("./net/relay.js").Relay} Relay
 * @typedef {import("./net/relay.js").Status} Status
 * @typedef {import("./net/stream.js").Listener} Listener
 * @typedef {import("./net/stream.js").Options} Options
 * @typedef {import("./net/stream.js").Transport} Transport
 */
