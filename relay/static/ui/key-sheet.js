/** `<key-sheet>`: all keys, on a sheet of its own. */
import { button, make } from "./dom.js";

/** Under which head, which keys do what. @type {[string, [string, string][]][]} */
const KEYS = [
  [
    "Anywhere",
    [
      ["/", "filter lines"],
      ["s", "search in the lines"],
      ["n  N", "next match, the one before"],
      ["1 … 7", "show a level, from trace to unknown"],
      ["Space", "pause, or follow"],
      ["Esc", "close; choose nothing; clear the filter"],
      ["o", "more: filters, display, download"],
      ["b", "find a channel"],
      ["h", "histogram: arrows, Shift, Enter choose a range"],
      ["t", "times: this zone, UTC, how long ago"],
      ["w", "wrap long lines, or not"],
      ["q", "seq: show the numbers, or not"],
      ["p", "status of the relay, or the log"],
      ["Shift C", "clear the lines that are shown"],
      ["?", "this sheet"],
    ],
  ],
  [
    "In the lines",
    [
      ["↑ ↓  k j", "go from line to line; with Shift choose several"],
      ["Home  End", "the oldest line, follow the newest"],
      ["Enter", "unfold JSON, fields and further lines, or fold"],
      ["c", "copy what is chosen, as it is in the log"],
      ["Ctrl A", "choose all lines"],
      ["l", "link to this line"],
      ["x", "this line among those around it, without the filter"],
      ["g", "at a gap: load what history has"],
    ],
  ],
];

export class KeySheet extends HTMLElement {
  static define() {
    customElements.define("key-sheet", KeySheet);
  }

  #dialog = make("dialog");

  connectedCallback() {
    const close = button("close", "Close");
    close.addEventListener("click", () => this.#dialog.close());
    this.#dialog.ariaLabel = "Keys";
    this.#dialog.replaceChildren(make("h2", "", "Keys"), ...KEYS.flatMap(section), close);
    this.replaceChildren(this.#dialog);
  }

  get isOpen() {
    return this.#dialog.open;
  }

  show() {
    if (!this.#dialog.open) this.#dialog.showModal();
  }
}

/** @param {[string, [string, string][]]} section */
function section([title, keys]) {
  const list = make("dl", "");
  for (const [key, words] of keys) {
    const term = make("dt", "");
    term.append(make("kbd", "", key));
    list.append(term, make("dd", "", words));
  }
  return [make("h3", "", title), list];
}
