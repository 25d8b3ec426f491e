/**
 * Containers as the page shows them: which feed a channel, and how they are.
 *
 * @import { Container, Status } from "../net/relay.js"
 *
 * @typedef {object} Condition
 * @property {string} word the worst that is to be said; empty: nothing
 * @property {string[]} words a sentence for each container
 */
import { age } from "./times.js";

/** What is to be said of a container, the worst first. */
const WORDS = ["dead", "unhealthy", "restarting", "paused", "starting"];
/** Of these sentences more would not be read. */
const MAX_WORDS = 6;

/**
 * Return the containers of a relay by the channels that they feed, by their names.
 *
 * @param {Status} status
 * @returns {Map<string, Container[]>}
 */
export function containersByChannel(status) {
  const channels = new Map(status.runs.map((run) => [run.id, run.channels]));
  /** @type {Map<string, Container[]>} */
  const found = new Map();
  for (const { run, container } of status.sources.flatMap((source) => Object.values(source.readers))) {
    if (!container || run === null) continue;
    for (const channel of channels.get(run) ?? []) {
      found.set(channel, [...(found.get(channel) ?? []), container]);
    }
  }
  return found;
}

/**
 * Return how the containers of a channel are.
 *
 * @param {readonly Container[]} containers
 * @param {number} now
 * @returns {Condition}
 */
export function conditionOf(containers, now) {
  const said = new Set(containers.flatMap(({ state, health }) => [state, health]));
  const words = containers.slice(0, MAX_WORDS).map((container) => containerWords(container, now));
  return { word: WORDS.find((word) => said.has(word)) ?? "", words };
}

/**
 * Return the Compose project that all containers of a channel are of; empty: none.
 *
 * @param {readonly Container[]} containers
 */
export function projectOf(containers) {
  const projects = new Set(containers.map(({ project }) => project ?? ""));
  return projects.size === 1 ? ([...projects][0] ?? "") : "";
}

/**
 * @param {Container} container
 * @param {number} now
 */
function containerWords({ name, state, health, since, restarts }, now) {
  const words = [
    `${name} ${state}${since === null ? "" : ` for ${age(now - Date.parse(since))}`}`,
    health ?? "",
    restarts > 0 ? `restarted ${restarts} ${restarts === 1 ? "time" : "times"}` : "",
  ];
  return words.filter((word) => word !== "").join(", ");
}
