"""
The index: an SQLite database of channels, segments, positions and runs.

Rules of this file: all SQL of the store stands here, and nothing else does. What a commit puts
into a table is one step, since each gives up the interpreter lock and must win it back (of
``executemany`` every row is a step). What the index says is true; files follow it.
"""

import json
import os
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from relay.entry import Position
from relay.run import Run
from relay.storage import Extent, Positions

__all__ = [
    "NO_NEWEST_NS",
    "NO_OLDEST_NS",
    "VERSION",
    "ChannelRow",
    "OpenSegment",
    "SegmentRow",
    "add_segments",
    "channels",
    "check",
    "checkpoint",
    "connect",
    "copy",
    "create",
    "delete_channel",
    "delete_removals",
    "delete_runs",
    "delete_segments",
    "delete_values",
    "extent",
    "first_segments",
    "forget_keys",
    "forget_runs",
    "is_foreign",
    "mark_compressed",
    "next_number",
    "oldest_segments",
    "path_of",
    "positions",
    "put_channels",
    "put_positions",
    "put_removals",
    "put_runs",
    "put_values",
    "removals",
    "runs",
    "sealed_sums",
    "segments_after",
    "segments_before",
    "transaction",
    "trim_forgotten",
    "uncompressed_segments",
    "values",
    "version",
    "written",
]

VERSION = 1
"""Of the schema, as ``PRAGMA user_version``."""

BUSY_SECONDS = 10.0
"""How long one connection waits for another of ours."""

WAL_KEPT_BYTES = 4 * 1024 * 1024
"""Of the WAL's file once it begins anew: what is there already is cheaper to write again."""

MAX_STEP_ROWS = 32
"""Each number of rows is a statement of its own, which is prepared once."""

RECORD_KEY_BYTES = 16
"""A time of 8 bytes, big endian, and 8 of a hash."""

LATEST = sys.maxsize
"""Of record keys' times: SQLite's integers have a sign."""

