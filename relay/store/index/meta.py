"""
Values by key: the last id of earlier lives, whether the last one ended well, the age clock.
"""

import sqlite3
from collections.abc import Iterable

from relay.store.index.connection import put

__all__ = ["delete_values", "put_values", "values"]


def values(connection: sqlite3.Connection) -> dict[str, int]:
    """Return what stands under keys of its own."""
    return dict(connection.execute("SELECT key, value FROM meta").fetchall())


def put_values(connection: sqlite3.Connection, new: dict[str, int]) -> None:
    """Put values under their keys."""
    put(connection, "meta", list(new.items()))


def delete_values(connection: sqlite3.Connection, keys: Iterable[str]) -> None:
    """Let go of values."""
    connection.executemany("DELETE FROM meta WHERE key = ?", [(key,) for key in keys])
