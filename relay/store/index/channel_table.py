"""
Channels, each with its open segment.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

from relay.store.index.connection import put
from relay.store.index.rows import ChannelRow, OpenSegment

__all__ = ["channels", "delete_channel", "put_channels", "trim_forgotten", "values_of"]


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
    put(connection, "channels", [values_of(row) for row in rows])


def values_of(row: ChannelRow) -> tuple[object, ...]:
    """Return a channel as its table has it."""
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
