"""
The tables of the index: which there are, of which version, and whether they are whole.
"""

import sqlite3

__all__ = ["VERSION", "check", "create", "is_foreign", "version"]

VERSION = 1
"""Of the schema, as ``PRAGMA user_version``."""

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


def check(connection: sqlite3.Connection) -> None:
    """
    Look whether an index is whole.

    Raises:
        sqlite3.DatabaseError: it is not.
    """
    found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if found != "ok":
        raise sqlite3.DatabaseError(str(found))
