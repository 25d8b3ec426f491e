/**
 * `<channel-list>`: all channels, and which of them are shown.
 *
 * A click on a name shows that channel alone; with Ctrl or Cmd, or on its box, it is shown
 * besides the others. Names of a Compose project, or with a common beginning, stand in groups,
 * which can be folded. How the containers of a channel are is said beside it.
 * Arrow keys go from name to name.
 *
 * Events: `choose` (its detail is the names that are to be shown now; none means all), `run`
 * (its detail is the id of a run to be shown; empty: all).
 *
 * @import { Channel, Container, Run, Status } from "../net/relay.js"
 * @import { Group } from "../core/groups.js"
 * @import { Palette } from "../core/palette.js"
 */
import { conditionOf, containersByChannel, projectOf } from "../core/containers.js";
import { grouped as groupsOf, headOf, isAmong, isGlob, stateOf } from "../core/groups.js";
import { rate, runWords } from "../core/sentences.js";
import { age } from "../core/times.js";
import { arrange, button, find, make, write } from "./dom.js";

const MAX_RUNS = 12;

const CONTENT = `
  <div class="search">
    <input type="search" placeholder="Find a channel" aria-label="Find a channel"
      autocomplete="off" spellcheck="false">
  </div>
  <ul class="channels" aria-label="Channels"></ul>
  <p class="none" hidden></p>`;

export class ChannelList extends HTMLElement {
  static define() {
    customElements.define("channel-list", ChannelList);
  }

  /** Colours of the channels, as the lines have them. @type {Palette | null} */
  palette = null;
  /** @type {Map<string, Item>} by name; the first, with an empty name, stands for all */
  #items = new Map([["", new Item("")]]);
  /** @type {Map<string, HTMLLIElement>} headings, by what stands there */
  #headings = new Map();
  /** @type {Map<string, Group>} by their heads */
  #groups = new Map();
  /** @type {Set<string>} heads of groups that are folded */
  #folded = new Set();
  /** @type {readonly string[]} */
  #chosen = [];
  /** @type {readonly string[]} */
  #runs = [];
  #list = make("ul");
  #search = make("input");
  #none = make("p");

