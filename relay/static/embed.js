/**
 * `<relay-log-viewer>`: the page's list of lines as an element for any page.
 *
 *     <script type="module" src="https://logs.example/embed.js"></script>
 *     <relay-log-viewer channel="web" height="400px" follow></relay-log-viewer>
 *
 * Attributes: `src` (the relay's address; default: where this module came from), `channel` (names
 * or globs, with commas), `query` (further parameters, as the API has them), `height`, `follow`
 * (stay at the newest lines; without it what is first seen stays), `tail` (lines of history),
 * `find` (text that is marked), `time` (`local utc relative`), `token`, `nowrap`, `seqs`. Its
 * colours are CSS custom properties: `--ground`, `--text`, `--accent` and so on, see list.css.
 *
 * Event `connection`: its detail says how it stands with the relay.
 */
import { filterOf, matcherOf, NOTHING } from "./core/filter.js";
import { parseView, withChanges } from "./core/view.js";
import { LiveLog } from "./net/log.js";
import { make } from "./ui/dom.js";
import { LogView } from "./ui/log-view.js";

const SHEET = new URL("list.css", import.meta.url).href;
const DARK = matchMedia("(prefers-color-scheme: dark)");

export class RelayLogViewer extends HTMLElement {
  static observedAttributes = ["src", "channel", "query", "find", "tail", "time", "token", "height"];

  static define() {
    LogView.define();
    customElements.define("relay-log-viewer", RelayLogViewer);
  }

  #view = new LogView();
  /** @type {LiveLog | null} */
  #log = null;
  #isScheduled = false;
  #turned = () => {
    this.#view.look = { isDark: DARK.matches };
  };

  constructor() {
    super();
    const sheet = make("link");
    sheet.rel = "stylesheet";
    sheet.href = SHEET;
    this.attachShadow({ mode: "open" }).append(sheet, this.#view);
    this.#view.addEventListener("follow-change", () => this.#control());
    this.#view.addEventListener("need-older", (event) => {
      void this.#log?.loadOlder(/** @type {CustomEvent} */ (event).detail);
    });
    this.#view.addEventListener("fill-gap", (event) => {
      void this.#fill(/** @type {CustomEvent} */ (event).detail);
    });
  }

  connectedCallback() {
    DARK.addEventListener("change", this.#turned);
    this.#turned();
    this.#schedule();
  }

  disconnectedCallback() {
    DARK.removeEventListener("change", this.#turned);
    this.#log?.close();
    this.#log = null;
  }

  attributeChangedCallback() {
    this.#schedule();
  }

  /** Several attributes are mostly set together. */
  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      if (this.isConnected) this.#open();
    });
  }

  #open() {
    this.style.display = "block";
    const height = this.getAttribute("height");
    if (height !== null) this.style.height = /^\d+$/.test(height) ? `${height}px` : height;
    const text = (/** @type {string} */ name) => this.getAttribute(name) ?? "";
    const given = new URLSearchParams(text("query"));
    for (const name of ["channel", "find", "tail", "time"]) {
      if (text(name) !== "") given.set(name, text(name));
    }
    const view = withChanges(parseView(given.toString()), { at: null });
    this.#log?.close();
    const [url, token] = [text("src"), text("token")];
    const relay = { ...(url !== "" && { url }), ...(token !== "" && { token }) };
    const find = matcherOf(view.find);
    const log = new LiveLog(relay, {
      started: () => {
        this.#view.show(log.store, null);
        this.#view.search = find && filterOf(log.store, { ...NOTHING, texts: [find] }, true);
      },
      grown: () => {
        this.#view.grown();
        if (!this.hasAttribute("follow") && this.#view.isFollowing) this.#view.pin();
        this.#control();
      },
      prepended: (count) => this.#view.prepended(count),
      replaced: () => this.#view.replaced(),
      changed: (detail) => this.dispatchEvent(new CustomEvent("connection", { detail })),
    });
    this.#log = log;
    const isMixed = view.channels.length !== 1 || /[*?]/.test(view.channels[0] ?? "");
    this.#view.look = { find, isMixed, zone: view.time };
    // The relay filters: whoever embeds a list cannot change what it shows by the mouse.
    log.show(view, true);
  }

  #control() {
    const log = this.#log;
    if (log === null) return;
    log.isPinned = !this.#view.isFollowing;
    if (!this.#view.isFollowing && log.isFull) log.hold();
    else log.release();
    if (log.isCut && this.#view.isFollowing) log.reopen();
  }

  /** @param {number} id of a gap */
  async #fill(id) {
    const count = await this.#log?.fill(id).catch(() => null);
    if (count === 0) this.#view.note(id, "Nothing of it is left.");
  }
}

RelayLogViewer.define();
