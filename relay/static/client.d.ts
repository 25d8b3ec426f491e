// Made by `make types` from the JSDoc of client.js; do not edit.

export type Level = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "unknown";

export type Entry = {
    type: "log";
    id: number;
    seq: number;
    channel: string;
    /**
     * RFC 3339, UTC, with nanoseconds
     */
    timestamp: string;
    level: Level;
    stream: "stdout" | "stderr" | "system";
    source: string;
    instance?: string;
    run?: string;
    /**
     * this is a piece of a longer line
     */
    part?: boolean;
    /**
     * what a source knows besides
     */
    fields?: Record<string, unknown>;
    message: string;
};

export type Gap = {
    type: "gap";
    id: number;
    channel: string;
    after: number;
    until: number;
    /**
     * null where nobody can count them
     */
    count: number | null;
    at_least: number;
    reason: string;
};

export type Ending = {
    type: "complete";
    id: number;
    channel: string;
    run: string;
    timestamp: string;
    status: string;
    exit_code: number | null;
    signal: string | null;
};

export type Hello = {
    type: "hello";
    version: string;
    /**
     * the id after which the stream starts
     */
    cursor: number;
    channels: string[];
};

export type Cursor = {
    type: "cursor";
    id: number;
};

export type Failure = {
    type: "error";
    code: string;
    message: string;
};

export type RowObject = Entry | Gap | Ending;

export type StreamObject = RowObject | Hello | Cursor | Failure;

export type Connection = {
    phase: "connecting" | "live" | "waiting" | "refused" | "ended";
    /**
     * when this began: for a lost connection, when it was lost
     */
    since: number;
    /**
     * how many in a row were in vain
     */
    attempts: number;
    /**
     * when the next attempt is made; only while waiting
     */
    until: number;
    /**
     * why it waits or was refused; empty at first
     */
    reason: string;
};

/** Takes in the lines of one query's streams, over all of its connections. */
declare class Intake {
    /** The id after which a reader goes on; null before the first hello. @type {number | null} */
    cursor: number | null;
    /** Entries so far. */
    received: number;
    /** @type {Missed} */
    missed: Missed;
    /** @type {Hello | null} */
    hello: Hello | null;
    /** Why the relay ended the stream, in its own words. @type {string | null} */
    failure: string | null;
    /**
     * Take objects in, and return those that are rows: entries, gaps and endings.
     *
     * @param {readonly StreamObject[]} objects in the order in which they came
     */
    take(objects: readonly StreamObject[]): RowObject[];
    #private;
}

export type Missed = {
    /**
     * how many entries are certainly missing
     */
    count: number;
    /**
     * whether more may be missing, which nobody can count
     */
    isLeast: boolean;
};

/** The relay will not answer this, and asking again is no use. */
export class RefusedError extends Error {
}

export function history(query: Query | string, relay?: Relay & {
    signal?: AbortSignal;
}): Promise<Page>;

export function status(relay?: Relay & {
    signal?: AbortSignal;
}): Promise<Status>;

export function histogram(query: Query | string, relay?: Relay & {
    signal?: AbortSignal;
}): Promise<Histogram>;

export type Relay = {
    /**
     * of its page, such as `https://logs.example/relay/`; default:
     * where this module came from
     */
    url?: string | URL;
    /**
     * sent as `Authorization: Bearer …`
     */
    token?: string;
};

export type Query = Record<string, string | number | boolean | readonly (string | number)[] | null | undefined>;

export type Page = {
    logs: Entry[];
    gaps: Gap[];
    endings: Ending[];
    count: number;
    /**
     * of all that match, where that is known
     */
    total: number | null;
    /**
     * whether more match than were returned
     */
    truncated: boolean;
    /**
     * the id after which a reader goes on
     */
    cursor: number;
};

export type Channel = {
    name: string;
    /**
     * in all
     */
    lines: number;
    held_lines: number;
    lines_per_second: number;
    bytes_per_second: number;
    /**
     * time of the newest entry, RFC 3339
     */
    newest: string | null;
    newest_level: string | null;
    newest_source: string | null;
    runs: string[];
    memory_bytes: number;
    max_bytes: number;
};

