"""
A channel and a position in one step: all that nearly every commit puts while lines flow.

Each step gives up the interpreter's lock, and a busy loop lets whoever wants it back wait. A view
that stands for both tables makes one of what would be four.
"""

import sqlite3

from relay.entry import Position
from relay.store.index.channel_table import values_of
from relay.store.index.rows import ChannelRow

__all__ = ["add_single", "put_single"]

# As many as the tables have, which take them in their order.
_CHANNEL = [f"channel_{place}" for place in range(16)]
_POSITION = [f"position_{place}" for place in range(3)]
_ALL = [*_CHANNEL, *_POSITION]


def add_single(connection: sqlite3.Connection) -> None:
    """Let a connection put both at once; no other sees that."""
    # The disk may be full.
    connection.execute("PRAGMA temp_store = MEMORY")
    nothing = ", ".join([f"NULL AS {column}" for column in _ALL])
    connection.execute(f"CREATE TEMP VIEW single AS SELECT {nothing}")
    connection.execute(
        "CREATE TEMP TRIGGER put_single INSTEAD OF INSERT ON single BEGIN"
        f" INSERT OR REPLACE INTO channels VALUES ({_new(_CHANNEL)});"
        f" INSERT OR REPLACE INTO positions VALUES ({_new(_POSITION)});"
        " END"
    )


def _new(columns: list[str]) -> str:
    return ", ".join([f"NEW.{column}" for column in columns])


def put_single(
    connection: sqlite3.Connection, row: ChannelRow, key: tuple[str, str], position: Position
) -> None:
    """
    Add or replace a channel and a position, as one transaction.

    Args:
        connection: to which :func:`add_single` was done; not inside a transaction.
        row: the channel.
        key: source and reader of the position.
        position: not an empty one; its record keys are not put.
    """
    connection.execute(_PUT, (*values_of(row), *key, position.value))


_PUT = f"INSERT INTO single VALUES ({', '.join('?' * len(_ALL))})"
