/** What a request can end with, beside its answer. */

/** The relay will not answer this, and asking again is no use. */
export class RefusedError extends Error {}

/** Something on the way holds a stream back until it is long enough. */
export class BufferedError extends Error {}

const FINAL = [400, 401, 403];

/**
 * Return the error that an answer means.
 *
 * @param {Response} response
 * @returns {Promise<Error>}
 */
export async function errorOf(response) {
  const reason = await refusal(response);
  // A wrong parameter stays wrong; a channel may appear, a proxy may find its relay again.
  return FINAL.includes(response.status) ? new RefusedError(reason) : new Error(reason);
}

/**
 * Return the relay's sentence of why it refuses, or what stands in its way.
 *
 * @param {Response} response
 * @returns {Promise<string>}
 */
async function refusal(response) {
  try {
    const { error } = await response.json();
    return String(error.message);
  } catch {
    return `the server answered ${response.status} ${response.statusText}`.trimEnd();
  }
}

/**
 * Return why a request failed, in words.
 *
 * @param {unknown} error
 */
export function sentenceOf(error) {
  if (error instanceof SyntaxError) return "the answer was no log";
  // What fetch says of its failures differs by browser and helps nobody.
  if (error instanceof TypeError || !(error instanceof Error)) return "the relay cannot be reached";
  return error.message;
}
