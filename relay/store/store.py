"""
The store as the loop sees it: groups in, stretches out, and what happens when the disk fails.

Rules of this file:

* Nothing here blocks: the writer has one thread, readers have others.
* A commit that fails, or takes longer than ``commit_timeout``, makes the store *failing*: until
  it works again groups are published without it, and no position is recorded.
* To catch up, what the rings still hold and the store has not is written in one commit together
  with all positions of that moment and a hole for what has left. So at any time a crash finds
  lines and positions that belong together.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from relay.block import Block
from relay.channel import Channel
from relay.entry import Reason
from relay.errors import StoreError
from relay.hub import Hub
from relay.marks import Missing
from relay.span import Span
from relay.status import StoreState, StoreStatus
from relay.storage import Extent, Group, Positions, StoredChannel, Stretch, Wanted
from relay.store.archive import Archive
from relay.store.known_positions import KnownPositions
from relay.store.segment import Record, prepared
from relay.store.unstored import unstored
from relay.store.worker import Worker
from relay.store.writer import Write, Writer

__all__ = ["DurableStore"]

log = logging.getLogger(__name__)

T = TypeVar("T")

READERS = 2
"""Threads that read: more would only fight for the interpreter."""

SMALL_BACKLOG_BYTES = 1024 * 1024
"""What is caught up while lines wait for it."""

MAX_PREPARED_BYTES = 1024 * 1024
"""Text of a group that is made objects on the loop, where they are soon wanted for readers too:
beside it the writer's thread would only fight for the interpreter."""

TELL_SECONDS = 600.0
"""How often the log is told that it still fails."""


