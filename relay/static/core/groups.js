/**
 * Channels as the list shows them: in groups, each with its state.
 *
 * @import { Channel, Status } from "../net/relay.js"
 *
 * @typedef {object} Group
 * @property {string} prefix that its names have, with what parts it from the rest; empty: none
 * @property {string} project of Compose that they are of; empty: none
 * @property {string[]} names
 */

/** What ends a prefix. */
const PREFIX = /^[^.:-]+[.:-](?=.)/;

/**
 * Return names in groups of a Compose project, or else of a common prefix: two at least make one.
 * Those without are first.
 *
 * @param {readonly string[]} names
 * @param {(name: string) => string} [projectOf] empty: none
 * @returns {Group[]}
 */
export function grouped(names, projectOf = () => "") {
  /** @type {Map<string, Group>} */
  const groups = new Map();
  for (const name of [...names].sort()) {
    const project = projectOf(name);
    const prefix = project === "" ? (PREFIX.exec(name)?.[0] ?? "") : "";
    const group = groups.get(`${project} ${prefix}`) ?? { prefix, project, names: [] };
    group.names.push(name);
    groups.set(`${project} ${prefix}`, group);
  }
  const isGroup = (/** @type {Group} */ { prefix, project, names }) =>
    prefix + project !== "" && names.length > 1;
  const all = [...groups.values()].sort((one, other) => (headOf(one) < headOf(other) ? -1 : 1));
  const single = all.filter((group) => !isGroup(group)).flatMap((group) => group.names);
  const rest = single.length > 0 ? [{ prefix: "", project: "", names: single.sort() }] : [];
  return [...rest, ...all.filter(isGroup)];
}

/** Return what stands at the head of a group. @param {Group} group */
export const headOf = ({ prefix, project }) => (project === "" ? `${prefix}*` : project);

/**
 * Tell whether a channel is one of those that are named, or matches one with wildcards.
 *
 * @param {string} channel
 * @param {readonly string[]} names names or globs
 */
export function isAmong(channel, names) {
  return names.some((name) => name === channel || (isGlob(name) && patternOf(name).test(channel)));
}

/** @param {string} name */
export const isGlob = (name) => /[*?]/.test(name);

/** @param {string} glob */
function patternOf(glob) {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  return new RegExp(`^${escaped.replaceAll("*", ".*").replaceAll("?", ".")}$`);
}

/**
 * Return how a channel is, and why.
 *
 * @param {Channel} channel
 * @param {Status} status
 * @returns {{word: "live" | "quiet" | "ended" | "failing", words: string}}
 */
export function stateOf(channel, status) {
  const source = status.sources.find(({ name }) => name === channel.newest_source);
  if (source?.state === "failing") {
    return { word: "failing", words: `failing: ${source.last_error ?? "its source says nothing"}` };
  }
  const runs = status.runs.filter((run) => run.channels.includes(channel.name));
  const newest = runs.sort((one, other) => (one.started < other.started ? -1 : 1)).at(-1);
  const hasEnded = newest !== undefined && runs.every((run) => run.ended !== null);
  if (hasEnded) {
    const code = newest.exit_code === null ? "" : `, exit code ${newest.exit_code}`;
    return { word: "ended", words: `ended: ${newest.status}${code}` };
  }
  return channel.lines_per_second > 0
    ? { word: "live", words: "live" }
    : { word: "quiet", words: "quiet" };
}
