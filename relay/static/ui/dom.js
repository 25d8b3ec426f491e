/** What every element does with the document. */

/**
 * Return the element that a selector means.
 *
 * @template {Element} T
 * @param {ParentNode} root
 * @param {string} selector
 * @param {{new (): T, name: string}} kind class that it must have
 * @returns {T}
 * @throws {TypeError} there is none, or it is something else
 */
export function find(root, selector, kind) {
  const element = root.querySelector(selector);
  if (element instanceof kind) return element;
  throw new TypeError(`expected ${kind.name} at ${selector}, got ${element}`);
}

/**
 * Return a new element.
 *
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} [className]
 * @param {string} [text]
 */
export function make(tag, className = "", text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

/**
 * Return a new button.
 *
 * @param {string} className
 * @param {string} text
 */
export function button(className, text) {
  const element = make("button", className, text);
  element.type = "button";
  return element;
}

/**
 * Put text where it is not yet; asking is cheap, writing makes the browser lay out again.
 *
 * @param {Node} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Have just these elements in another, in this order. What has the keyboard keeps it, and where
 * that goes its neighbour is given it.
 *
 * @param {Element} parent
 * @param {readonly Element[]} elements
 */
export function arrange(parent, elements) {
  const focused = parent.contains(document.activeElement) ? document.activeElement : null;
  const place = [...parent.children].findIndex((child) => child.contains(focused));
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
  if (focused === null || focused === document.activeElement) return;
  const neighbour = parent.children[Math.min(place, parent.childElementCount - 1)];
  const target = focused.isConnected ? focused : neighbour?.querySelector("button");
  if (target instanceof HTMLElement) target.focus({ preventScroll: true });
}

/**
 * Copy text. By an event, since the newer way is forbidden to pages that come without TLS.
 *
 * @param {string} text
 */
export function copyText(text) {
  const copied = (/** @type {ClipboardEvent} */ event) => {
    event.clipboardData?.setData("text/plain", text);
    event.preventDefault();
    event.stopImmediatePropagation();
  };
  document.addEventListener("copy", copied, { capture: true, once: true });
  document.execCommand("copy");
  document.removeEventListener("copy", copied, { capture: true });
}

/** Return in a turn of its own, after the browser could draw and hear. */
export function nextTurn() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(null);
  });
}
