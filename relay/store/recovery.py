"""
Opens a state directory: takes the lock, mends what a crash or damage left, and says what is there.

Rule of this file: only what may be wrong is looked at, which is each channel's open segment and
what was begun beside it; so a start costs the same however much is stored. The index is the
truth, but where it is older than the segments (its WAL was lost) or is none at all it is made
from them.
"""

import logging
import os
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from relay.block import DeclaredLoss
from relay.entry import Loss, Reason
from relay.errors import StoreError
from relay.run import Run
from relay.storage import Stored, StoredChannel
from relay.store import index
from relay.store.files import lacks_room, problem_of, remove_files
from relay.store.index import NO_NEWEST_NS, NO_OLDEST_NS, VERSION, ChannelRow, SegmentRow
from relay.store.lock import Lock, take_lock
from relay.store.repair import mend, orphans, rebuild
from relay.store.state_directory import Fsync
from relay.store.writer import Write, Writer

__all__ = ["open_store"]

log = logging.getLogger(__name__)

MAX_FORGOTTEN = 10_000
"""Forgotten channels of which the last seq and id are kept."""

START_IDS = 60_000_000
"""Ids, each of a microsecond: a hub that is made so soon after its store begins at one that the
next life knows, also where nothing was published."""


def open_store(
    directory: Path, fsync: Fsync = "1s", clock: Callable[[], int] = time.time_ns
) -> tuple[Writer, Stored]:
    """
    Open a state directory, made if it is not there.

    Args:
        directory: the state directory.
        fsync: when the disk must have what is written.
        clock: nanoseconds since the epoch.

    One that is whole, and cannot be written for now since its disk is full or read-only, is
    begun with as it is: what it needs is mended by the writer when it first can write.

    Returns:
        Who writes to it, and what earlier lives left.

    Raises:
        StoreError: another relay uses it, a newer one wrote it, or it cannot be written.
    """
    directory = directory.absolute()
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = take_lock(directory)
    except FileExistsError:
        raise StoreError(str(directory), "is not a directory") from None
    except OSError as error:
        raise _unwritten(directory, error) from error
    try:
        return _Opening(directory, fsync, lock, clock).open()
    except (OSError, sqlite3.Error) as error:
        lock.close()
        raise _unwritten(directory, error) from error
    except BaseException:
        lock.close()
        raise


