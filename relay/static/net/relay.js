/**
 * Where a relay is, and how it is asked once: history and status.
 *
 * @import { Ending, Entry, Gap, RowObject } from "../core/wire.js"
 *
 * @typedef {object} Relay
 * @property {string | URL} [url] of its page, such as `https://logs.example/relay/`; default:
 *   where this module came from
 * @property {string} [token] sent as `Authorization: Bearer …`
 *
 * @typedef {Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>} Query
 *   names and values as the API has them
 *
 * @typedef {object} Page a part of history, oldest first
 * @property {Entry[]} logs
 * @property {Gap[]} gaps
 * @property {Ending[]} endings
 * @property {number} count
 * @property {number | null} total of all that match, where that is known
 * @property {boolean} truncated whether more match than were returned
 * @property {number} cursor the id after which a reader goes on
 *
 * @typedef {object} Channel
 * @property {string} name
 * @property {number} lines in all
 * @property {number} held_lines
 * @property {number} lines_per_second
 * @property {number} bytes_per_second
 * @property {string | null} newest time of the newest entry, RFC 3339
 * @property {string | null} newest_level
 * @property {string | null} newest_source
 * @property {string[]} runs
 * @property {number} memory_bytes
 * @property {number} max_bytes
 *
 * @typedef {object} Container of Docker, as its engine told last
 * @property {string} name
 * @property {string} service of Compose, else the name
 * @property {string | null} project of Compose
 * @property {string} image
 * @property {string} state `created running paused restarting exited dead`
 * @property {string | null} health `starting healthy unhealthy`; null where nothing checks it
 * @property {number} restarts by the engine itself
 * @property {string | null} since when it is in this state, RFC 3339
 * @property {string} id
 *
 * @typedef {object} Reader
 * @property {string} state
 * @property {string} detail
 * @property {string | null} run
 * @property {Container} [container] that it reads
 *
 * @typedef {object} Source
 * @property {string} name
 * @property {string} type
 * @property {string} state
 * @property {string} since
 * @property {string | null} last_error
 * @property {string | null} last_error_at
 * @property {number} lines
 * @property {number} lines_per_second
 * @property {number} lost_lines
 * @property {number} invalid_bytes
 * @property {number} restarts
 * @property {Record<string, Reader>} readers
 *
 * @typedef {object} Run
 * @property {string} id
 * @property {string} source
 * @property {string | null} instance
 * @property {string[]} channels
 * @property {string} started
 * @property {string | null} ended
 * @property {string} status
 * @property {number | null} exit_code
 * @property {string | null} signal
 * @property {number} lines
 *
 * @typedef {object} StoreState whether the relay keeps its lines
 * @property {"off" | "ok" | "failing" | "catching up"} state
 * @property {string} since when that began, RFC 3339
 * @property {string | null} reason why it fails
 * @property {string | null} directory
 * @property {number} behind_lines shown, and not kept
 * @property {number} behind_bytes
 * @property {number} stored_bytes
 * @property {number | null} free_bytes null where nobody can say
 * @property {string[]} recovered sentences on what was mended at the start
 *
 * @typedef {object} Status
 * @property {string} version
 * @property {string} started
 * @property {number} uptime_seconds
 * @property {number} last_id
 * @property {number} cpu_seconds
 * @property {StoreState} store
 * @property {Source[]} sources
 * @property {Channel[]} channels
 * @property {Run[]} runs
 * @property {{total: number, by_channel: Record<string, number>, by_protocol: Record<string, number>}} connections
 *
 * @typedef {object} Bucket
 * @property {string} start
 * @property {number} total
 * @property {Record<string, number>} levels
 *
 * @typedef {object} Histogram counts over time, by level
 * @property {string} since
 * @property {string} until
 * @property {number} interval_seconds
 * @property {Bucket[]} buckets
 * @property {number} total
 * @property {string[]} unread channels that cannot be read to their end for now
 */
import { errorOf } from "./errors.js";

const HOME = new URL("../../", import.meta.url);

/**
 * Return the address of a relay's API, with a slash at its end.
 *
 * @param {Relay} relay
 */
export function apiOf(relay) {
  const home = String(relay.url ?? HOME).replace(/\/*([?#].*)?$/, "/");
  return new URL("api/v1/", new URL(home, HOME)).href;
}

/**
 * @param {Relay} relay
 * @returns {Record<string, string>}
 */
export const headersOf = (relay) =>
  relay.token === undefined ? {} : { Authorization: `Bearer ${relay.token}` };

/**
 * Return a query as it stands in a URL.
 *
 * @param {Query | string} query
 */
export function parametersOf(query) {
  if (typeof query === "string") return query.replace(/^\?/, "");
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== null && one !== undefined) parameters.append(name, String(one));
    }
  }
  return parameters.toString();
}

/**
 * Ask a relay, and return its answer.
 *
 * @param {Relay} relay
 * @param {string} path below `api/v1/`, with its query
 * @param {AbortSignal} [signal]
 * @returns {Promise<any>}
 * @throws {RefusedError} it will never answer this
 * @throws {Error} it does not answer now
 */
export async function ask(relay, path, signal) {
  const response = await fetch(apiOf(relay) + path, {
    headers: headersOf(relay),
    cache: "no-store",
    signal: signal ?? null,
  });
  if (!response.ok) throw await errorOf(response);
  return response.json();
}

/**
 * Return a page of history: of what matches the newest entries, unless `after`, `since` or
 * `offset` says otherwise.
 *
 * @param {Query | string} query such as `{channel: "web", before: 17, limit: 1000}`
 * @param {Relay & {signal?: AbortSignal}} [relay]
 * @returns {Promise<Page>}
 */
export const history = (query, relay = {}) =>
  ask(relay, `logs?${parametersOf(query)}`, relay.signal);

/**
 * Return what the relay is doing: sources, channels, runs, connections, store.
 *
 * @param {Relay & {signal?: AbortSignal}} [relay]
 * @returns {Promise<Status>}
 */
export const status = (relay = {}) => ask(relay, "status", relay.signal);

/**
 * Return counts over time by level.
 *
 * @param {Query | string} query
 * @param {Relay & {signal?: AbortSignal}} [relay]
 * @returns {Promise<Histogram>}
 */
export const histogram = (query, relay = {}) =>
  ask(relay, `logs/histogram?${parametersOf(query)}`, relay.signal);

/**
 * Return the address of a file with all that matches.
 *
 * @param {string} query
 * @param {Relay} [relay]
 */
export const downloadAddress = (query, relay = {}) => `${apiOf(relay)}logs/download?${query}`;

/**
 * Return the rows of a page, in the order of their ids.
 *
 * @param {Page} page
 * @returns {RowObject[]}
 */
export function rowsOf({ logs, gaps, endings }) {
  if (gaps.length + endings.length === 0) return logs;
  return [...gaps, ...endings, ...logs].sort((one, other) => one.id - other.id);
}
