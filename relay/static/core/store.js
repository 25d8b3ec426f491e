/**
 * The rows that the page holds, in the order of the log.
 *
 * A million of them must fit: what counts is kept in typed arrays, messages as one string for
 * each block, origins once for all. An entry costs its text and about 40 bytes; an object is
 * made of it where one is drawn.
 *
 * Rows have numbers that stay while older ones come before them (below the first) and while rows
 * leave at either end, which they do by whole blocks.
 *
 * @import { Entry, Gap, Ending, Level, RowObject } from "./wire.js"
 */
import { nanosOf, timestampOf } from "./times.js";
import { LEVELS } from "./wire.js";

export const BLOCK_ROWS = 1024;

/** What a row is, as a number: a level's place, `unknown`, or no entry at all. */
export const UNKNOWN = LEVELS.length;
export const GAP = UNKNOWN + 1;
export const ENDING = UNKNOWN + 2;

/** Of a row, beside its text. */
const ROW_BYTES = 40;

/** Between the messages of a block. */
const SEPARATOR = "\n";

/** @type {Map<string, number>} */
const KINDS = new Map([...LEVELS, "unknown"].map((level, kind) => [level, kind]));

/**
 * Where a line came from.
 *
 * @typedef {object} Origin
 * @property {string} channel
 * @property {"stdout" | "stderr" | "system"} stream
 * @property {string} source
 * @property {string} instance empty where there is none
 * @property {string} run empty where there is none
 */

/** Consecutive rows. Read by `Store` and by filters, which look at many at once. */
export class Block {
  /** Number of the first row. */
  first = 0;
  count = 0;
  /** All messages with a newline behind each; null while rows still come. @type {string | null} */
  text = null;
  /** @type {string[]} messages while rows still come */
  messages = [];
  /** Of messages, in bytes as the engine holds them. */
  textBytes = 0;
  /** How many are gaps and endings. */
  others = 0;
  /** What few rows have: gaps, endings, fields, parts. @type {Map<number, any>} */
  extras = new Map();

  /** @param {number} capacity */
  constructor(capacity) {
    this.ids = new Float64Array(capacity);
    this.seqs = new Float64Array(capacity);
    /** Milliseconds since the epoch, and nanoseconds within them. */
    this.times = new Float64Array(capacity);
    this.nanos = new Int32Array(capacity);
    this.kinds = new Uint8Array(capacity);
    this.origins = new Uint32Array(capacity);
    /** Where each message ends in `text`. */
    this.ends = new Uint32Array(0);
  }

  get end() {
    return this.first + this.count;
  }

  get bytes() {
    return this.textBytes + this.count * ROW_BYTES + this.extras.size * 200;
  }

  /** @param {number} index */
  message(index) {
    if (this.text === null) return this.messages[index] ?? "";
    return this.text.slice(this.start(index), this.ends[index]);
  }

  /** Where a message begins in `text`. @param {number} index */
  start(index) {
    return index === 0 ? 0 : (this.ends[index - 1] ?? 0) + SEPARATOR.length;
  }

  /** No rows come any more: make its text one string. */
  seal() {
    const ends = new Uint32Array(this.count);
    let end = -SEPARATOR.length;
    this.messages.forEach((message, index) => {
      end += SEPARATOR.length + message.length;
      ends[index] = end;
    });
    this.ends = ends;
    this.text = this.messages.join(SEPARATOR) + SEPARATOR;
    this.messages = [];
    const isWide = /[^\x00-\xff]/.test(this.text);
    this.textBytes = this.text.length * (isWide ? 2 : 1) + ends.length * 4;
  }
}

export class Store {
  /** Number of the first row that is held. */
  first = 0;
  /** Number of the row that comes next. */
  end = 0;
  /** @type {Block[]} */
  blocks = [];
  /** @type {Origin[]} */
  origins = [];
  /** @type {Map<string, number>} by channel, stream, source, instance, run */
  #places = new Map();
  /** @type {Map<string, number>} number of the first row of each run */
  #starts = new Map();
  #sealedBytes = 0;
  // Neighbours mostly have the same time and origin, which need not be looked up again.
  #lastTimestamp = "";
  #lastTime = 0;
  #lastNanos = 0;
  #lastPlace = 0;

  get count() {
    return this.end - this.first;
  }

  /** What all rows cost in memory, about. */
  get bytes() {
    const last = this.blocks.at(-1);
    return this.#sealedBytes + (last?.text === null ? last.bytes : 0);
  }

  /** @param {readonly RowObject[]} objects newer than all that are held */
  append(objects) {
    let block = this.blocks.at(-1);
    for (const object of objects) {
      if (block === undefined || block.text !== null || block.count === BLOCK_ROWS) {
        if (block?.text === null) this.#seal(block);
        block = new Block(BLOCK_ROWS);
        block.first = this.end;
        this.blocks.push(block);
      }
      this.#put(block, object);
      this.end += 1;
    }
  }

