"""
The state directory as it is written to: ours by its lock, with one connection to its index.

Rules of this file:

* All but :meth:`StateDirectory.sync` is for one thread.
* The index that is found under the path must be the one that was opened: a directory that took
  its place is not ours, and its files may have the same names.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Literal

from relay.errors import StoreError
from relay.store import index
from relay.store.files import SegmentFiles, problem_of, sync_file
from relay.store.lock import Lock, take_lock

__all__ = ["Fsync", "Prepare", "StateDirectory"]

Fsync = Literal["1s", "always", "never"]

Prepare = Callable[[], sqlite3.Connection]
"""Makes a directory as its index says, and returns a connection to it."""

CHECKPOINT_SECONDS = 10.0
CHECKPOINT_BYTES = 4 * 1024 * 1024
"""The WAL is put into the database so often, or when it has grown to this."""

CHECKPOINT_BYTES_UNSYNCED = 64 * 1024 * 1024
"""The same with ``fsync = "never"``."""

MAX_WAL_BYTES = 64 * 1024 * 1024
"""Commits that follow each other without a pause keep the WAL from beginning anew, and it would
grow by 15 MB a second: beyond this they are held up for the end of a checkpoint."""


class StateDirectory:
    """
    A directory, its index and the files of its segments.

    Args:
        path: of a directory whose segments are as its index says.
        fsync: when the disk must have what is written.
        lock: keeps other relays away; closed with this.
        load: takes what the index says as the truth, with each new connection.
        prepare: mends the directory, where that is still to be done before anything is
            written; may fail, and be tried again.
        rebuild: the same for a directory that has lost its index; ``None``: it is given up.
    """

    def __init__(
        self,
        path: Path,
        fsync: Fsync,
        lock: Lock,
        load: Callable[[sqlite3.Connection], None],
        prepare: Prepare | None = None,
        rebuild: Prepare | None = None,
    ) -> None:
        self.path = path
        self.files = SegmentFiles(path)
        self.is_new = False
        """Whether the index was lost, and is made from what is left, until :meth:`settle`."""
        self.fsync = fsync
        self._lock = lock
        self._load = load
        self._prepare = prepare
        self._rebuild = rebuild
        self._looked_at = str(self.index_path)
        self._device = path.stat().st_dev
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False
        self._syncing = threading.Lock()
        self._sync_connection: sqlite3.Connection | None = None
        self._commits = self._synced_commits = self._checkpointed_commits = 0
        self._checkpointed = time.monotonic()
        self._identity = self._identify()
        self._wal_identity: tuple[int, int] | None = None
        """Of the connection's WAL; ``None``: there is no connection."""

    @property
    def index_path(self) -> Path:
        """Where the index is."""
        return self.path / "index.db"

    @property
    def _wal_path(self) -> Path:
        return self.path / "index.db-wal"

    def error(self, problem: str, error: Exception) -> StoreError:
        """Return the error to raise for what the system, or SQLite, refused."""
        return StoreError(str(self.path), f"{problem}: {problem_of(error)}")

    def connect(self) -> sqlite3.Connection:
        """
        Return the connection to the index, made if there is none.

        Raises:
            StoreError: it is closed.
            OSError: it cannot be made.
            sqlite3.Error: it cannot be made.
        """
        if self._connection is None:
            self._refuse_closed()
            synchronous = {"1s": "NORMAL", "always": "FULL", "never": "OFF"}[self.fsync]
            prepared = self._prepare() if self._prepare is not None else None
            try:
                connection = index.connect(self.index_path, synchronous=synchronous)
                index.add_single(connection)
                self._connection = connection
            finally:
                if prepared is not None:
                    prepared.close()
            self._prepare = None
            self._load(connection)
            self._wal_identity = _identity_of(self._wal_path)
        return self._connection

    def disconnect(self) -> None:
        """Close the connection and all segments, which are opened again when needed."""
        self.files.close_all()
        if self._connection is not None:
            with suppress(sqlite3.Error):
                self._connection.close()
            self._connection = self._wal_identity = None

    def _refuse_closed(self) -> None:
        """Leave the directory alone that may be another relay's by now."""
        if self._is_closed:
            raise StoreError(str(self.path), "is closed")

    # Whether it is still there

    def check(self) -> None:
        """
        Look whether what is written to is still what is found under the path.

        Raises:
            StoreError: the directory or its index was removed, replaced or unmounted.
        """
        self.files.close_deleted()
        self.look()
        if self._has_lost_wal():
            raise StoreError(str(self.path), "has lost its index.db-wal")

    def look(self) -> None:
        """Do as :meth:`check`, but for the segments; cheap enough for every commit."""
        try:
            found = self._identify()
        except OSError as error:
            raise self.error("is gone", error) from error
        if found != self._identity:
            raise StoreError(str(self.path), "is not the one that was opened")

    def _identify(self) -> tuple[int, int]:
        """Return what tells the index from all others: with the directory it would go too."""
        found = os.stat(self._looked_at)
        return found.st_dev, found.st_ino

    def _has_lost_wal(self) -> bool:
        """Tell whether what is written to the index of this path is found by nobody else."""
        known = self._wal_identity
        return known is not None and known != _identity_of(self._wal_path)

    def restore(self) -> None:
        """
        Make the directory and index again if they were removed, but not on another disk.

        Raises:
            StoreError: they cannot be used yet.
            OSError: they cannot be made.
            sqlite3.Error: the index cannot be made.
        """
        self._refuse_closed()
        if not self.path.exists() and self.path.parent.stat().st_dev == self._device:
            self.path.mkdir(mode=0o700)
        if self.path.stat().st_dev != self._device:
            raise StoreError(str(self.path), "is on another disk than before")
        is_there = self.index_path.exists() and not self.is_new
        if is_there and self._identify() == self._identity and self._has_lost_wal():
            is_there = False
        if is_there or (self._connection is None and self._rebuild is None):
            self.check()
            return
        with self._syncing:
            if not self._lock.holds(self.path):
                lock, self._lock = self._lock, take_lock(self.path, self._lock)
                lock.close()
            if self._connection is not None:
                self._copy_deleted(self._connection)
            else:
                # Nobody has the old one open any more.
                self._drop_sync_connection()
                self.is_new = True
                self._prepare = self._rebuild
            self.connect()
            self._identity = self._identify()
            self._checkpoint("TRUNCATE")

    def settle(self) -> None:
        """Take the new index as it is: all that it lacked was put into it."""
        self.is_new = False

    def _copy_deleted(self, connection: sqlite3.Connection) -> None:
        """Make the index again from the one that was deleted, and is still open here."""
        copied = self.path / "index.db.tmp"
        copied.unlink(missing_ok=True)
        index.copy(connection, copied)
        self._drop_sync_connection()
        self.disconnect()
        for suffix in ("-wal", "-shm"):
            (self.path / f"index.db{suffix}").unlink(missing_ok=True)
        copied.replace(self.index_path)
        self._identity = self._identify()

    # The disk

    def note_commit(self) -> None:
        """Take note that the index was changed."""
        self._commits += 1

    def sync(self) -> None:
        """
        Let the disk have what was committed since the last call; may run in another thread.

        Segments first, then the index, so that it seldom says more than there is.

        Raises:
            StoreError: it could not be done; the next call tries again.
        """
        with self._syncing:
            self._refuse_closed()
            commits = self._commits
            try:
                if self.fsync != "never":
                    self.files.sync()
                    if commits != self._synced_commits:
                        sync_file(self._wal_path)
                        self._synced_commits = commits
                if commits != self._checkpointed_commits and self._is_checkpoint_due():
                    self._checkpoint()
                    if self._wal_path.stat().st_size > MAX_WAL_BYTES:
                        self._checkpoint("FULL")
                    self._checkpointed_commits = commits
            except (OSError, sqlite3.Error) as error:
                self._drop_sync_connection()
                raise self.error("cannot be synced", error) from error

    def _is_checkpoint_due(self) -> bool:
        limit = CHECKPOINT_BYTES
        if self.fsync == "never":
            limit = CHECKPOINT_BYTES_UNSYNCED
        elif time.monotonic() - self._checkpointed >= CHECKPOINT_SECONDS:
            return True
        return self._wal_path.stat().st_size > limit

    def checkpoint(self) -> None:
        """
        Put all of the WAL into the database.

        Raises:
            OSError: it could not be done.
            sqlite3.Error: it could not be done.
        """
        with self._syncing:
            self._checkpoint("TRUNCATE")

    def _checkpoint(self, mode: index.Checkpoint = "PASSIVE") -> None:
        if self._sync_connection is None:
            synchronous = "OFF" if self.fsync == "never" else "NORMAL"
            self._sync_connection = index.connect(self.index_path, synchronous=synchronous)
        index.checkpoint(self._sync_connection, mode)
        self._checkpointed = time.monotonic()

    def _drop_sync_connection(self) -> None:
        if self._sync_connection is not None:
            self._sync_connection.close()
            self._sync_connection = None

    def close(self) -> None:
        """Let go of all, the lock last; whatever is asked for later is refused."""
        with self._syncing:
            self._is_closed = True
            with suppress(sqlite3.Error):
                self._drop_sync_connection()
        self.disconnect()
        self._lock.close()


def _identity_of(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from all others; ``None``: it is not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino
