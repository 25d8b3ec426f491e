/**
 * The first page of lines, asked for while most of the page's modules are still on their way.
 *
 * Rule of this file: it imports little, and what it imports is named first in the page, so that
 * it runs as soon as a handful of modules is there.
 *
 * @import { Page } from "./net/relay.js"
 */
import { firstQuery, parseView, streamQuery } from "./core/view.js";
import { history } from "./net/relay.js";

/** @type {{query: string, page: Promise<Page>} | null} */
let first = asked();

function asked() {
  const view = parseView(location.search);
  if (view.at !== null || view.tail === 0) return null;
  const query = firstQuery(streamQuery(view, false), view.tail);
  const page = history(query, { url: document.baseURI.replace(/[?#].*$/, "") });
  // Who takes it hears of what went wrong.
  page.catch(() => {});
  return { query, page };
}

/**
 * Return the answer to a query that was asked here; null where it was not, or was taken before.
 *
 * @param {string} query
 */
export function takeFirst(query) {
  const page = first?.query === query ? first.page : null;
  first = null;
  return page;
}
