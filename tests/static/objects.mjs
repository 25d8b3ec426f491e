/** Lines as a relay writes them, and the objects that they are. */

/** @param {number} cursor */
export const hello = (cursor) =>
  `{"type":"hello","version":"0.1.0","cursor":${cursor},"channels":["web"]}`;

/** @param {number} id @param {string} message */
export const entry = (id, message = `line ${id}`) =>
  `{"type":"log","id":${id},"seq":${id},"channel":"web",` +
  `"timestamp":"2026-11-21T09:47:30.123456789Z","level":"info","stream":"stdout",` +
  `"source":"web","message":${JSON.stringify(message)}}`;

/** @param {number} id @param {number | null} count */
export const gap = (id, count, atLeast = count ?? 0, reason = "evicted") =>
  `{"type":"gap","id":${id},"channel":"web","after":1,"until":${id},` +
  `"count":${count},"at_least":${atLeast},"reason":"${reason}"}`;

/** @param {number} id @param {object} [more] */
export const row = (id, more = {}) => ({ ...JSON.parse(entry(id)), ...more });

/** @param {number} first @param {number} end @param {(id: number) => object} [more] */
export const rows = (first, end, more = () => ({})) =>
  Array.from({ length: end - first }, (_, at) => row(first + at, more(first + at)));
