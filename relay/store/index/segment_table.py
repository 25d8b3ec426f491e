"""
Segments: those that are sealed, read together with the open one; files that are to be removed.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import astuple
from typing import Any

from relay.storage import Extent
from relay.store.index.connection import put
from relay.store.index.rows import SegmentRow

__all__ = [
    "add_segments",
    "delete_removals",
    "delete_segments",
    "extent",
    "first_segments",
    "mark_compressed",
    "oldest_segments",
    "put_removals",
    "removals",
    "sealed_sums",
    "segments_after",
    "segments_before",
    "uncompressed_segments",
    "written",
]

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


def add_segments(connection: sqlite3.Connection, rows: Iterable[SegmentRow]) -> None:
    """Add sealed segments, or replace them."""
    put(connection, "segments", [astuple(row)[:-1] for row in rows])


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
    put(connection, "removals", [(path,) for path in paths])


def removals(connection: sqlite3.Connection) -> list[str]:
    """Return the files that are to be removed."""
    return [row[0] for row in connection.execute("SELECT path FROM removals")]


def delete_removals(connection: sqlite3.Connection, paths: Iterable[str]) -> None:
    """Note that files are removed."""
    connection.executemany("DELETE FROM removals WHERE path = ?", [(path,) for path in paths])