NO_OLDEST_NS, NO_NEWEST_NS = sys.maxsize, -sys.maxsize
"""The times of a segment that has no entry: of losses or run endings alone."""

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER) WITHOUT ROWID;
CREATE TABLE channels (
    name TEXT PRIMARY KEY, born_id INTEGER, last_id INTEGER, last_seq INTEGER,
    forgotten_ns INTEGER,
    open_first_id INTEGER, open_first_seq INTEGER, open_length INTEGER, open_entries INTEGER,
    open_oldest_ns INTEGER, open_newest_ns INTEGER, open_date TEXT, open_written_ns INTEGER,
    open_opened_ns INTEGER, open_losses INTEGER, lost_id INTEGER
) WITHOUT ROWID;
CREATE TABLE segments (
    channel TEXT, last_id INTEGER, first_id INTEGER, first_seq INTEGER, last_seq INTEGER,
    length INTEGER, entries INTEGER, oldest_ns INTEGER, newest_ns INTEGER, date TEXT,
    written_ns INTEGER, stored_bytes INTEGER, compressed INTEGER, losses INTEGER,
    PRIMARY KEY (channel, last_id)
) WITHOUT ROWID;
CREATE TABLE removals (path TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE positions (
    source TEXT, reader TEXT, value TEXT, PRIMARY KEY (source, reader)
) WITHOUT ROWID;
CREATE TABLE record_keys (
    source TEXT, reader TEXT, number INTEGER, newest INTEGER, keys BLOB,
    PRIMARY KEY (source, reader, number)
) WITHOUT ROWID;
CREATE TABLE runs (
    id TEXT PRIMARY KEY, source TEXT, started_ns INTEGER, instance TEXT, pid INTEGER,
    ended_ns INTEGER, status TEXT, exit_code INTEGER, signal TEXT, ending_id INTEGER,
    lines INTEGER, offset INTEGER, offset_bytes INTEGER
) WITHOUT ROWID;
CREATE TABLE run_channels (
    run TEXT, channel TEXT, last_id INTEGER, PRIMARY KEY (run, channel)
) WITHOUT ROWID;
"""


_TABLES = {"meta", "channels", "segments"}
"""Every index has these."""


@dataclass(frozen=True, slots=True)
class SegmentRow:
    """
    One segment.

    Args:
        channel: its channel.
        last_id: of its last entry, loss or run ending.
        first_id: of its first; its file is named after it.
        first_seq: of its first entry, or of the next one where it has none.
        last_seq: of its last entry; ``first_seq - 1`` where it has none.
        length: bytes of text that are true.
        entries: how many it holds.
        oldest_ns: least timestamp of its entries; :data:`NO_OLDEST_NS` where it has none.
        newest_ns: greatest timestamp; :data:`NO_NEWEST_NS` where it has none.
        date: UTC, of its beginning by the wall clock.
        written_ns: when it was last appended to, by the age clock.
        stored_bytes: what it takes on disk.
        compressed: whether its file ends with ``.zst``.
        losses: how many declared losses and holes it holds, which have no timestamp.
        is_sealed: whether nothing is appended to it any more.
    """

    channel: str
    last_id: int
    first_id: int
    first_seq: int
    last_seq: int
    length: int
    entries: int
    oldest_ns: int
    newest_ns: int
    date: str
    written_ns: int
    stored_bytes: int
    compressed: bool
    losses: int = 0
    is_sealed: bool = True

    @property
    def file(self) -> str:
        """Path of its file below the state directory."""
        form = ".zst" if self.compressed else ""
        return f"channels/{self.channel}/{self.date}/{self.first_id}.ndjson{form}"


@dataclass(frozen=True, slots=True)
class OpenSegment:
    """The segment of a channel that is appended to; as in :class:`SegmentRow`."""

    first_id: int
    first_seq: int
    length: int
    entries: int
    oldest_ns: int
    newest_ns: int
    date: str
    written_ns: int
    opened_ns: int
    losses: int = 0


@dataclass(frozen=True, slots=True)
class ChannelRow:
    """
    One channel.

    Args:
        name: of the channel.
        born_id: all of its entries have greater ids.
        last_id: of its last entry, loss or run ending.
        last_seq: of its last entry.
        forgotten_ns: where it was forgotten, the newest timestamp of what it held then.
        open: its open segment; ``None`` where there is none.
        lost_id: of the last entry, loss or run ending that was pruned.
    """

    name: str
    born_id: int
    last_id: int
    last_seq: int
    forgotten_ns: int | None = None
    open: OpenSegment | None = None
    lost_id: int = 0

    def sealed(self, *, stored_bytes: int | None = None) -> SegmentRow:
        """Return the open segment, which must be there, as a sealed one."""
        part = self.open
        assert part is not None
        return SegmentRow(
            channel=self.name,
            last_id=self.last_id,
            first_id=part.first_id,
            first_seq=part.first_seq,
            last_seq=self.last_seq,
            length=part.length,
            entries=part.entries,
            oldest_ns=part.oldest_ns,
            newest_ns=part.newest_ns,
            date=part.date,
            written_ns=part.written_ns,
            stored_bytes=part.length if stored_bytes is None else stored_bytes,
            compressed=False,
            losses=part.losses,
        )


def connect(
    path: Path, *, readonly: bool = False, create: bool = False, synchronous: str = "NORMAL"
) -> sqlite3.Connection:
    """
    Open the index, in autocommit mode; one thread at a time may use the connection.

    Checkpoints are never made by themselves, see :func:`checkpoint`.

    Args:
        path: of ``index.db``.
        readonly: for reading only.
        create: make an empty database, for its owner alone, where there is none.
        synchronous: ``OFF``: nothing is synced. ``NORMAL``: checkpoints are, and the first
            page of the WAL when it begins anew, without which a power cut could mix old and new
            pages. ``FULL``: commits too.

    Raises:
        OSError: it cannot be made.
        sqlite3.Error: it cannot be opened.

    Source: SQLite, "PRAGMA synchronous" and "Write-Ahead Logging".
    """
    if readonly:
        return _connect_to_read(path)
    if create:
        _make_private(path)
    connection = _connect(path, "mode=rw")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
    return connection


def _make_private(path: Path) -> None:
    """Make an empty database for its owner alone; SQLite gives its WAL the same rights."""
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _connect_to_read(path: Path) -> sqlite3.Connection:
    connection = _connect(path, "mode=ro")
    try:
        version(connection)
    except sqlite3.OperationalError:
        connection.close()
        # Where the disk has no room for a WAL's files nobody writes to the database either.
        wal = path.with_name(path.name + "-wal")
        if not path.exists() or (wal.exists() and wal.stat().st_size):
            raise
        return _connect(path, "mode=ro&immutable=1")
    return connection


def _connect(path: Path, parameters: str) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?{parameters}",
        timeout=BUSY_SECONDS,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=512,
        uri=True,
    )


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Let what is done inside be done wholly or, if an exception leaves it, not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk may have rolled it back already.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def checkpoint(connection: sqlite3.Connection, *, truncate: bool = False) -> None:
    """
    Put what stands in the WAL into the database, and sync both as the connection does.

    Args:
        connection: of any thread; commits of another go on meanwhile.
        truncate: wait until all is done, with commits held up, and let the WAL be empty.
    """
    connection.execute(f"PRAGMA wal_checkpoint({'TRUNCATE' if truncate else 'PASSIVE'})")


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """
    Write the whole index to another file, which must not be there.

    Raises:
        OSError: it cannot be made.
        sqlite3.Error: it cannot be read or written.
    """
    _make_private(path)
    connection.execute("VACUUM INTO ?", (str(path),))


def path_of(directory: Path, row: SegmentRow) -> Path:
    """Return where the file of a segment is, under the state directory."""
    return directory / row.file


_SEALED = """channel, last_id, first_id, first_seq, last_seq, length, entries, oldest_ns,
    newest_ns, date, written_ns, stored_bytes, compressed, losses"""

_OPEN = """name, last_id, open_first_id, open_first_seq, last_seq, open_length, open_entries,
    open_oldest_ns, open_newest_ns, open_date, open_written_ns, open_length, 0, open_losses"""

_AFTER = f"""
SELECT {_SEALED}, 1 FROM segments WHERE channel = :channel AND last_id > :cursor
UNION ALL
SELECT {_OPEN}, 0 FROM channels
WHERE name = :channel AND last_id > :cursor AND open_first_id IS NOT NULL
ORDER BY last_id LIMIT :limit
"""

# Segments do not overlap: of those that end at or after `before` only the first can begin
# before it.
_BEFORE = f"""
SELECT {_SEALED}, 1 FROM segments
WHERE channel = :channel AND first_id < :before AND last_id <= coalesce(
    (SELECT last_id FROM segments WHERE channel = :channel AND last_id >= :before
     ORDER BY last_id LIMIT 1), :before)
UNION ALL
SELECT {_OPEN}, 0 FROM channels
WHERE name = :channel AND open_first_id < :before
ORDER BY last_id DESC LIMIT :limit
"""


def segments_after(
    connection: sqlite3.Connection, channel: str, cursor: int, limit: int
) -> list[SegmentRow]:
    """Return a channel's segments that reach beyond ``cursor``, oldest first, open one too."""
    values = {"channel": channel, "cursor": cursor, "limit": limit}
    return _segments(connection.execute(_AFTER, values))


def segments_before(
    connection: sqlite3.Connection, channel: str, before: int, limit: int
) -> list[SegmentRow]:
    """Return a channel's segments that begin before ``before``, newest first, open one too."""
    values = {"channel": channel, "before": before, "limit": limit}
    return _segments(connection.execute(_BEFORE, values))


def _segments(rows: Iterable[Sequence[Any]]) -> list[SegmentRow]:
    values = [
        [*head, bool(compressed), losses, bool(is_sealed)]
        for *head, compressed, losses, is_sealed in rows
    ]
    return [SegmentRow(*row) for row in values]


def create(connection: sqlite3.Connection) -> None:
    """Make an empty database an index."""
    connection.executescript(f"BEGIN IMMEDIATE;{SCHEMA}PRAGMA user_version = {VERSION};COMMIT;")


def version(connection: sqlite3.Connection) -> int:
    """Return the version of the schema; 0 for an empty database."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def is_foreign(connection: sqlite3.Connection) -> bool:
    """Tell whether somebody else made a database."""
    names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    return bool(names) and (not version(connection) or not names >= _TABLES)


def _put(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Add rows, or replace them: one step for many, see the rules of this file."""
    for start in range(0, len(rows), MAX_STEP_ROWS):
        some = rows[start : start + MAX_STEP_ROWS]
        places = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
        connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES {places}", tuple(chain.from_iterable(some))
        )


