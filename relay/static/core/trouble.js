/**
 * What is wrong with the relay, and what to do about it: what the status page shows first.
 *
 * @import { Status } from "../net/relay.js"
 *
 * @typedef {object} Trouble
 * @property {string} what
 * @property {string} why
 * @property {string} remedy
 */
import { lines } from "./sentences.js";

/**
 * @param {Status} status
 * @returns {Trouble[]}
 */
export function troubles(status) {
  /** @type {Trouble[]} */
  const found = [];
  for (const source of status.sources) {
    if (source.state === "failing") {
      found.push({
        what: `The source ${source.name} is failing`,
        why: source.last_error ?? "",
        remedy: "It is tried again by itself. Check what it reads: is it there, may the relay read it?",
      });
    }
    if (source.lost_lines > 0) {
      found.push({
        what: `The source ${source.name} has lost ${lines(source.lost_lines)}`,
        why: "They stand in the log as gaps.",
        remedy: "A limit of lines per second, or files that were truncated: see its configuration.",
      });
    }
    if (source.invalid_bytes > 0) {
      found.push({
        what: `The source ${source.name} brought bytes that are no text`,
        why: `${source.invalid_bytes} were replaced.`,
        remedy: "Say how it is encoded by the key “encoding”.",
      });
    }
  }
  for (const { container } of status.sources.flatMap(({ readers }) => Object.values(readers))) {
    if (container?.health === "unhealthy") {
      found.push({
        what: `The container ${container.name} is unhealthy`,
        why: `Its own check fails; it is ${container.state}.`,
        remedy: "Its last lines may say why, and “docker inspect” what the check said.",
      });
    }
    if (container?.state === "restarting" || container?.state === "dead") {
      found.push({
        what: `The container ${container.name} is ${container.state}`,
        why: `The engine has started it again ${times(container.restarts)}.`,
        remedy: "The lines before its last end say why it ended.",
      });
    }
  }
  if (status.store.state === "failing") {
    found.unshift({
      what: "Lines are not being stored",
      why: status.store.reason ?? "",
      remedy: "They are shown and kept in memory; free the disk, or see that it may be written to.",
    });
  }
  for (const run of status.runs.filter(({ status: how }) => how === "failed").slice(-5)) {
    const code = run.exit_code === null ? "" : `, exit code ${run.exit_code}`;
    found.push({
      what: `The run ${run.id} failed${code}`,
      why: run.ended ?? "",
      remedy: "Its last lines say why.",
    });
  }
  return found;
}

/** @param {number} count */
const times = (count) => (count === 1 ? "once" : `${count} times`);
