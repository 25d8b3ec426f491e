/**
 * `<view-panel>`: what is rarely changed of a view: further filters, how lines are shown, files.
 *
 * Events: `view` (its detail has the parts of the view that change), `download` (its detail is
 * `text`, `ndjson` or `shown`, a day or nothing, and whether it is compressed), `clear` (all
 * filters), `clear-lines`.
 *
 * @import { View } from "../core/view.js"
 */
import { STREAMS, TAIL } from "../core/view.js";
import { button, find, make } from "./dom.js";

const TAILS = [100, TAIL, 2000, 10_000, 0];

const CONTENT = `
  <fieldset>
    <legend>Filter</legend>
    <label>Exclude <input name="exclude" placeholder="text or /pattern/" autocomplete="off" spellcheck="false"></label>
    <label>Instance <input name="instances" list="known-instances" placeholder="name or glob*" autocomplete="off" spellcheck="false"></label>
    <label>Run <input name="runs" list="known-runs" placeholder="id or glob*" autocomplete="off" spellcheck="false"></label>
    <label>From <input name="since" placeholder="10m, or 2026-11-21T09:47:30Z" autocomplete="off" spellcheck="false"></label>
    <label>Until <input name="until" placeholder="5m, or 2026-11-21T09:50:00Z" autocomplete="off" spellcheck="false"></label>
    <div class="streams" role="group" aria-label="Streams"></div>
    <ul class="fields" aria-label="Fields"></ul>
    <button type="button" class="clear-filters">Clear all filters</button>
    <datalist id="known-instances"></datalist>
    <datalist id="known-runs"></datalist>
  </fieldset>
  <fieldset>
    <legend>Display</legend>
    <label>Times <select name="time">
      <option value="local">in this zone</option>
      <option value="utc">in UTC</option>
      <option value="relative">how long ago</option>
    </select></label>
    <label>Begin with <select name="tail"></select></label>
    <label class="check"><input type="checkbox" name="wrap"> Wrap long lines</label>
    <button type="button" class="clear-lines" title="Forget what is shown; new lines still come (Shift+C)">Clear lines</button>
  </fieldset>
  <fieldset>
    <legend>Download</legend>
    <label>Day (UTC) <input type="date" name="day"></label>
    <div class="files">
      <button type="button" data-format="text">Text</button>
      <button type="button" data-format="ndjson">NDJSON</button>
      <button type="button" data-format="text" data-gzip="1">Text, gzip</button>
      <button type="button" data-format="shown">What is shown here</button>
    </div>
  </fieldset>`;

export class ViewPanel extends HTMLElement {
  static define() {
    customElements.define("view-panel", ViewPanel);
  }

  connectedCallback() {
    this.innerHTML = CONTENT;
    const tails = find(this, "[name=tail]", HTMLSelectElement);
    for (const tail of TAILS) {
      tails.append(new Option(tail === 0 ? "all lines" : `${tail} lines`, String(tail)));
    }
    const streams = find(this, ".streams", HTMLDivElement);
    for (const stream of STREAMS) streams.append(checkbox(stream));
    this.addEventListener("change", (event) => this.#changed(event));
    this.addEventListener("click", (event) => this.#clicked(event));
    this.addEventListener("keydown", (event) => {
      const isField = event.target instanceof HTMLInputElement && event.key === "Enter";
      if (isField) event.target.dispatchEvent(new Event("change", { bubbles: true }));
    });
  }

  /** @param {View} view */
  set view(view) {
    const values = /** @type {const} */ (["exclude", "since", "until", "time"]);
    for (const name of values) this.#put(name, view[name]);
    this.#put("instances", view.instances.join(","));
    this.#put("runs", view.runs.join(","));
    const tails = find(this, "[name=tail]", HTMLSelectElement);
    const isListed = TAILS.includes(view.tail);
    if (!isListed) tails.append(new Option(`${view.tail} lines`, String(view.tail)));
    this.#put("tail", String(view.tail));
    find(this, "[name=wrap]", HTMLInputElement).checked = view.wrap;
    for (const stream of STREAMS) {
      const isShown = view.streams.length === 0 || view.streams.includes(stream);
      find(this, `[name="stream-${stream}"]`, HTMLInputElement).checked = isShown;
    }
    this.#showFields(view.fields);
  }

  /** @param {{instances: string[], runs: string[]}} known what the lines that are held come from */
  set known({ instances, runs }) {
    for (const [id, names] of /** @type {const} */ ([
      ["known-instances", instances],
      ["known-runs", runs],
    ])) {
      const list = find(this, `#${id}`, HTMLDataListElement);
      if (list.childElementCount === names.length) continue;
      list.replaceChildren(...names.slice(0, 200).map((name) => new Option(name, name)));
    }
  }

  /** Take the keyboard. @override */
  focus() {
    find(this, "[name=exclude]", HTMLInputElement).focus();
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  #put(name, value) {
    const field = /** @type {HTMLInputElement} */ (this.querySelector(`[name=${name}]`));
    if (field.value !== value && field !== document.activeElement) field.value = value;
  }

  /** @param {readonly string[]} fields */
  #showFields(fields) {
    const list = find(this, ".fields", HTMLUListElement);
    list.hidden = fields.length === 0;
    list.replaceChildren(
      ...fields.map((field) => {
        const item = make("li", "", field.replace(":", " = "));
        const remove = button("remove", "×");
        remove.ariaLabel = `Do not ask for ${field}`;
        remove.addEventListener("click", () => {
          this.#send({ fields: fields.filter((one) => one !== field) });
        });
        item.append(remove);
        return item;
      }),
    );
  }

  /** @param {Event} event */
  #changed(event) {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const { name, value } = field;
    if (name.startsWith("stream-")) return this.#send({ streams: this.#streams() });
    if (name === "wrap") return this.#send({ wrap: field.checked });
    if (name === "tail") return this.#send({ tail: Number(value) });
    if (name === "instances" || name === "runs") {
      return this.#send({ [name]: value.split(",").filter((one) => one !== "") });
    }
    if (name !== "day") this.#send({ [name]: value.trim() });
  }

  #streams() {
    const isChosen = (/** @type {string} */ stream) =>
      find(this, `[name="stream-${stream}"]`, HTMLInputElement).checked;
    const chosen = STREAMS.filter(isChosen);
    return chosen.length === STREAMS.length ? [] : chosen;
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {HTMLElement} */ (event.target);
    if (target.matches(".clear-filters")) this.dispatchEvent(new CustomEvent("clear"));
    if (target.matches(".clear-lines")) this.dispatchEvent(new CustomEvent("clear-lines"));
    const { format, gzip } = target.dataset;
    if (format === undefined) return;
    const day = find(this, "[name=day]", HTMLInputElement).value;
    const detail = { format, day, isCompressed: gzip !== undefined };
    this.dispatchEvent(new CustomEvent("download", { detail }));
  }

  /** @param {Partial<View>} detail */
  #send(detail) {
    this.dispatchEvent(new CustomEvent("view", { detail }));
  }
}

/** @param {string} stream */
function checkbox(stream) {
  const label = make("label", "check");
  const input = make("input");
  input.type = "checkbox";
  input.name = `stream-${stream}`;
  label.append(input, ` ${stream}`);
  return label;
}