def check(connection: sqlite3.Connection) -> None:
    """
    Look whether an index is whole.

    Raises:
        sqlite3.DatabaseError: it is not.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(str(found))


# Values by key: the last id of earlier lives, whether the last one ended well, the age clock.


def values(connection: sqlite3.Connection) -> dict[str, int]:
    """Return what stands under keys of its own."""
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def put_values(connection: sqlite3.Connection, new: dict[str, int]) -> None:
    """Put values under their keys."""
    _put(connection, "meta", list(new.items()))


def delete_values(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Let go of values."""
    connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])


# Channels.


def channels(connection: sqlite3.Connection) -> list[ChannelRow]:
    """Return all channels, by name."""
    return [_channel(row) for row in connection.execute("SELECT * FROM channels ORDER BY name")]


def _channel(row: Sequence[Any]) -> ChannelRow:
    name, born_id, last_id, last_seq, forgotten_ns, *part, lost_id = row
    opened = None if part[0] is None else OpenSegment(*part)
    return ChannelRow(name, born_id, last_id, last_seq, forgotten_ns, opened, lost_id)


def delete_channel(connection: sqlite3.Connection, name: str) -> None:
    """Let go of a channel."""
    connection.execute("DELETE FROM channels WHERE name = ?", (name,))


def put_channels(connection: sqlite3.Connection, rows: Iterable[ChannelRow]) -> None:
    """Add channels, or replace them."""
    _put(connection, "channels", [_values_of(row) for row in rows])