export type Container = {
    name: string;
    /**
     * of Compose, else the name
     */
    service: string;
    /**
     * of Compose
     */
    project: string | null;
    image: string;
    /**
     * `created running paused restarting exited dead`
     */
    state: string;
    /**
     * `starting healthy unhealthy`; null where nothing checks it
     */
    health: string | null;
    /**
     * by the engine itself
     */
    restarts: number;
    /**
     * when it is in this state, RFC 3339
     */
    since: string | null;
    id: string;
};

export type Reader = {
    state: string;
    detail: string;
    run: string | null;
    /**
     * that it reads
     */
    container?: Container;
};

export type Source = {
    name: string;
    type: string;
    state: string;
    since: string;
    last_error: string | null;
    last_error_at: string | null;
    lines: number;
    lines_per_second: number;
    lost_lines: number;
    invalid_bytes: number;
    restarts: number;
    readers: Record<string, Reader>;
};

export type Run = {
    id: string;
    source: string;
    instance: string | null;
    channels: string[];
    started: string;
    ended: string | null;
    status: string;
    exit_code: number | null;
    signal: string | null;
    lines: number;
};

export type StoreState = {
    state: "off" | "ok" | "failing" | "catching up";
    /**
     * when that began, RFC 3339
     */
    since: string;
    /**
     * why it fails
     */
    reason: string | null;
    directory: string | null;
    /**
     * shown, and not kept
     */
    behind_lines: number;
    behind_bytes: number;
    stored_bytes: number;
    /**
     * null where nobody can say
     */
    free_bytes: number | null;
    /**
     * sentences on what was mended at the start
     */
    recovered: string[];
};

export type Status = {
    version: string;
    started: string;
    uptime_seconds: number;
    last_id: number;
    cpu_seconds: number;
    store: StoreState;
    sources: Source[];
    channels: Channel[];
    runs: Run[];
    connections: {
        total: number;
        by_channel: Record<string, number>;
        by_protocol: Record<string, number>;
    };
};

export type Bucket = {
    start: string;
    total: number;
    levels: Record<string, number>;
};

export type Histogram = {
    since: string;
    until: string;
    interval_seconds: number;
    buckets: Bucket[];
    total: number;
    /**
     * channels that cannot be read to their end for now
     */
    unread: string[];
};

export class LogStream {
    /** @param {Options & Listener & Relay} [options] */
    constructor(options?: Options & Listener & Relay);
    /** What came so far: counts, what was missed, the cursor. */
    intake: Intake;
    /** How it stands with the relay. */
    get connection(): Connection;
    /** How lines come now. */
    get transport(): "fetch" | "sse" | "websocket" | "poll";
    /** Begin. Does nothing where it has begun already. */
    open(): this;
    /** Leave the stream; nothing is told any more. */
    close(): void;
    /** Do not wait any longer before the next attempt. */
    retry(): void;
    /**
     * Read no more for now. The relay keeps our place as a cursor and sends no more than fits
     * into the connection; should it close that, we come back with the last id that we have.
     */
    hold(): void;
    release(): void;
    /** Give the entries one by one, until nothing will follow. @returns {AsyncGenerator<Entry, void>} */
    [Symbol.asyncIterator](): AsyncGenerator<Entry, void>;
    #private;
}

export type Transport = "auto" | "fetch" | "sse" | "websocket" | "poll";

export type Listener = {
    /**
     * one line
     */
    onEntry?: (entry: Entry) => void;
    /**
     * lines that this reader can no longer have
     */
    onGap?: (gap: Gap) => void;
    /**
     * the end of a run
     */
    onComplete?: (ending: Ending) => void;
    /**
     * what the relay is doing, every other second
     */
    onStatus?: (status: Status) => void;
    /**
     * a connection brings something
     */
    onConnect?: (hello: Hello) => void;
    /**
     * it was lost, and is
     * made again after so long
     */
    onDisconnect?: (reason: string, milliseconds: number) => void;
    /**
     * nothing will follow
     */
    onError?: (error: Error) => void;
    /**
     * entries, gaps and endings, as they come
     */
    onRows?: (rows: RowObject[]) => void;
    /**
     * how it stands with the relay
     */
    onConnection?: (connection: Connection) => void;
};

export type Options = {
    /**
     * names and values as the API has them
     */
    query?: Query | string;
    /**
     * default: what comes through
     */
    transport?: Transport;
    /**
     * the id after which it starts
     */
    after?: number;
    /**
     * that are in vain; default: without end
     */
    maxReconnectAttempts?: number;
};
