"""
Connections to the index, and what all tables have in common: transactions, rows that are put.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

from relay.store.index.schema import version

__all__ = ["Checkpoint", "checkpoint", "connect", "copy", "put", "transaction"]

Checkpoint = Literal["PASSIVE", "FULL", "TRUNCATE"]

BUSY_SECONDS = 10.0
"""How long one connection waits for another of ours."""

HELD_UP_SECONDS = 0.1
"""How long commits wait, at most, for a reader that keeps a checkpoint from being done."""

WAL_KEPT_BYTES = 4 * 1024 * 1024
"""Of the WAL's file once it begins anew: what is there already is cheaper to write again."""

MAX_STEP_ROWS = 32
"""Each number of rows is a statement of its own, which is prepared once."""


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
    wal = _wal_of(path)
    has_wal = wal.exists() and wal.stat().st_size > 0
    if has_wal and os.statvfs(path.parent).f_flag & os.ST_RDONLY:
        # A crash may have left what only a writer can take up; SQLite would try for 10 seconds.
        return _connect_to_copy(path)
    connection = _connect(path, "mode=ro")
    try:
        version(connection)
    except sqlite3.OperationalError:
        connection.close()
        # Where the disk has no room for a WAL's files nobody writes to the database either.
        if not path.exists() or has_wal:
            raise
        return _connect(path, "mode=ro&immutable=1")
    return connection


def _connect_to_copy(path: Path) -> sqlite3.Connection:
    """Bring an index that nobody can write into memory, with all that its WAL has."""
    with TemporaryDirectory(prefix="relay-") as elsewhere:
        copied = Path(elsewhere, path.name)
        shutil.copyfile(path, copied)
        shutil.copyfile(_wal_of(path), _wal_of(copied))
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        with closing(_connect(copied, "mode=rw")) as whole:
            whole.backup(connection)
    return connection


def _wal_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")


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


def checkpoint(connection: sqlite3.Connection, mode: Checkpoint = "PASSIVE") -> None:
    """
    Put what stands in the WAL into the database, and sync both as the connection does.

    Args:
        connection: of any thread.
        mode: ``PASSIVE``: commits go on meanwhile; where they follow each other without a pause
            the WAL never begins anew. ``FULL``: they wait until all is done, which the
            ``PASSIVE`` one before has made little; a reader is waited for only shortly.
            ``TRUNCATE``: the same, however long, and the WAL is empty then.

    Source: SQLite, "Write-Ahead Logging", "Avoiding Excessively Large WAL Files".
    """
    seconds = HELD_UP_SECONDS if mode == "FULL" else BUSY_SECONDS
    connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
    connection.execute(f"PRAGMA wal_checkpoint({mode})")


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """
    Write the whole index to another file, which must not be there.

    Raises:
        OSError: it cannot be made.
        sqlite3.Error: it cannot be read or written.
    """
    _make_private(path)
    connection.execute("VACUUM INTO ?", (str(path),))


def put(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[object]]) -> None:
    """Add rows, or replace them: one step for many, see the rules of this package."""
    for start in range(0, len(rows), MAX_STEP_ROWS):
        some = rows[start : start + MAX_STEP_ROWS]
        places = ", ".join([f"({', '.join('?' * len(some[0]))})"] * len(some))
        connection.execute(
            f"INSERT OR REPLACE INTO {table} VALUES {places}", tuple(chain.from_iterable(some))
        )