def _values_of(row: ChannelRow) -> tuple[object, ...]:
    head = (row.name, row.born_id, row.last_id, row.last_seq, row.forgotten_ns)
    part = row.open
    if part is None:
        return *head, *(None,) * 10, row.lost_id
    return (
        *head,
        part.first_id,
        part.first_seq,
        part.length,
        part.entries,
        part.oldest_ns,
        part.newest_ns,
        part.date,
        part.written_ns,
        part.opened_ns,
        part.losses,
        row.lost_id,
    )


def trim_forgotten(connection: sqlite3.Connection, most: int) -> None:
    """Let go of forgotten channels, the longest silent first, until so many are left."""
    connection.execute(
        "DELETE FROM channels WHERE forgotten_ns IS NOT NULL AND name NOT IN (SELECT name"
        " FROM channels WHERE forgotten_ns IS NOT NULL ORDER BY last_id DESC LIMIT ?)",
        (most,),
    )


# Segments that are sealed.


def add_segments(connection: sqlite3.Connection, rows: Iterable[SegmentRow]) -> None:
    """Add sealed segments, or replace them."""
    _put(connection, "segments", [astuple(row)[:-1] for row in rows])


def mark_compressed(connection: sqlite3.Connection, row: SegmentRow, stored_bytes: int) -> bool:
    """Note that a segment's file is the compressed one now; tell whether it was still there."""
    cursor = connection.execute(
        "UPDATE segments SET compressed = 1, stored_bytes = ? WHERE channel = ? AND last_id = ?",
        (stored_bytes, row.channel, row.last_id),
    )
    return cursor.rowcount == 1


def first_segments(connection: sqlite3.Connection) -> dict[str, SegmentRow]:
    """Return the oldest segment of each channel that has one."""
    # A cross join is done in the order in which it stands: one seek for each channel.
    sealed = connection.execute(
        "SELECT s.*, 1 FROM channels c CROSS JOIN segments s ON s.channel = c.name"
        " AND s.last_id = (SELECT min(last_id) FROM segments WHERE channel = c.name)"
    )
    opened = connection.execute(f"SELECT {_OPEN}, 0 FROM channels WHERE open_first_id IS NOT NULL")
    found = {row.channel: row for row in _segments(opened)}
    return found | {row.channel: row for row in _segments(sealed)}


