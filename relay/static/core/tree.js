/**
 * JSON in a line, unfolded: one row for each value.
 *
 * @typedef {object} Leaf
 * @property {number} depth from 0
 * @property {string} key as it is shown; empty for elements of an array
 * @property {string} path as `field` takes it, such as `card.kind`; empty where it takes none
 * @property {string} value as it is shown; of an object or array what it holds in a word
 * @property {string} kind `string number boolean null object array`
 * @property {string | null} wanted what `field` is to be to find such lines; null: cannot be
 */

const MAX_LEAVES = 500;

/**
 * Return the object that a message is; null where it is none.
 *
 * @param {string} message
 * @returns {object | null}
 */
export function objectIn(message) {
  const text = message.trim();
  if (!text.startsWith("{") || !text.endsWith("}")) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/**
 * Tell whether a message may be a JSON object, cheaply.
 *
 * @param {string} message
 */
export const looksLikeObject = (message) => /^\s*\{\s*["}]/.test(message) && /\}\s*$/.test(message);

/**
 * Return the values of an object, in its order.
 *
 * @param {object} object
 * @returns {Leaf[]} at most 500
 */
export function leavesOf(object) {
  /** @type {Leaf[]} */
  const leaves = [];
  gather(leaves, object, 0, "", true);
  return leaves;
}

/**
 * @param {Leaf[]} leaves
 * @param {object} object
 * @param {number} depth
 * @param {string} before path of the object
 * @param {boolean} isReachable whether paths lead here
 */
function gather(leaves, object, depth, before, isReachable) {
  const isArray = Array.isArray(object);
  for (const [key, value] of Object.entries(object)) {
    if (leaves.length >= MAX_LEAVES) return;
    const kind = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    const isDeep = kind === "object" || kind === "array";
    // A list has what one of its members is; what lies deeper in it has no path.
    const path = isArray ? before : joined(before, key);
    const isPath = isReachable && path !== "" && !path.includes(":") && !(isArray && isDeep);
    leaves.push({
      depth,
      key: isArray ? "" : key,
      path: isPath ? path : "",
      value: isDeep ? sizeOf(value) : String(value),
      kind,
      wanted: isPath && !isDeep ? String(value) : null,
    });
    if (isDeep) gather(leaves, value, depth + 1, path, isPath);
  }
}

/** @param {string} before @param {string} key */
const joined = (before, key) => (before === "" ? key : `${before}.${key}`);

/** @param {object} value */
function sizeOf(value) {
  const { length } = Object.keys(value);
  return Array.isArray(value) ? `[${length}]` : `{${length}}`;
}
