/**
 * `<status-view>`: what the relay is doing; what is wrong first, with what to do.
 *
 * Event `choose`: its detail is the names of channels that are to be shown.
 *
 * @import { Channel, Container, Reader, Run, Source, Status } from "../net/relay.js"
 */
import { keepingDetail, keepingWords, size } from "../core/keeping.js";
import { grouped, rate, runWords } from "../core/sentences.js";
import { age } from "../core/times.js";
import { troubles } from "../core/trouble.js";
import { button, make } from "./dom.js";

/** Looks that a picture of a rate shows: one each other second. */
const LOOKS = 60;
const MAX_ROWS = 200;

export class StatusView extends HTMLElement {
  static define() {
    customElements.define("status-view", StatusView);
  }

  /** @type {Map<string, number[]>} rates so far, by kind and name */
  #rates = new Map();

  connectedCallback() {
    this.tabIndex = -1;
    this.addEventListener("click", (event) => {
      const { channel } = /** @type {HTMLElement} */ (event.target).dataset;
      if (channel === undefined) return;
      this.dispatchEvent(new CustomEvent("choose", { detail: [channel], bubbles: true }));
    });
  }

  /** Remember rates, so that their pictures have a past when they are seen. @param {Status} status */
  note(status) {
    for (const [kind, all] of /** @type {const} */ ([
      ["source", status.sources],
      ["channel", status.channels],
    ])) {
      for (const one of all) {
        const key = `${kind} ${one.name}`;
        const rates = [...(this.#rates.get(key) ?? []), one.lines_per_second].slice(-LOOKS);
        this.#rates.set(key, rates);
      }
    }
  }

  /** @param {Status} status */
  set status(status) {
    const now = Date.now();
    const top = this.scrollTop;
    const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset["channel"] : undefined;
    this.replaceChildren(
      make("h2", "", "Status"),
      summary(status),
      ...trouble(status),
      ...storeSection(status),
      table(
        "Sources",
        ["Name", "Type", "State", "Rate", "", "Lines", "Restarts", "Readers"],
        status.sources.map((source) => this.#source(source, now)),
      ),
      ...containerTable(status, now),
      table(
        "Channels",
        ["Name", "Rate", "", "Lines", "Held", "Newest", "Memory"],
        status.channels.slice(0, MAX_ROWS).map((channel) => this.#channel(channel, now)),
      ),
      table(
        "Runs",
        ["Run", "State", "Channels", "Lines"],
        [...status.runs].reverse().slice(0, MAX_ROWS).map((run) => runRow(run, now)),
      ),
      table(
        "Connections",
        ["Protocol", "Count"],
        Object.entries(status.connections.by_protocol).map(([protocol, count]) => [
          protocol,
          grouped(count),
        ]),
      ),
    );
    this.scrollTop = top;
    if (focused !== undefined) {
      const again = this.querySelector(`[data-channel="${CSS.escape(focused)}"]`);
      if (again instanceof HTMLElement) again.focus();
    }
  }

  /**
   * @param {Source} source
   * @param {number} now
   */
  #source(source, now) {
    const state = make("span", `state ${source.state}`, source.state);
    state.title = source.last_error ?? "";
    const readers = Object.entries(source.readers);
    const words = readers.slice(0, 3).map(([name, reader]) => `${name} (${stateOf(reader)})`);
    if (readers.length > 3) words.push(`and ${readers.length - 3} more`);
    return [
      source.name,
      source.type,
      two(state, ` ${age(now - Date.parse(source.since))}`),
      rate(source.lines_per_second),
      this.#picture(`source ${source.name}`),
      grouped(source.lines),
      grouped(source.restarts),
      words.join(", "),
    ];
  }

  /**
   * @param {Channel} channel
   * @param {number} now
   */
  #channel(channel, now) {
    const name = button("name", channel.name);
    name.dataset["channel"] = channel.name;
    return [
      name,
      rate(channel.lines_per_second),
      this.#picture(`channel ${channel.name}`),
      grouped(channel.lines),
      grouped(channel.held_lines),
      channel.newest === null ? "none" : age(now - Date.parse(channel.newest)),
      `${Math.round((channel.memory_bytes / channel.max_bytes) * 100)} %`,
    ];
  }

  /** @param {string} key */
  #picture(key) {
    const rates = this.#rates.get(key) ?? [];
    const most = Math.max(1, ...rates);
    const points = rates.map((one, at) => {
      const x = ((LOOKS - rates.length + at) / (LOOKS - 1)) * 100;
      return `${x.toFixed(1)},${(19 - (one / most) * 18).toFixed(1)}`;
    });
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 100 20");
    svg.setAttribute("class", "picture");
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", `rates of the last two minutes, at most ${rate(Math.max(0, ...rates))}`);
    const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
    line.setAttribute("points", points.join(" "));
    svg.append(line);
    return svg;
  }
}

/** With what is known besides, such as the health of a container. @param {Reader} reader */
const stateOf = ({ state, detail }) => (detail ? `${state}, ${detail}` : state);

/** @param {Status} status */
function summary(status) {
  const words = [
    `relay ${status.version}`,
    `running for ${age(status.uptime_seconds * 1000)}`,
    `${grouped(status.connections.total)} connected`,
    `${grouped(Math.round(status.cpu_seconds))} s of processor time`,
  ];
  return make("p", "summary", words.join(" · "));
}

/** @param {Status} status */
function trouble(status) {
  const found = troubles(status);
  if (found.length === 0) return [make("p", "fine", "Nothing is wrong.")];
  const list = make("ul", "troubles");
  for (const { what, why, remedy } of found) {
    const item = make("li", "");
    item.append(make("strong", "", what), make("p", "", why), make("p", "remedy", remedy));
    list.append(item);
  }
  return [list];
}

/** @param {Status} status */
function storeSection({ store }) {
  if (store.state === "off") return [];
  const words = [
    keepingWords(store, Date.now()),
    store.directory ?? "",
    `${size(store.stored_bytes)} stored`,
    keepingDetail(store),
  ];
  return [
    make("h3", "", "Store"),
    make("p", "", words.filter((word) => word !== "").join(" · ")),
    ...store.recovered.map((sentence) => make("p", "", `At the start: ${sentence}`)),
  ];
}

/**
 * Containers, if there are any.
 *
 * @param {Status} status
 * @param {number} now
 */
function containerTable(status, now) {
  const readers = status.sources.flatMap((source) => Object.values(source.readers));
  const rows = readers.flatMap(({ container }) => (container ? [containerRow(container, now)] : []));
  if (rows.length === 0) return [];
  const heads = ["Name", "Project", "Service", "Image", "State", "Health", "Restarts"];
  return [table("Containers", heads, rows.slice(0, MAX_ROWS))];
}

/**
 * @param {Container} container
 * @param {number} now
 */
function containerRow({ name, project, service, image, state, health, since, restarts }, now) {
  const how = make("span", `state ${state}`, state);
  const check = make("span", `state ${health ?? ""}`, health ?? "not checked");
  const when = since === null ? "" : ` ${age(now - Date.parse(since))}`;
  return [name, project ?? "", service, image, two(how, when), check, grouped(restarts)];
}

/**
 * @param {Run} run
 * @param {number} now
 */
function runRow(run, now) {
  return [run.id, runWords(run, now), run.channels.join(", "), grouped(run.lines)];
}

/** @param {(string | Node)[]} parts */
function two(...parts) {
  const span = make("span", "");
  span.append(...parts);
  return span;
}

/**
 * @param {string} title
 * @param {string[]} heads
 * @param {(string | Element)[][]} rows
 */
function table(title, heads, rows) {
  const section = make("section", "");
  section.append(make("h3", "", title));
  if (rows.length === 0) {
    section.append(make("p", "none", "None."));
    return section;
  }
  const wide = make("div", "wide");
  wide.tabIndex = 0;
  wide.role = "region";
  wide.ariaLabel = title;
  const element = make("table", "");
  const head = element.createTHead().insertRow();
  for (const word of heads) {
    const cell = make(word === "" ? "td" : "th", "", word);
    if (cell instanceof HTMLTableCellElement && word !== "") cell.scope = "col";
    head.append(cell);
  }
  const body = element.createTBody();
  for (const cells of rows) {
    const row = body.insertRow();
    for (const cell of cells) row.insertCell().append(cell);
  }
  wide.append(element);
  section.append(wide);
  return section;
}