def written(connection: sqlite3.Connection) -> dict[str, tuple[int, int]]:
    """
    Return for each channel with a segment when something was last written, by age.

    And the newest timestamp of its last segment; :data:`NO_NEWEST_NS` where that has no entry.
    """
    sealed = connection.execute(
        "SELECT c.name, s.written_ns, s.newest_ns FROM channels c CROSS JOIN segments s"
        " ON s.channel = c.name"
        " AND s.last_id = (SELECT max(last_id) FROM segments WHERE channel = c.name)"
    )
    opened = connection.execute(
        "SELECT name, open_written_ns, open_newest_ns FROM channels"
        " WHERE open_first_id IS NOT NULL"
    )
    return {name: (ns, newest_ns) for rows in (sealed, opened) for name, ns, newest_ns in rows}


def oldest_segments(connection: sqlite3.Connection, channel: str, limit: int) -> list[SegmentRow]:
    """Return a channel's oldest sealed segments."""
    return _segments(
        connection.execute(
            f"SELECT {_SEALED}, 1 FROM segments WHERE channel = ? ORDER BY last_id LIMIT ?",
            (channel, limit),
        )
    )


def uncompressed_segments(
    connection: sqlite3.Connection, channel: str, limit: int
) -> list[SegmentRow]:
    """Return a channel's oldest sealed segments whose file is plain."""
    return _segments(
        connection.execute(
            f"SELECT {_SEALED}, 1 FROM segments WHERE channel = ? AND NOT compressed"
            " ORDER BY last_id LIMIT ?",
            (channel, limit),
        )
    )


def sealed_sums(connection: sqlite3.Connection, channel: str) -> tuple[int, int, int, int]:
    """Return how many sealed segments a channel has, their entries, lengths and stored bytes."""
    row = connection.execute(
        "SELECT count(*), coalesce(sum(entries), 0), coalesce(sum(length), 0),"
        " coalesce(sum(stored_bytes), 0) FROM segments WHERE channel = ?",
        (channel,),
    ).fetchone()
    return int(row[0]), int(row[1]), int(row[2]), int(row[3])


def extent(connection: sqlite3.Connection, channel: str) -> Extent:
    """Return how much the segments of a channel hold, the open one too."""
    entries, length, oldest_ns, newest_ns, stored_bytes = connection.execute(
        "SELECT coalesce(sum(entries), 0), coalesce(sum(length), 0), min(oldest_ns),"
        " max(newest_ns), coalesce(sum(stored_bytes), 0) FROM ("
        "SELECT entries, length, oldest_ns, newest_ns, stored_bytes FROM segments"
        " WHERE channel = :name UNION ALL "
        "SELECT open_entries, open_length, open_oldest_ns, open_newest_ns, open_length"
        " FROM channels WHERE name = :name AND open_first_id IS NOT NULL)",
        {"name": channel},
    ).fetchone()
    if not entries:
        oldest_ns = newest_ns = None
    return Extent(entries, length, oldest_ns, newest_ns, stored_bytes)


def delete_segments(
    connection: sqlite3.Connection, rows: Sequence[SegmentRow], paths: Iterable[str]
) -> None:
    """Let go of sealed segments; their files are to be removed, relative to the directory."""
    connection.executemany(
        "DELETE FROM segments WHERE channel = ? AND last_id = ?",
        [(row.channel, row.last_id) for row in rows],
    )
    put_removals(connection, paths)


