"""
Makes groups durable: text into segments, then one transaction in the index.

Rules of this file:

* All but :meth:`Writer.sync` and :meth:`Writer.remove` is for one thread.
* The index is the truth. A segment is written before the index says so, at the length that the
  index knows; so what an attempt left behind is overwritten, or cut at the next start.
* What fails, of whatever it is, leaves everything as it was, and may be tried again with the
  same records: those that the index has already are passed by.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from relay.errors import StoreError
from relay.run import Run
from relay.storage import Positions, StoredChannel
from relay.store import index
from relay.store.files import lacks_room, remove_files
from relay.store.index import ChannelRow, SegmentRow
from relay.store.lock import Lock
from relay.store.plan import Append, Now, Plan, is_old, plan_records
from relay.store.runs import Runs, touches_runs
from relay.store.segment import Record, Texts
from relay.store.state_directory import Fsync, Prepare, StateDirectory

__all__ = ["Write", "Writer"]

KEYS_NS = 1_000_000_000
"""Old record keys are let go of so often: it is not worth a step of every commit."""

ALL_SEGMENTS = 1 << 40


@dataclass(slots=True)
class Write:
    """
    What one commit makes durable.

    Args:
        records: of each channel in the order of ids.
        positions: that replace the readers' last.
        runs: all runs as they are after ``records``; ``None``: what the records say of runs
            is done to those that are known.
        forgotten_runs: pairs of run and channel, of before ``records``.
        age_ns: the age clock.
        texts: of blocks that are rendered already, see :func:`~relay.store.segment.prepared`.
        anew: channels of which all after this id is among ``records``, for what was stored of
            it is gone; see :meth:`Writer.missing`.
    """

    records: Sequence[Record] = ()
    positions: Positions = field(default_factory=dict)
    runs: list[Run] | None = None
    forgotten_runs: list[tuple[str, str]] = field(default_factory=list)
    age_ns: int = 0
    texts: Texts = field(default_factory=dict)
    anew: dict[str, int] = field(default_factory=dict)


class Writer:
    """
    Writes to a state directory; made by :func:`relay.store.recovery.open_store`.

    Args:
        directory: with an index whose segments are as it says.
        fsync: when the disk must have what is written.
        lock: keeps other relays away; closed with the writer.
        clock: nanoseconds since the epoch.
        prepare: mends the directory and returns a connection to its index, where that is still
            to be done before anything is written; may fail, and be tried again.
        rebuild: the same for a directory that has lost its index; ``None``: it is given up.
    """

    def __init__(
        self,
        directory: Path,
        fsync: Fsync,
        lock: Lock,
        clock: Callable[[], int] = time.time_ns,
        prepare: Prepare | None = None,
        rebuild: Prepare | None = None,
    ) -> None:
        self.directory = directory
        self._clock = clock
        self._state = StateDirectory(directory, fsync, lock, self._load, prepare, rebuild)
        self._files = self._state.files
        self._runs = Runs()
        self._rows: dict[str, ChannelRow] = {}
        self._last_id = 0
        self._next_number = 1
        self._keys_from: dict[tuple[str, str], int] = {}
        self._keys_ns = 0
        self._sealed: list[SegmentRow] = []
        self._unneeded: list[str] = []
        self._outlived: dict[str, ChannelRow] | None = None
        """What was known of channels when the index was lost, until it is in a new one."""
        if prepare is None:
            self._state.connect()

    @property
    def index_path(self) -> Path:
        """Where the index is."""
        return self._state.index_path

    # Groups

    def commit(self, write: Write) -> None:
        """
        Make a write durable; once it returns ``kill -9`` cannot undo it.

        Raises:
            StoreError: it could not be done, and nothing is; or it was, in a directory that is
                gone.
        """
        plan = Plan()
        try:
            connection = self._state.connect()
            gone = self._after(connection, write.anew)
            # Before one of them is made again.
            unneeded = [row.file for row in gone if self._size(row) is not None]
            before = {row.channel: self._before(row) for row in reversed(gone)}
            plan = self._plan(write, before)
            if unneeded:
                made = {append.file for append in plan.appends}
                unneeded = [name for name in unneeded if name not in made]
            self._append(plan)
            if gone or not self._record_single(connection, plan, write):
                with index.transaction(connection):
                    index.delete_segments(connection, gone, unneeded)
                    self._record(connection, plan, write)
        except StoreError:
            raise  # Of what was to be mended first.
        except Exception as error:  # SQLite refuses some values by other errors than its own.
            self._undo(plan)
            raise self._state.error("cannot be written", error) from error
        self._adopt(plan)
        self._unneeded += unneeded
        # What was written to files that nobody finds any more is not stored.
        self._state.look()

    def _after(self, connection: sqlite3.Connection, anew: Mapping[str, int]) -> list[SegmentRow]:
        """Return the segments of channels after an id, each channel's in their order."""
        return [
            row
            for name, last_id in anew.items()
            for row in index.segments_after(connection, name, last_id, ALL_SEGMENTS)
        ]

    def _plan(self, write: Write, before: Mapping[str, ChannelRow]) -> Plan:
        date = time.strftime("%Y-%m-%d", time.gmtime(self._clock() // 1_000_000_000))
        plan = plan_records(
            {**self._rows, **before} if before else self._rows,
            write.records,
            Now(write.age_ns, date, self._last_id),
            self._files.find,
            write.texts,
        )
        plan.rows = {**before, **plan.rows}
        return plan

    def _before(self, row: SegmentRow) -> ChannelRow:
        """Return a channel as it was before one of its segments was begun."""
        last_id, last_seq = row.first_id - 1, row.first_seq - 1
        return replace(self._rows[row.channel], last_id=last_id, last_seq=last_seq, open=None)

    def _append(self, plan: Plan) -> None:
        for append in plan.appends:
            if not append.offset:
                self._files.create(append.file)
            self._files.write(append.file, append.offset, append.pieces)
        self._end(plan.sealed)
        if self._state.fsync == "always":
            self._files.sync()

    def _end(self, sealed: Iterable[SegmentRow]) -> None:
        """Let files end where their segments do, whatever an attempt left behind."""
        for row in sealed:
            if self._files.find(row.file):
                self._files.cut(row.file, row.length)

    def _record_single(self, connection: sqlite3.Connection, plan: Plan, write: Write) -> bool:
        """Do as :meth:`_record` if a channel and a position are all there is."""
        is_single = len(plan.rows) == len(write.positions) == 1
        if not is_single or plan.sealed or self._keys_from or touches_runs(plan.records):
            return False
        if write.runs is not None or write.forgotten_runs:
            return False
        ((key, position),) = write.positions.items()
        if not position.value or position.record_keys or position.keys_from:
            return False
        (row,) = plan.rows.values()
        index.put_single(connection, row, key, position)
        return True

    def _record(self, connection: sqlite3.Connection, plan: Plan, write: Write) -> None:
        index.put_channels(connection, plan.rows.values())
        index.add_segments(connection, plan.sealed)
        self._next_number = index.put_positions(connection, write.positions, self._next_number)
        self._forget_keys(connection, write)
        if write.runs is not None:
            self._runs.replace(connection, write.runs)
            return
        if write.forgotten_runs:
            self._runs.forget(connection, write.forgotten_runs)
        self._runs.change(connection, plan.records, self._last_id)

    def _forget_keys(self, connection: sqlite3.Connection, write: Write) -> None:
        for key, position in write.positions.items():
            if position.keys_from:
                self._keys_from[key] = position.keys_from
        if self._keys_from and abs(write.age_ns - self._keys_ns) >= KEYS_NS:
            index.forget_keys(connection, self._keys_from)
            self._keys_ns, self._keys_from = write.age_ns, {}

    def _adopt(self, plan: Plan) -> None:
        self._state.note_commit()
        self._rows |= plan.rows
        self._last_id = max([self._last_id, *[row.last_id for row in plan.rows.values()]])
        self._note_sealed(plan.sealed)

    def _note_sealed(self, sealed: list[SegmentRow]) -> None:
        for row in sealed:
            self._files.close(row.file)
        self._sealed += sealed

    def _undo(self, plan: Plan) -> None:
        """Go back to what the index says; what is left in a segment is written over later."""
        self._runs.clear()
        self._files.close_deleted()
        try:
            connection = self._state.connect()
            self._load(connection)
            for append in plan.appends:
                self._cut(connection, append)
        except (OSError, sqlite3.Error, MemoryError):
            self._state.disconnect()

    def _cut(self, connection: sqlite3.Connection, append: Append) -> None:
        found = index.segments_after(connection, append.channel, append.first_id - 1, 1)
        with suppress(OSError):
            row = found[0] if found and found[0].first_id == append.first_id else None
            if row is not None and row.length == append.offset + sum(map(len, append.pieces)):
                return  # It is done, whatever was said.
            if append.offset:
                is_there = row is not None and row.length == append.offset
                if is_there and self._files.find(append.file):
                    self._files.cut(append.file, append.offset)
            else:
                self._files.close(append.file)
                (self.directory / append.file).unlink(missing_ok=True)

    # What else changes

    def ends(self) -> dict[str, tuple[int, int]]:
        """Return for each channel the last id and seq that the index has."""
        return {name: (row.last_id, row.last_seq) for name, row in self._rows.items()}

    def missing(self, left: Mapping[str, int]) -> dict[str, tuple[int, int]]:
        """
        Find channels that have lost, with a file, something that can be written again.

        Args:
            left: for each channel the id after which all is still known.

        Returns:
            For each of these the last id and seq before the first segment that is not whole.

        Raises:
            StoreError: it cannot be told.
        """
        with self._changing() as connection:
            broken = [row for row in self._after(connection, left) if not self._is_whole(row)]
        return {row.channel: (row.first_id - 1, row.first_seq - 1) for row in reversed(broken)}

    def _is_whole(self, row: SegmentRow) -> bool:
        size = self._size(row)
        return size is not None and size >= row.stored_bytes

    def _size(self, row: SegmentRow) -> int | None:
        """Return how long a segment's file is; ``None``: it is not there."""
        try:
            return (self.directory / row.file).stat().st_size
        except (FileNotFoundError, NotADirectoryError):
            return None

    def seal_old(self, age_ns: int) -> None:
        """
        Seal segments that are open for long; to be called now and then, for quiet channels.

        Raises:
            StoreError: it could not be done, and nothing is.
        """
        old = [row for row in self._rows.values() if row.open and is_old(row.open, age_ns)]
        if not old:
            return
        plan = Plan({row.name: replace(row, open=None) for row in old})
        plan.sealed = [row.sealed() for row in old]
        with self._changing() as connection, index.transaction(connection):
            self._end(plan.sealed)
            index.put_channels(connection, plan.rows.values())
            index.add_segments(connection, plan.sealed)
        self._adopt(plan)

    def take_sealed(self) -> list[SegmentRow]:
        """Return the segments that were sealed since the last call."""
        sealed, self._sealed = self._sealed, []
        return sealed

    def mark_compressed(self, row: SegmentRow, stored_bytes: int) -> bool:
        """
        Let a sealed segment be its compressed file, which is there, not the plain one.

        Args:
            row: of the plain one.
            stored_bytes: size of the compressed file.

        Returns:
            Whether the segment was still there; else the compressed file is not needed.

        Raises:
            StoreError: it could not be done, and nothing is.
        """
        compressed = replace(row, compressed=True, stored_bytes=stored_bytes)
        with self._changing() as connection:
            with index.transaction(connection):
                is_there = index.mark_compressed(connection, row, stored_bytes)
                gone = (row if is_there else compressed).file
                index.put_removals(connection, [gone])
            self._state.note_commit()
        self._unneeded.append(gone)
        return is_there

    def prune(self, rows: Sequence[SegmentRow]) -> None:
        """
        Let go of sealed segments; those of a channel must be its oldest.

        Where the disk is too full to say so in the index, the files go first: one that is missing
        is a gap to readers, and its row goes when there is room.

        Raises:
            StoreError: it could not be done; of the rows, nothing is.
        """
        self.check()
        try:
            self._prune(rows)
        except StoreError as error:
            if not lacks_room(error.__cause__):
                raise
            remove_files(self.directory, _files_of(rows))
            self._prune(rows)

    def _prune(self, rows: Sequence[SegmentRow]) -> None:
        names = _files_of(rows)
        with self._changing() as connection:
            lost = {row.channel: row.last_id for row in rows if row.channel in self._rows}
            changed = {
                name: replace(self._rows[name], lost_id=last_id) for name, last_id in lost.items()
            }
            with index.transaction(connection):
                index.delete_segments(connection, rows, names)
                index.put_channels(connection, changed.values())
            self._adopt(Plan(changed))
        self._unneeded += names

    def forget(self, channel: StoredChannel) -> None:
        """
        Let go of all that is held of a channel but its last id and seq.

        Args:
            channel: as it was when it was forgotten; nothing is done where more came since.

        Raises:
            StoreError: it could not be done, and nothing is.
        """
        with self._changing() as connection:
            name = channel.name
            row = self._rows.get(name)
            if row is not None and row.last_id > channel.last_id:
                return
            row = ChannelRow(
                name,
                channel.born_id if row is None else row.born_id,
                channel.last_id,
                channel.last_seq,
                channel.forgotten_ns or 0,
                lost_id=channel.last_id,
            )
            self._let_go(connection, name, row)

    def drop(self, name: str) -> None:
        """
        Let go of a channel for good, if it is forgotten.

        Raises:
            StoreError: it could not be done, and nothing is.
        """
        with self._changing() as connection:
            row = self._rows.get(name)
            if row is not None and row.forgotten_ns is not None:
                self._let_go(connection, name, None)

    def _let_go(self, connection: sqlite3.Connection, name: str, row: ChannelRow | None) -> None:
        segments = index.segments_after(connection, name, 0, ALL_SEGMENTS)
        names = _files_of(segments)
        with index.transaction(connection):
            index.delete_segments(connection, segments, names)
            if row is None:
                index.delete_channel(connection, name)
            else:
                index.put_channels(connection, [row])
        if row is None:
            del self._rows[name]
        self._adopt(Plan({} if row is None else {name: row}))
        for file in names:
            self._files.close(file)
        self._unneeded += names

    def take_unneeded(self) -> list[str]:
        """
        Return the files that are needed no more since the last call.

        They are for :meth:`remove`; what is not removed in this life is at the next start.

        Raises:
            StoreError: the directory is not ours any more; its files may have the same names.
        """
        if self._unneeded:
            self.check()
        unneeded, self._unneeded = self._unneeded, []
        return unneeded

    def remove(self, names: Sequence[str]) -> list[str]:
        """
        Remove files that are needed no more; may run in another thread, and should.

        It takes milliseconds, for which commits would wait.

        Returns:
            Those that are gone, for :meth:`note_removed`.
        """
        return self._files.remove(names)

    def note_removed(self, names: Sequence[str]) -> None:
        """
        Take note that files are gone.

        Raises:
            StoreError: it could not be done; the next start does it.
        """
        with self._changing() as connection, index.transaction(connection):
            index.delete_removals(connection, names)
        self._state.note_commit()

    def put_values(self, values: dict[str, int], gone: Sequence[str] = ()) -> None:
        """
        Put values under keys of their own, such as the age clock.

        Args:
            values: by their keys.
            gone: keys of which the values are let go of.

        Raises:
            StoreError: it could not be done.
        """
        with self._changing() as connection, index.transaction(connection):
            index.put_values(connection, values)
            index.delete_values(connection, gone)
        self._state.note_commit()

    @contextmanager
    def _changing(self) -> Iterator[sqlite3.Connection]:
        """Give the index; what fails inside becomes a :class:`~relay.errors.StoreError`."""
        try:
            yield self._state.connect()
        except StoreError:
            raise
        except Exception as error:
            self._undo(Plan())
            raise self._state.error("cannot be written", error) from error

    # The directory

    def sync(self) -> None:
        """Let the disk have what was committed; see :meth:`StateDirectory.sync`."""
        self._state.sync()

    def check(self) -> None:
        """Look whether the directory is still ours; see :meth:`StateDirectory.check`."""
        self._state.check()

    def reopen(self, lost: Mapping[str, tuple[int, int]] | None = None) -> bool:
        """
        Go on after a failure; what was removed is made again from what is still known.

        Args:
            lost: for each channel the id and seq up to which nothing was held of it.

        Returns:
            Whether the index is a new one, made from the segments that are left: of channels
            that have none it knows only ``lost``, of positions and runs nothing.

        Raises:
            StoreError: it cannot be used yet.
        """
        rows, state = self._rows, self._state
        try:
            try:
                state.restore()
            finally:
                if state.is_new and self._outlived is None:
                    self._outlived = rows
            self._load(state.connect())
            return self._begin_anew(lost or {})
        except (OSError, sqlite3.Error) as error:
            state.disconnect()
            raise state.error("cannot be written", error) from error

    def _begin_anew(self, lost: Mapping[str, tuple[int, int]]) -> bool:
        """Let channels that a new index does not have go on where nothing is held of them."""
        if self._outlived is None:
            return False
        rows = []
        for name, row in self._outlived.items():
            lost_id, last_seq = lost.get(name, (row.last_id, row.last_seq))
            if name not in self._rows:
                born_id, last_id = row.born_id, max(lost_id, row.born_id)
                rows.append(
                    ChannelRow(name, born_id, last_id, last_seq, row.forgotten_ns, lost_id=lost_id)
                )
        connection = self._state.connect()
        with index.transaction(connection):
            index.put_channels(connection, rows)
        self._rows |= {row.name: row for row in rows}
        self._runs.clear()
        self._sealed, self._unneeded, self._outlived = [], [], None
        self._state.settle()
        return True

    def _load(self, connection: sqlite3.Connection) -> None:
        """Take what the index says as the truth."""
        self._rows = {row.name: row for row in index.channels(connection)}
        self._last_id = max([self._last_id, *[row.last_id for row in self._rows.values()]])
        self._next_number = index.next_number(connection)

    def close(self) -> None:
        """
        Sync, mark that all is well, and close; called once, at the end: all else fails then.

        Raises:
            StoreError: what was written may not be on the disk.
        """
        try:
            self.check()
            self.sync()
            with suppress(StoreError):
                # Else the next start does it.
                self.note_removed(self.remove(self.take_unneeded()))
            self.put_values({"is_clean": 1})
            self._state.checkpoint()
        except (OSError, sqlite3.Error) as error:
            raise self._state.error("cannot be synced", error) from error
        finally:
            self._state.close()


def _files_of(rows: Iterable[SegmentRow]) -> list[str]:
    return [name for row in rows for name in row.files]