class _Opening:
    """One opening of a directory that is locked; see :func:`open_store`."""

    def __init__(
        self, directory: Path, fsync: Fsync, lock: Lock, clock: Callable[[], int]
    ) -> None:
        self._directory = directory
        self._fsync: Fsync = fsync
        self._lock = lock
        self._clock = clock
        self._stored = Stored()
        self._path = directory / "index.db"
        self._behind = directory / "index.behind"
        """Is there while an index that has lost its WAL is not mended: opening it makes a WAL.
        Names the channels that were taken in, until that is declared."""
        self._had_wal = (directory / "index.db-wal").exists() and not self._behind.exists()
        self._connection: sqlite3.Connection
        self._is_new = False
        self._rebuilt: list[str] = []
        """Channels of which more, or less, was published than is known."""

    def open(self) -> tuple[Writer, Stored]:
        """Mend what is there; a disk without room is begun with as it is."""
        try:
            connection = self._prepare()
        except (OSError, sqlite3.Error) as error:
            if not _may_pass(self._directory, error):
                raise
            return self._begin_unmended(error)
        with closing(connection):
            # Made while the index is open: where nobody has it open it has no WAL.
            writer = self._writer()
        self._declare(writer)
        self._behind.unlink(missing_ok=True)
        return writer, self._stored

    def _prepare(self) -> sqlite3.Connection:
        """Mend the index, or begin a new one, and what belongs to it; return a connection."""
        try:
            return self._mended_index()
        except (sqlite3.DatabaseError, UnicodeDecodeError) as error:
            if not _is_damage(error):
                raise
            self._stored.news.clear()
            self._put_aside(str(error))
            return self._mended_index()

    def _mended_index(self) -> sqlite3.Connection:
        self._is_new = self._open_index()
        try:
            values = index.values(self._connection)
            is_clean = bool(values.get("is_clean"))
            # One without an id was made by a life that ended before it had looked around.
            self._is_new = self._is_new or "last_id" not in values
            self._finish_removals()
            is_short = self._is_new or (not self._had_wal and not is_clean)
            if is_short:
                self._take_in_segments()
            self._mend()
            if not is_short and not is_clean:
                self._remove_begun(values["last_id"] - START_IDS)
            self._read(values.get("last_id", 0))
            now_id = self._clock() // 1000
            # A life that does not end by closing leaves the mark as it is now.
            told_id = max(self._stored.last_id, now_id + START_IDS)
            index.put_values(self._connection, {"last_id": told_id, "is_clean": 0})
            index.checkpoint(self._connection, "TRUNCATE")
        except BaseException:
            self._connection.close()
            raise
        return self._connection

    def _begin_unmended(self, error: Exception) -> tuple[Writer, Stored]:
        """
        Begin with what the index says, and leave all else until something can be written.

        Raises:
            Exception: ``error``: that cannot be read, or is not all that there is.
        """
        try:
            with closing(index.connect(self._path, readonly=True)) as self._connection:
                values = index.values(self._connection)
                is_whole = self._had_wal or bool(values.get("is_clean"))
                has_version = self._has_version(self._connection)
                if self._is_new or self._rebuilt or not is_whole or not has_version:
                    raise error
                self._stored = Stored(problem=str(_unwritten(self._directory, error)))
                self._read(values.get("last_id", 0))
        except (OSError, sqlite3.Error):
            raise error from None
        return self._writer(self._prepare_late), self._stored

    def _writer(self, prepare: Callable[[], sqlite3.Connection] | None = None) -> Writer:
        return Writer(
            self._directory, self._fsync, self._lock, self._clock, prepare, self._rebuilt_late
        )

    def _rebuilt_late(self) -> sqlite3.Connection:
        """Make an index anew while a writer has the directory; what is missing it knows itself."""
        return _Opening(self._directory, self._fsync, self._lock, self._clock)._prepare_late()

    def _prepare_late(self) -> sqlite3.Connection:
        news = self._stored.news
        try:
            connection = self._prepare()
        except BaseException:
            news.clear()
            raise
        self._behind.unlink(missing_ok=True)
        for sentence in news:
            log.warning("store: %s", sentence)
        return connection

    # The index

    def _open_index(self) -> bool:
        """Open the index; tell whether it is a new one."""
        if self._path.exists():
            # Opening it for writing changes it already, and it may be somebody else's.
            with closing(index.connect(self._path, readonly=True)) as connection:
                self._has_version(connection)
            if not self._had_wal:
                self._behind.touch(mode=0o600)
        self._connection = index.connect(self._path, create=True, synchronous=self._synchronous)
        try:
            if self._has_version(self._connection):
                index.check(self._connection)
                return False
            index.create(self._connection)
        except BaseException:
            self._connection.close()
            raise
        return True

    def _has_version(self, connection: sqlite3.Connection) -> bool:
        """Tell whether it is an index or empty; one of others or a newer relay is refused."""
        version = index.version(connection)
        if index.is_foreign(connection):
            raise StoreError(str(self._directory), "holds an index.db that is not a relay's")
        if version > VERSION:
            problem = (
                f"was written by a newer relay: its index has version {version},"
                f" and this relay knows version {VERSION}"
            )
            raise StoreError(str(self._directory), problem)
        return bool(version)

    @property
    def _synchronous(self) -> str:
        return "OFF" if self._fsync == "never" else "NORMAL"

    def _put_aside(self, problem: str) -> None:
        number = 1
        while (aside := self._directory / f"index.db.damaged-{number}").exists():
            number += 1
        for suffix in ("", "-wal", "-shm"):
            path = self._directory / f"index.db{suffix}"
            if path.exists():
                path.rename(f"{aside}{suffix}")
        self._stored.news.append(f"the index was damaged ({problem}), and is now {aside.name}")

    # Segments

    def _finish_removals(self) -> None:
        names = index.removals(self._connection)
        index.delete_removals(self._connection, remove_files(self._directory, names))

    def _take_in_segments(self) -> None:
        """Make the index know what only the segments say."""
        known = {row.name: row for row in index.channels(self._connection)}
        names = sorted({*known, *self._names()})
        if not names:
            return
        runs = {run.id: run for run in index.runs(self._connection)}
        rows: list[ChannelRow] = []
        segments: list[SegmentRow] = []
        for name in names:
            rebuilt = rebuild(self._directory, name, known.get(name), runs)
            for file in rebuilt.left_out:
                self._stored.news.append(f"channel {name}: {file} holds nothing that fits")
            before = known.get(name)
            if rebuilt.segments and (before is None or rebuilt.row.last_id > before.last_id):
                rows.append(rebuilt.row)
                segments += rebuilt.segments
        self._rebuilt = sorted({row.name for row in rows}.union(self._undeclared(known)))
        if self._rebuilt:
            self._behind.touch(mode=0o600)
            self._behind.write_text("\n".join(self._rebuilt))
        with index.transaction(self._connection):
            index.put_channels(self._connection, rows)
            index.add_segments(self._connection, segments)
            index.put_runs(self._connection, list(runs.values()))
        if rows and not self._is_new:
            self._stored.news.append("the index has lost what was last written to it")
        if rows:
            entries = sum(segment.entries for segment in segments)
            self._stored.news.append(
                f"{_counted(entries, 'line')} of {_counted(len(rows), 'channel')} were taken in"
                f" from {_counted(len(segments), 'segment')}; sources go on from where they last"
                " were known to be"
            )

    def _undeclared(self, known: Iterable[str]) -> set[str]:
        """Return the channels that a start which came to nothing has taken in."""
        if not self._behind.exists():
            return set()
        return set(self._behind.read_text(errors="replace").split()).intersection(known)

    def _names(self) -> list[str]:
        """Return the channels that may have segments; none is named in other letters."""
        try:
            return list(filter(str.isascii, os.listdir(self._directory / "channels")))
        except FileNotFoundError:
            return []

    def _mend(self) -> None:
        """Bring the open segments and their records together."""
        changed: list[ChannelRow] = []
        sealed: list[SegmentRow] = []
        for row in index.channels(self._connection):
            if row.open is not None:
                mended = self._mended(row, sealed)
                if mended != row:
                    changed.append(mended)
        with index.transaction(self._connection):
            index.put_channels(self._connection, changed)
            index.add_segments(self._connection, sealed)
            index.trim_forgotten(self._connection, MAX_FORGOTTEN)

    def _remove_begun(self, before_id: int) -> None:
        """
        Remove segments of the last life whose commit came to nothing; the index knows the others.

        Args:
            before_id: that life gave out greater ids only. Files that are older, or are no
                segments, are not ours to remove.
        """
        after = dict.fromkeys(self._names(), before_id)
        for row in index.channels(self._connection):
            after[row.name] = max(row.last_id, before_id)
        for name, last_id in after.items():
            remove_files(self._directory, orphans(self._directory, name, last_id))

    def _mended(self, row: ChannelRow, sealed: list[SegmentRow]) -> ChannelRow:
        try:
            mended, lost = mend(self._directory, row)
        except OSError as error:
            if _may_pass(self._directory, error):
                raise
            # What of it can be read is served; to readers the rest is a gap.
            sealed.append(row.sealed())
            self._stored.news.append(
                f"channel {row.name}: its last segment cannot be mended: {problem_of(error)}"
            )
            return replace(row, open=None)
        if lost:
            self._stored.news.append(
                f"channel {row.name}: {_counted(lost, 'line')} had not reached the disk, and"
                f" {'is' if lost == 1 else 'are'} lost"
            )
        elif mended.open is not None and mended != row:
            self._stored.news.append(
                f"channel {row.name}: the end of its last segment had not reached the disk"
            )
        return mended

    def _declare(self, writer: Writer) -> None:
        """Say in each channel that was taken in that nobody knows what is missing behind it."""
        last_id = max(self._stored.last_id, self._clock() // 1000)
        records = [
            DeclaredLoss(id_, name, Loss(Reason.RESTART))
            for id_, name in enumerate(self._rebuilt, last_id + 1)
        ]
        if not records:
            return
        writer.commit(Write(records))
        ids = {record.channel: record.id for record in records}
        stored = self._stored
        stored.last_id = max(stored.last_id, *ids.values())
        stored.channels = [
            replace(channel, last_id=ids.get(channel.name, channel.last_id))
            for channel in stored.channels
        ]

    # What is there

    def _read(self, last_id: int) -> None:
        stored = self._stored
        stored.runs = index.runs(self._connection)
        stored.positions = index.positions(self._connection)
        ends = _ends_of(stored.runs)
        first = index.first_segments(self._connection)
        written = index.written(self._connection)
        rows = index.channels(self._connection)
        stored.channels = [
            _channel(
                row,
                first.get(row.name),
                max(row.last_id, ends.get(row.name, 0)),
                # An id is a time, too.
                written.get(row.name, (1000 * row.last_id, NO_NEWEST_NS)),
            )
            for row in sorted(rows, key=lambda row: row.last_id)
        ]
        stored.last_id = max([last_id, *[channel.last_id for channel in stored.channels]])


def _unwritten(directory: Path, error: Exception) -> StoreError:
    return StoreError(str(directory), f"cannot be written: {problem_of(error)}")


def _may_pass(directory: Path, error: Exception) -> bool:
    """Tell whether what cannot be written may be some time: the disk is full or read-only."""
    return lacks_room(error) or bool(os.statvfs(directory).f_flag & os.ST_RDONLY)


def _is_damage(error: Exception) -> bool:
    """Tell whether the index itself is at fault, not the system or who uses it."""
    if isinstance(error, sqlite3.OperationalError):
        # It is no text: SQLite itself does not look whether one is, and gives no code.
        return not hasattr(error, "sqlite_errorcode")
    return isinstance(error, UnicodeDecodeError) or type(error) is sqlite3.DatabaseError


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _ends_of(runs: list[Run]) -> dict[str, int]:
    """Return for each channel the id of the last ending of a run that it has."""
    ends: dict[str, int] = {}
    for run in runs:
        for name in run.last_ids:
            ends[name] = max(ends.get(name, 0), run.ending_id or 0)
    return ends


def _channel(
    row: ChannelRow, first: SegmentRow | None, last_id: int, written: tuple[int, int]
) -> StoredChannel:
    written_ns, newest_ns = written
    has_times = first is not None and first.oldest_ns != NO_OLDEST_NS
    return StoredChannel(
        name=row.name,
        born_id=row.born_id,
        last_id=last_id,
        last_seq=row.last_seq,
        first_id=first.first_id if first else last_id + 1,
        first_seq=first.first_seq if first else row.last_seq + 1,
        oldest_ns=first.oldest_ns if first and has_times else None,
        newest_ns=None if newest_ns == NO_NEWEST_NS else newest_ns,
        forgotten_ns=row.forgotten_ns,
        lost_id=row.lost_id,
        written_ns=written_ns,
    )
