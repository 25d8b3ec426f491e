"""
Positions of readers, and the keys of records that they have read.
"""

import sqlite3
import sys

from relay.entry import Position
from relay.storage import Positions
from relay.store.index.connection import put
from relay.store.record_keys import newest

__all__ = ["forget_keys", "next_number", "positions", "put_positions"]

LATEST = sys.maxsize
"""Of record keys' times: SQLite's integers have a sign."""


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
    put(connection, "positions", kept)
    keyed = [(key, one) for key, one in positions.items() if one.record_keys and one.value]
    rows = [
        (*key, number, min(newest(one.record_keys), LATEST), one.record_keys)
        for number, (key, one) in enumerate(keyed, first_number)
    ]
    put(connection, "record_keys", rows)
    return first_number + len(keyed)


def forget_keys(connection: sqlite3.Connection, keys_from: dict[tuple[str, str], int]) -> None:
    """Let go of the record keys of batches all of whose keys are older, for each reader."""
    connection.executemany(
        "DELETE FROM record_keys WHERE source = ? AND reader = ? AND newest < ?",
        [(*key, min(time, LATEST)) for key, time in keys_from.items()],
    )


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