  connectedCallback() {
    this.innerHTML = CONTENT;
    this.#list = find(this, "ul", HTMLUListElement);
    this.#search = find(this, "input", HTMLInputElement);
    this.#none = find(this, ".none", HTMLParagraphElement);
    this.#search.addEventListener("input", () => this.#arrange());
    this.#list.addEventListener("click", (event) => this.#clicked(event));
    this.addEventListener("keydown", (event) => this.#pressed(event));
    this.#arrange();
  }

  /** Names that the relay has. */
  get names() {
    return [...this.#items.values()].filter((item) => item.isKnown).map((item) => item.name);
  }

  /** @param {Status} status of the relay, with all its channels */
  set status(status) {
    const now = Date.now();
    const gone = new Set(this.#items.keys());
    gone.delete("");
    const containers = containersByChannel(status);
    for (const channel of status.channels) {
      const item = this.#item(channel.name);
      item.show(channel, status, containers.get(channel.name) ?? [], now);
      const isOnly = this.#chosen.length === 1 && this.#chosen[0] === channel.name;
      item.showRuns(isOnly ? runsOf(channel, status) : [], this.#runs, now);
      gone.delete(channel.name);
    }
    for (const name of gone) this.#forget(name);
    this.#item("").total(status.channels);
    this.#arrange();
  }

  /**
   * @param {readonly string[]} chosen names that are shown; none: all
   * @param {readonly string[]} runs that are shown; none: all
   */
  choose(chosen, runs) {
    this.#runs = runs;
    for (const name of this.#chosen) {
      const item = this.#items.get(name);
      item?.showRuns([], [], 0);
      if (item?.isKnown === false) this.#items.delete(name);
    }
    this.#chosen = chosen;
    // A glob is a group's heading, or nothing that could be listed.
    for (const name of chosen) if (!isGlob(name)) this.#item(name);
    this.#arrange();
  }

  /** Take the keyboard. @override */
  focus() {
    this.#search.focus();
  }

  /** @param {string} name */
  #item(name) {
    let item = this.#items.get(name);
    if (item === undefined) {
      item = new Item(name);
      this.#items.set(name, item);
    }
    return item;
  }

  /** A channel that is chosen stays in the list, whether it is there or not. @param {string} name */
  #forget(name) {
    if (this.#chosen.includes(name)) this.#item(name).lose();
    else this.#items.delete(name);
  }

  #arrange() {
    const wanted = this.#search.value.trim().toLowerCase();
    for (const item of this.#items.values()) item.choose(this.#chosen, this.palette);
    const names = [...this.#items.keys()].filter((name) => name.toLowerCase().includes(wanted));
    const elements = [...(wanted === "" ? [this.#item("").element] : [])];
    const named = names.filter((name) => name !== "");
    for (const group of groupsOf(named, (name) => this.#item(name).project)) {
      const isHeaded = group.prefix + group.project !== "";
      if (isHeaded) elements.push(this.#heading(group));
      const isFolded = wanted === "" && isHeaded && this.#folded.has(headOf(group));
      for (const name of group.names) {
        const item = this.#item(name);
        item.label(group.prefix, isHeaded);
        if (!isFolded || this.#chosen.includes(name)) elements.push(item.element);
      }
    }
    arrange(this.#list, elements);
    this.#none.hidden = names.some((name) => name !== "");
    write(this.#none, wanted === "" ? "No channels yet." : "No channel has this in its name.");
  }

  /** @param {Group} group */
  #heading(group) {
    const head = headOf(group);
    this.#groups.set(head, group);
    let element = this.#headings.get(head);
    if (element === undefined) {
      element = make("li", "group");
      element.dataset["head"] = head;
      element.append(button("fold", ""), button("name", ""));
      this.#headings.set(head, element);
    }
    const { prefix, project, names } = group;
    const [fold, name] = /** @type {HTMLButtonElement[]} */ ([...element.children]);
    const isFolded = this.#folded.has(head);
    const isChosen = project === ""
      ? this.#chosen.includes(head)
      : names.every((one) => this.#chosen.includes(one));
    if (fold !== undefined) {
      write(fold, isFolded ? "▸" : "▾");
      fold.ariaLabel = `${isFolded ? "Unfold" : "Fold"} ${project || prefix}`;
      fold.ariaExpanded = String(!isFolded);
    }
    if (name !== undefined) {
      write(name, `${head} (${names.length})`);
      name.title = `Show all of ${project === "" ? head : `the Compose project ${project}`}`;
      name.ariaPressed = String(isChosen);
    }
    element.classList.toggle("chosen", isChosen);
    return element;
  }

  /** @param {MouseEvent} event */
  #clicked(event) {
    const target = /** @type {Element} */ (event.target).closest("button, input");
    const item = target?.closest("li");
    if (!(target instanceof HTMLElement) || !(item instanceof HTMLElement)) return;
    const { head, name } = item.dataset;
    const group = this.#groups.get(head ?? "");
    const isMore = target instanceof HTMLInputElement || event.ctrlKey || event.metaKey;
    if (target.dataset["run"] !== undefined) this.#sendRun(target.dataset["run"]);
    else if (head !== undefined && target.matches(".fold")) this.#fold(head);
    else if (group !== undefined && group.project !== "") this.#chooseAll(group.names, isMore);
    else if (head !== undefined) this.#choose(head, isMore);
    else if (name !== undefined) this.#choose(name, isMore && name !== "");
  }

  /** @param {string} head */
  #fold(head) {
    if (!this.#folded.delete(head)) this.#folded.add(head);
    this.#arrange();
  }

  /**
   * @param {readonly string[]} names
   * @param {boolean} isMore besides the others
   */
  #chooseAll(names, isMore) {
    const detail = [...new Set([...(isMore ? this.#chosen : []), ...names])].sort();
    this.dispatchEvent(new CustomEvent("choose", { detail, bubbles: true }));
  }

  /** @param {string} run */
  #sendRun(run) {
    const detail = this.#runs.includes(run) ? "" : run;
    this.dispatchEvent(new CustomEvent("run", { detail, bubbles: true }));
  }

  /**
   * @param {string} name
   * @param {boolean} isMore besides the others
   */
  #choose(name, isMore) {
    const others = this.#chosen.filter((other) => other !== name);
    const isChosen = others.length < this.#chosen.length;
    let detail = name === "" ? [] : [name];
    if (isMore) detail = isChosen ? others : [...others, name].sort();
    // Of a group that is shown by its glob all others remain.
    if (isMore && !isChosen && isAmong(name, this.#chosen)) {
      detail = this.names.filter((one) => one !== name && isAmong(one, this.#chosen));
    }
    this.dispatchEvent(new CustomEvent("choose", { detail, bubbles: true }));
  }

  /** @param {KeyboardEvent} event */
  #pressed(event) {
    if (event.key === "Escape" && this.#search.value !== "") {
      this.#search.value = "";
      this.#arrange();
      event.stopPropagation();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    const buttons = [...this.#list.querySelectorAll("button.name, button.run")];
    const at = buttons.indexOf(/** @type {Element} */ (document.activeElement));
    const next = buttons[at + step];
    if (next instanceof HTMLElement) next.focus();
    else if (step < 0) this.#search.focus();
    event.preventDefault();
  }
}

/**
 * Return the runs of a channel, the newest first.
 *
 * @param {Channel} channel
 * @param {Status} status
 */
function runsOf(channel, status) {
  const runs = status.runs.filter((run) => run.channels.includes(channel.name));
  return runs.sort((one, other) => (one.started < other.started ? 1 : -1)).slice(0, MAX_RUNS);
}

/** One channel in the list. */
class Item {
  /** Whether the relay has it. */
  isKnown = false;
  /** Of Compose, of which all of its containers are; empty: none. */
  project = "";
  element = make("li", "channel");
  #button = button("name", "");
  #box = make("input");
  #label = make("span", "label");
  #health = make("span", "health");
  #news = make("span", "news");
  #state = make("span", "state");
  #runs = make("ul", "runs");

  /** @param {string} name empty: it stands for all channels */
  constructor(name) {
    this.name = name;
    write(this.#label, name || "All channels");
    this.#button.append(this.#state, this.#label, this.#health, this.#news);
    this.#button.title = name;
    this.#box.type = "checkbox";
    this.#box.ariaLabel = `Show ${name} too`;
    this.#state.ariaHidden = "true";
    this.#runs.ariaLabel = `Runs of ${name}`;
    this.element.dataset["name"] = name;
    this.element.append(this.#button);
    if (name !== "") this.element.prepend(this.#box);
  }

  /** @param {string} prefix that stands above @param {boolean} isMember of a group */
  label(prefix, isMember) {
    write(this.#label, this.name.slice(prefix.length) || this.name);
    this.element.classList.toggle("member", isMember);
  }

  /**
   * @param {Channel} channel
   * @param {Status} status
   * @param {readonly Container[]} containers that feed it
   * @param {number} now
   */
  show(channel, status, containers, now) {
    this.isKnown = true;
    const perSecond = channel.lines_per_second;
    const newest = channel.newest === null ? null : Date.parse(channel.newest);
    const rest = newest === null ? "empty" : age(now - newest);
    const state = stateOf(channel, status);
    this.#tell(perSecond > 0 ? rate(perSecond) : rest, perSecond > 0);
    this.element.dataset["state"] = state.word;
    this.element.dataset["level"] = channel.newest_level ?? "";
    const level = channel.newest_level ? `, ${channel.newest_level}` : "";
    const newestWords = newest === null ? "none" : `${rest}${level}`;
    const condition = conditionOf(containers, now);
    this.project = projectOf(containers);
    write(this.#health, condition.word);
    this.#health.dataset["word"] = condition.word;
    this.#button.title = [
      `${this.name}: ${state.words}; newest line: ${newestWords}`,
      ...condition.words,
    ].join("\n");
  }

  /**
   * @param {Run[]} runs
   * @param {readonly string[]} chosen
   * @param {number} now
   */
  showRuns(runs, chosen, now) {
    if (runs.length === 0) return this.#runs.remove();
    const known = new Map([...this.#runs.children].map((item) => [runIn(item), item]));
    arrange(this.#runs, runs.map(({ id }) => known.get(id) ?? runItem(id)));
    runs.forEach((run, index) => {
      const element = find(/** @type {Element} */ (this.#runs.children[index]), "button", HTMLButtonElement);
      write(element, runWords(run, now));
      element.title = run.id;
      element.dataset["status"] = run.status;
      element.ariaPressed = String(chosen.includes(run.id));
    });
    if (this.#runs.parentNode === null) this.element.append(this.#runs);
  }

  /** @param {Channel[]} channels */
  total(channels) {
    const perSecond = channels.reduce((sum, channel) => sum + channel.lines_per_second, 0);
    this.#tell(perSecond > 0 ? rate(perSecond) : "", perSecond > 0);
  }

  lose() {
    this.isKnown = false;
    write(this.#health, "");
    this.element.dataset["state"] = "";
    this.#tell("not there", false);
  }

  /**
   * @param {readonly string[]} chosen
   * @param {Palette | null} palette
   */
  choose(chosen, palette) {
    const isAll = this.name === "" && chosen.length === 0;
    const isChosen = isAll || (this.name !== "" && isAmong(this.name, chosen));
    this.#box.checked = isChosen;
    this.element.classList.toggle("chosen", isChosen);
    this.element.classList.toggle("unknown", this.name !== "" && !this.isKnown);
    this.#button.ariaPressed = String(isChosen);
    const isMixed = chosen.length !== 1 || isGlob(chosen[0] ?? "");
    const hue = palette !== null && isMixed && this.name !== "" ? `hue-${palette.hue(this.name)}` : "";
    this.#label.className = `label ${hue}`;
  }

  /**
   * @param {string} words
   * @param {boolean} isBusy
   */
  #tell(words, isBusy) {
    write(this.#news, words);
    this.#news.classList.toggle("busy", isBusy);
  }
}

/** @param {Element} item */
const runIn = (item) => /** @type {HTMLElement} */ (item).dataset["run"] ?? "";

/** @param {string} run */
function runItem(run) {
  const item = make("li");
  const element = button("run", "");
  item.dataset["run"] = element.dataset["run"] = run;
  item.append(element);
  return item;
}