  /** @param {readonly RowObject[]} objects older than all that are held */
  prepend(objects) {
    const blocks = this.#made(objects, this.first - objects.length);
    this.first -= objects.length;
    this.blocks.unshift(...blocks);
  }

  /**
   * Put others in the place of rows. Those before them get new numbers, those after keep theirs.
   *
   * @param {number} first
   * @param {number} end not included
   * @param {readonly RowObject[]} objects
   */
  replace(first, end, objects) {
    const from = this.#indexOf(first);
    const to = this.#indexOf(end - 1);
    const [start, last] = [this.blocks[from], this.blocks[to]];
    if (start === undefined || last === undefined) throw new RangeError(`no rows ${first}..${end}`);
    const shift = objects.length - (end - first);
    const made = [
      ...this.#made(this.objects(start.first, first), start.first - shift),
      ...this.#made(objects, first - shift),
      ...this.#made(this.objects(end, last.end), end),
    ];
    for (const block of this.blocks.slice(0, from)) block.first -= shift;
    this.blocks.splice(from, to - from + 1, ...made);
    this.first -= shift;
    this.#count();
  }

  /**
   * Put rows among those that are held, by their ids, in the place of one row.
   *
   * @param {number} row
   * @param {readonly RowObject[]} objects older than the row, or as old
   */
  merge(row, objects) {
    const first = Math.min(row, this.rowOfId(objects[0]?.id ?? Infinity));
    const held = this.objects(first, row);
    this.replace(first, row + 1, [...held, ...objects].sort((one, other) => one.id - other.id));
  }

  /**
   * Let the oldest blocks go while the others alone are enough; the newest always stays.
   *
   * @param {number} maxRows that many remain, if not for `maxBytes`
   * @param {number} maxBytes
   */
  trim(maxRows, maxBytes) {
    while (this.blocks.length > 1) {
      const oldest = /** @type {Block} */ (this.blocks[0]);
      if (this.count - oldest.count < maxRows && this.bytes <= maxBytes) return;
      this.blocks.shift();
      this.#sealedBytes -= oldest.bytes;
      this.first += oldest.count;
    }
  }

  /**
   * Let the newest blocks go while there are too many.
   *
   * @param {number} maxRows
   * @param {number} maxBytes
   * @param {number} row that must stay
   * @returns {boolean} whether some went
   */
  trimEnd(maxRows, maxBytes, row) {
    const end = this.end;
    while (this.blocks.length > 1) {
      const newest = /** @type {Block} */ (this.blocks.at(-1));
      if (newest.first <= row || (this.count <= maxRows && this.bytes <= maxBytes)) break;
      this.blocks.pop();
      if (newest.text !== null) this.#sealedBytes -= newest.bytes;
      this.end = newest.first;
    }
    return this.end < end;
  }

  /**
   * Let rows go that stand before one.
   *
   * @param {number} row the first that stays
   */
  dropBefore(row) {
    if (row <= this.first) return;
    const kept = this.blocks.filter((block) => block.end > row);
    const cut = kept[0];
    const rest = cut !== undefined && cut.first < row ? this.objects(row, cut.end) : null;
    this.blocks = rest === null ? kept : [...this.#made(rest, row), ...kept.slice(1)];
    this.first = Math.min(row, this.end);
    this.#count();
  }

  /**
   * Return the block of a row.
   *
   * @param {number} row
   * @returns {Block}
   * @throws {RangeError} it is not held
   */
  blockOf(row) {
    const block = this.blocks[this.#indexOf(row)];
    if (block === undefined) throw new RangeError(`no row ${row} in ${this.first}..${this.end}`);
    return block;
  }

  /** @param {number} row */
  id(row) {
    const block = this.blockOf(row);
    return block.ids[row - block.first] ?? 0;
  }

  /** @param {number} row */
  kind(row) {
    const block = this.blockOf(row);
    return block.kinds[row - block.first] ?? UNKNOWN;
  }

  /** Milliseconds since the epoch; of a gap those of the row before it. @param {number} row */
  time(row) {
    const block = this.blockOf(row);
    return block.times[row - block.first] ?? 0;
  }

  /** @param {number} row */
  message(row) {
    const block = this.blockOf(row);
    return block.message(row - block.first);
  }

  /** @param {number} row @returns {Origin} */
  origin(row) {
    const block = this.blockOf(row);
    return /** @type {Origin} */ (this.origins[block.origins[row - block.first] ?? 0]);
  }

  /** Tell whether a row is the first that is held of its run. @param {number} row */
  isFirstOfRun(row) {
    const { run } = this.origin(row);
    return run !== "" && this.#starts.get(run) === this.id(row);
  }

  /**
   * Return a row as it came.
   *
   * @param {number} row
   * @returns {RowObject}
   */
  object(row) {
    const block = this.blockOf(row);
    const index = row - block.first;
    const extra = block.extras.get(index);
    const kind = block.kinds[index] ?? UNKNOWN;
    if (kind >= GAP) return extra;
    const { channel, stream, source, instance, run } = this.origin(row);
    return /** @type {Entry} */ ({
      type: "log",
      id: block.ids[index],
      seq: block.seqs[index],
      channel,
      timestamp: timestampOf(block.times[index] ?? 0, block.nanos[index] ?? 0),
      level: LEVELS[kind] ?? "unknown",
      stream,
      source,
      ...(instance !== "" && { instance }),
      ...(run !== "" && { run }),
      ...extra,
      message: block.message(index),
    });
  }

  /**
   * @param {number} first
   * @param {number} end not included
   */
  objects(first, end) {
    return Array.from({ length: end - first }, (_, index) => this.object(first + index));
  }

  /**
   * Return the first row whose id is not less, or `end`.
   *
   * @param {number} id
   */
  rowOfId(id) {
    let [low, high] = [this.first, this.end];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.id(middle) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /**
   * @param {readonly RowObject[]} objects
   * @param {number} first number of the first one
   */
  #made(objects, first) {
    /** @type {Block[]} */
    const blocks = [];
    for (let at = 0; at < objects.length; at += BLOCK_ROWS) {
      const some = objects.slice(at, at + BLOCK_ROWS);
      const block = new Block(some.length);
      block.first = first + at;
      for (const object of some) this.#put(block, object);
      this.#seal(block);
      blocks.push(block);
    }
    return blocks;
  }

  #count() {
    this.#sealedBytes = this.blocks.reduce(
      (sum, block) => sum + (block.text === null ? 0 : block.bytes),
      0,
    );
  }