def put_removals(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Note that files are to be removed."""
    _put(connection, "removals", [(path,) for path in paths])


def removals(connection: sqlite3.Connection) -> list[str]:
    """Return the files that are to be removed."""
    return [row[0] for row in connection.execute("SELECT path FROM removals")]


def delete_removals(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Note that files are removed."""
    connection.executemany("DELETE FROM removals WHERE path = ?", [(path,) for path in paths])


# Positions.


def put_positions(connection: sqlite3.Connection, positions: Positions, first_number: int) -> int:
    """
    Replace positions, and add their record keys.

    Args:
        connection: inside a transaction.
        positions: an empty value: the reader has ended.
        first_number: under which the first record keys are kept; greater than any before.

    Returns:
        The next number.
    """
    ended = [key for key, position in positions.items() if not position.value]
    if ended:
        for table in ("positions", "record_keys"):
            connection.executemany(f"DELETE FROM {table} WHERE source = ? AND reader = ?", ended)
    kept = [(*key, one.value) for key, one in positions.items() if one.value]
    _put(connection, "positions", kept)
    keyed = [(key, one) for key, one in positions.items() if one.record_keys and one.value]
    rows = [
        (*key, number, _newest(one.record_keys), one.record_keys)
        for number, (key, one) in enumerate(keyed, first_number)
    ]
    _put(connection, "record_keys", rows)
    return first_number + len(keyed)


def forget_keys(connection: sqlite3.Connection, keys_from: dict[tuple[str, str], int]) -> None:
    """Let go of the record keys of batches all of whose keys are older, for each reader."""
    connection.executemany(
        "DELETE FROM record_keys WHERE source = ? AND reader = ? AND newest < ?",
        [(*key, min(time, LATEST)) for key, time in keys_from.items()],
    )


def _newest(record_keys: bytes) -> int:
    """Return the greatest time of record keys, in their source's unit."""
    starts = range(0, len(record_keys), RECORD_KEY_BYTES)
    newest = max(record_keys[start : start + 8] for start in starts)
    return min(int.from_bytes(newest), LATEST)


def positions(connection: sqlite3.Connection) -> Positions:
    """Return all positions, with their record keys joined, oldest first."""
    keys: dict[tuple[str, str], list[bytes]] = {}
    rows = connection.execute(
        "SELECT source, reader, keys FROM record_keys ORDER BY source, reader, number"
    )
    for source, reader, one in rows:
        keys.setdefault((source, reader), []).append(one)
    return {
        (source, reader): Position(value, b"".join(keys.get((source, reader), ())))
        for source, reader, value in connection.execute("SELECT * FROM positions")
    }


def next_number(connection: sqlite3.Connection) -> int:
    """Return a number greater than that of all record keys."""
    row = connection.execute("SELECT coalesce(max(number), 0) + 1 FROM record_keys").fetchone()
    return int(row[0])


# Runs.


def runs(connection: sqlite3.Connection, names: Iterable[str] | None = None) -> list[Run]:
    """Return runs with their channels; ``None``: all of them."""
    where = ""
    chosen: tuple[str, ...] = ()
    if names is not None:
        where = "WHERE {} IN (SELECT value FROM json_each(?))"
        chosen = (json.dumps(list(names)),)
    found: dict[str, Run] = {}
    for row in connection.execute(f"SELECT * FROM runs {where.format('id')}", chosen):
        run = found[row[0]] = Run(*row[:11])
        run.offset, run.offset_bytes = row[11:]
    rows = connection.execute(f"SELECT * FROM run_channels {where.format('run')}", chosen)
    for name, channel, last_id in rows:
        if name in found:
            found[name].last_ids[channel] = last_id
    return list(found.values())


def put_runs(connection: sqlite3.Connection, new: Sequence[Run]) -> None:
    """Add runs with their channels, or replace them."""
    _put(connection, "runs", [_values_of_run(run) for run in new])
    places = [(run.id, name, last_id) for run in new for name, last_id in run.last_ids.items()]
    _put(connection, "run_channels", places)


def _values_of_run(run: Run) -> tuple[object, ...]:
    return (
        run.id,
        run.source,
        run.started_ns,
        run.instance,
        run.pid,
        run.ended_ns,
        run.status,
        run.exit_code,
        run.signal,
        run.ending_id,
        run.lines,
        run.offset,
        run.offset_bytes,
    )


def forget_runs(connection: sqlite3.Connection, pairs: Sequence[tuple[str, str]]) -> None:
    """Let go of runs in channels, given as pairs; of all of a run where that was its last."""
    connection.executemany("DELETE FROM run_channels WHERE run = ? AND channel = ?", pairs)
    connection.executemany(
        "DELETE FROM runs WHERE id = ?1"
        " AND NOT EXISTS (SELECT 1 FROM run_channels WHERE run = ?1)",
        [(run,) for run, _ in pairs],
    )


def delete_runs(connection: sqlite3.Connection) -> None:
    """Let go of all runs."""
    connection.execute("DELETE FROM runs")
    connection.execute("DELETE FROM run_channels")