class DurableStore:
    """
    Makes groups durable; see :class:`relay.storage.Store`.

    Args:
        writer: of the opened directory; used by one thread of the store's from now on.
        archive: of the same directory.
        commit_timeout: seconds; a slower commit makes the store failing.
        age_ns: the age clock.
        status: what it tells about itself.
        is_archived: whether people are to read what is kept of a channel, by its name.
    """

    def __init__(
        self,
        writer: Writer,
        archive: Archive,
        commit_timeout: float,
        age_ns: Callable[[], int],
        status: StoreStatus,
        is_archived: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self.status = status
        self._is_archived = is_archived
        self._writer = writer
        self._archive = archive
        self._timeout = commit_timeout
        self._age_ns = age_ns
        self._hub: Hub | None = None
        self._worker: Worker | None = None
        self._readers: Worker | None = None
        self._last: set[asyncio.Task[None]] = set()
        """What closing waits for."""
        self._lock = asyncio.Lock()
        """Held while something is on its way that the channels' ``stored_id`` does not show."""
        self._positions = KnownPositions()
        self._anew: dict[str, int] = {}
        """Channels of which all after this id is to be stored again: its segments are gone."""
        self._forgotten: dict[str, StoredChannel] = {}
        self._forgotten_runs: list[tuple[str, str]] = []
        self._is_closed = False
        self._told = 0.0
        """When the log was last told that it fails, by the monotonic clock."""
        self.renewed = 0
        """How often segments were lost, and others may have their names since."""

    def connect(self, hub: Hub, positions: Positions | None = None) -> None:
        """
        Serve a hub; called once, inside the loop.

        Args:
            hub: whose groups are made durable.
            positions: that earlier lives have recorded.
        """
        self._hub = hub
        self._positions.note_saved(positions or {})
        self._worker = Worker("store")
        self._readers = Worker("archive", READERS)
        self.status.enter(StoreState.OK)

    @property
    def is_failing(self) -> bool:
        """Whether groups are published without it."""
        return self.status.state is StoreState.FAILING

    @property
    def _is_left_out(self) -> bool:
        return self.is_failing or self._is_closed

    def submit(self, job: Callable[[], T]) -> "asyncio.Future[T]":
        """Do a job in the writer's thread, after those before it."""
        assert self._worker is not None
        return self._worker.submit(job)

    def finish(self, task: "asyncio.Task[None]") -> None:
        """Let closing wait for a task, if it takes no longer than a commit may."""
        self._last.add(task)
        task.add_done_callback(self._last.discard)

    # Writing

    async def commit(self, group: Group) -> bool:
        """Make a group durable; see :meth:`relay.storage.Store.commit`."""
        if self._is_left_out:
            self._positions.keep(group.positions)
            return False
        began = time.monotonic()
        try:
            if self._lock.locked():
                async with asyncio.timeout(self._timeout):
                    await self._lock.acquire()
            else:
                await self._lock.acquire()
        except TimeoutError:
            self._fail_slow()
            self._positions.keep(group.positions)
            return False
        if self._is_left_out:
            # It began to while this waited: what is written now would pass by what was not.
            self._lock.release()
            self._positions.keep(group.positions)
            return False
        write = self._write(_records(group), group.positions)
        with suppress(Exception):  # The writer meets it again, and fails in words.
            write.texts = prepared(write.records, MAX_PREPARED_BYTES, self._is_archived)
        job = self.submit(partial(self._writer.commit, write))
        is_stored = await self._finished(job, write, group.positions, began)
        if job.done():
            self._lock.release()
        else:
            # It goes on, and may yet succeed: until then nothing else is written.
            job.add_done_callback(partial(self._finish_late, group))
        return is_stored

    async def _finished(
        self, job: "asyncio.Future[None]", write: Write, positions: Positions, began: float
    ) -> bool:
        """Wait for a commit as long as a line may wait; tell whether it succeeded."""
        left = max(0.0, self._timeout - (time.monotonic() - began))
        if not job.done():
            await asyncio.wait([job], timeout=left)
        if not job.done():
            self._positions.keep(positions)
            self._forgotten_runs[:0] = write.forgotten_runs
            self._fail_slow()
            return False
        error = job.exception()
        if error is None:
            self.status.commits.add(time.monotonic() - began)
            self._positions.note_saved(positions)
            return True
        self._positions.keep(positions)
        self._forgotten_runs[:0] = write.forgotten_runs
        self.fail(_reason(error))
        return False

    def _finish_late(self, group: Group, job: "asyncio.Future[None]") -> None:
        self._lock.release()
        if not job.cancelled() and job.exception() is None and self._hub is not None:
            self._hub.note_stored(group)

    def _write(self, records: list[Record], positions: Positions) -> Write:
        self._forget_now()
        forgotten, self._forgotten_runs = self._forgotten_runs, []
        return Write(records, positions, forgotten_runs=forgotten, age_ns=self._age_ns())

    def forget(self, channel: StoredChannel) -> None:
        """Let go of a channel; see :meth:`relay.storage.Store.forget`."""
        self._forgotten[channel.name] = channel
        if not self.is_failing:
            self._forget_now()

    def drop(self, channel: str) -> None:
        """Let go of a channel for good; see :meth:`relay.storage.Store.drop`."""
        self._forgotten.pop(channel, None)
        if not self.is_failing:
            # What fails is tried again at the next start, which keeps no more than the hub does.
            self.submit(partial(self._writer.drop, channel)).add_done_callback(self._notice)

    def _forget_now(self) -> None:
        forgotten, self._forgotten = self._forgotten, {}
        for channel in forgotten.values():
            job = self.submit(partial(self._writer.forget, channel))
            job.add_done_callback(partial(self._note_forgotten, channel))

    def _note_forgotten(self, channel: StoredChannel, job: "asyncio.Future[None]") -> None:
        if not job.cancelled() and job.exception() is not None:
            self._forgotten.setdefault(channel.name, channel)
        self._notice(job)

    def forget_run(self, run: str, channel: str) -> None:
        """Let go of a run in a channel with the next commit."""
        self._forgotten_runs.append((run, channel))

    def _notice(self, job: "asyncio.Future[None]") -> None:
        if not job.cancelled() and (error := job.exception()) is not None:
            self.fail(_reason(error))

    # Failing, and catching up

    def _fail_slow(self) -> None:
        self.fail(f"slower than {self._timeout:g} s")

    def fail(self, reason: str) -> None:
        """Publish without it from now on, until it works again."""
        if not self.is_failing or self.status.reason != reason:
            log.error("store: failing: %s; lines are published without it", reason)
            self._told = time.monotonic()
        self.status.fail(reason)

    async def check(self) -> None:
        """Look whether the directory is still what it was; a store that fails tries again."""
        if self.is_failing:
            await self._recover()
            return
        try:
            await self.submit(self._writer.check)
        except (StoreError, OSError) as error:
            self.fail(_reason(error))

    async def _recover(self) -> None:
        """Write what the store does not have, until nothing is left or it fails again."""
        if self._lock.locked():
            return  # What was too slow is still on its way.
        while self.is_failing:
            async with self._lock:
                began = time.monotonic()
                try:
                    # What was opened while nothing could be written keeps others from writing.
                    self._archive.close()
                    await self._reopen()
                    await self._go_back()
                    caught_up = await self._catch_up()
                except (StoreError, OSError) as error:
                    self.fail(_reason(error))
                    return
                if time.monotonic() - began > self._timeout:
                    return  # The next try is the next tick's.
                if self._backlog_bytes() > SMALL_BACKLOG_BYTES:
                    continue
                # From here on lines wait for the lock: the rest is written before them.
                self.status.enter(StoreState.CATCHING_UP)
                try:
                    caught_up += await self._catch_up()
                except (StoreError, OSError) as error:
                    self.fail(_reason(error))
                    return
                if self.is_failing:
                    continue  # A commit did not wait so long: what it showed is still to be saved.
                self.status.enter(StoreState.OK)
                log.warning("store: it works again; %d lines were caught up", caught_up)

    async def _reopen(self) -> None:
        assert self._hub is not None
        lost = {
            name: (channel.lost_until, channel.ring.marks.last_seq)
            for name, channel in self._hub.channels.items()
        }
        is_new = await self.submit(partial(self._writer.reopen, lost))
        self._archive.close(is_new=is_new)
        if is_new:
            self.renewed += 1
            self._positions.record_again()

    async def _go_back(self) -> None:
        """
        Take for stored only what the index has now, and its segments hold as far as is known.

        A disk that was pulled out comes back without what had not reached it yet; of a directory
        that was removed the index is made again, and no segment.
        """
        assert self._hub is not None
        ends = await self.submit(self._writer.ends)
        for name, channel in self._hub.channels.items():
            last_id, last_seq = ends.get(name, (channel.born_id, 0))
            if last_id < channel.stored_id and last_seq < channel.stored_seq:
                channel.stored_id, channel.stored_seq = last_id, last_seq
                self._positions.record_again()
        self._anew = {}
        left = {name: channel.left_id for name, channel in self._hub.channels.items()}
        missing = await self.submit(partial(self._writer.missing, left))
        for name, (last_id, last_seq) in missing.items():
            if (lost := self._hub.channels.get(name)) is not None:
                lost.stored_id = min(lost.stored_id, last_id)
                lost.stored_seq = min(lost.stored_seq, last_seq)
                self._anew[name] = last_id
        self._archive.close(is_new=bool(missing))

    async def _catch_up(self) -> int:
        """Write all that is visible and not stored, as of now; return how many lines."""
        assert self._hub is not None
        hub, backlog = self._hub, self._backlog()
        unsaved = self._positions.take_unsaved()
        write = self._write([record for _, records in backlog for record in records], unsaved)
        write.runs = [replace(run, last_ids=dict(run.last_ids)) for run in hub.runs.values()]
        write.anew, self._anew = self._anew, {}
        ends = [(channel, channel.last_id, channel.last_seq) for channel, _ in backlog]
        try:
            await self.submit(partial(self._writer.commit, write))
        except BaseException:
            self._positions.give_back(unsaved)
            raise
        self._positions.note_saved(unsaved)
        if write.anew:
            self._archive.close(is_new=True)
            self.renewed += 1
        for channel, last_id, last_seq in ends:
            channel.stored_id, channel.stored_seq = last_id, last_seq
        return sum(
            record.stop - record.start
            for _, records in backlog
            for record in records
            if isinstance(record, Span)
        )

    def _behind(self) -> list[Channel]:
        assert self._hub is not None
        channels = self._hub.channels.values()
        return [channel for channel in channels if channel.stored_id < channel.last_id]

    def _backlog(self) -> list[tuple[Channel, list[Record]]]:
        return [(channel, unstored(channel)) for channel in self._behind()]

    def _backlog_bytes(self) -> int:
        return sum(
            item.size_bytes
            for channel in self._behind()
            for item in channel.ring.after(channel.stored_id)
        )

    def measure(self) -> None:
        """Note in the status how far behind the store is."""
        behind = self._behind()
        self.status.behind_lines = sum(one.last_seq - one.stored_seq for one in behind)
        self.status.behind_bytes = self._backlog_bytes() if behind else 0
        if not self.status.behind_lines and not self.status.behind_bytes:
            # The end of a run, which its other channels have too, stands in one of them.
            self.status.unsaved_ns = None
        elif self.status.unsaved_ns is None:
            self.status.unsaved_ns = time.time_ns()
        if self.is_failing and time.monotonic() - self._told >= TELL_SECONDS:
            self._told = time.monotonic()
            count = self.status.behind_lines
            log.error("store: still failing: %s; %d lines behind", self.status.reason, count)

    # Reading

    async def read(self, wanted: Wanted) -> Stretch:
        """Return what is held, oldest first; see :meth:`relay.storage.Store.read`."""
        try:
            return await self._in_reader(partial(self._archive.read, wanted))
        except (StoreError, OSError) as error:
            log.error("store: channel %s cannot be read: %s", wanted.channel, _reason(error))
            first_id, last_id = wanted.after + 1, wanted.until
            lost = Missing(first_id, last_id, None, 0, Reason.STORAGE, is_placed=False)
            return Stretch([lost], last_id)

    async def read_back(self, wanted: Wanted) -> Stretch:
        """Return what is held, newest first; see :meth:`relay.storage.Store.read_back`."""
        try:
            return await self._in_reader(partial(self._archive.read_back, wanted))
        except (StoreError, OSError) as error:
            log.error("store: channel %s cannot be read: %s", wanted.channel, _reason(error))
            return Stretch([], wanted.until + 1, wanted.until + 1)

    async def extent(self, channel: str) -> Extent | None:
        """Return how much is held of a channel; see :meth:`relay.storage.Store.extent`."""
        try:
            return await self._in_reader(partial(self._archive.extent, channel))
        except (StoreError, OSError) as error:
            log.error("store: channel %s cannot be read: %s", channel, _reason(error))
            return None

    async def _in_reader(self, job: Callable[[], T]) -> T:
        assert self._readers is not None
        return await self._readers.submit(job)

    async def close(self) -> None:
        """Write what is left, and close; a disk that hangs is not waited for."""
        assert self._worker is not None
        assert self._readers is not None
        self._readers.stop()
        try:
            async with asyncio.timeout(2 * self._timeout):
                await self._end_last()
                if self._hub is not None:
                    await self._hub.settle()
                async with self._lock:
                    pass  # What was too slow is no longer on its way.
                if self.is_failing:
                    await self._recover()
                async with self._lock:
                    self._is_closed = True
                    self._forget_now()
                    self._archive.close()
                    await self.submit(self._writer.close)
        except TimeoutError:
            log.error("store: closed without it: slower than %g s", 2 * self._timeout)
        except (StoreError, OSError) as error:
            log.error("store: not closed well: %s", _reason(error))
        self._worker.stop()

    async def _end_last(self) -> None:
        if self._last:
            _, late = await asyncio.wait(self._last, timeout=self._timeout)
            for task in late:
                task.cancel()


def _records(group: Group) -> list[Record]:
    return [Span(item, 0, item.count) if isinstance(item, Block) else item for item in group.items]


def _reason(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error)