  /** @param {Block} block */
  #seal(block) {
    block.seal();
    this.#sealedBytes += block.bytes;
  }

  /**
   * @param {Block} block
   * @param {RowObject} object
   */
  #put(block, object) {
    const index = block.count;
    block.count += 1;
    block.ids[index] = object.id;
    if (object.type !== "log") return this.#putOther(block, index, object);
    const { timestamp, run } = object;
    block.seqs[index] = object.seq;
    if (timestamp !== this.#lastTimestamp) {
      this.#lastTimestamp = timestamp;
      this.#lastTime = Date.parse(timestamp);
      this.#lastNanos = nanosOf(timestamp);
    }
    block.times[index] = this.#lastTime;
    block.nanos[index] = this.#lastNanos;
    block.kinds[index] = KINDS.get(object.level) ?? UNKNOWN;
    block.origins[index] = this.#place(object);
    block.messages.push(object.message);
    block.textBytes += object.message.length;
    if (run !== undefined && !((this.#starts.get(run) ?? Infinity) <= object.id)) {
      this.#starts.set(run, object.id);
    }
    const { part, fields } = object;
    if (part || fields) block.extras.set(index, { ...(part && { part }), ...(fields && { fields }) });
  }

  /**
   * @param {Block} block
   * @param {number} index
   * @param {Gap | Ending} object
   */
  #putOther(block, index, object) {
    const isGap = object.type === "gap";
    block.others += 1;
    block.kinds[index] = isGap ? GAP : ENDING;
    block.times[index] = isGap ? (block.times[index - 1] ?? 0) : Date.parse(object.timestamp);
    block.origins[index] = this.#place({
      channel: object.channel,
      stream: "system",
      source: "",
      run: isGap ? "" : object.run,
    });
    block.messages.push("");
    block.extras.set(index, object);
  }

  /** @param {{channel: string, stream: Entry["stream"], source: string, instance?: string, run?: string}} object */
  #place({ channel, stream, source, instance = "", run = "" }) {
    const last = this.origins[this.#lastPlace];
    if (
      last !== undefined &&
      last.channel === channel &&
      last.stream === stream &&
      last.source === source &&
      last.instance === instance &&
      last.run === run
    ) {
      return this.#lastPlace;
    }
    const key = `${channel}\0${stream}\0${source}\0${instance}\0${run}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = this.origins.push({ channel, stream, source, instance, run }) - 1;
      this.#places.set(key, place);
    }
    this.#lastPlace = place;
    return place;
  }

  /** @param {number} row */
  #indexOf(row) {
    let [low, high] = [0, this.blocks.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const block = /** @type {Block} */ (this.blocks[middle]);
      if (row < block.first) high = middle - 1;
      else if (row >= block.end) low = middle + 1;
      else return middle;
    }
    return -1;
  }
}

/** @param {number} kind @returns {Level} */
export const levelOf = (kind) => LEVELS[kind] ?? "unknown";
