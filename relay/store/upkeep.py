"""
What is done for the store besides its commits: looking after it, syncing, pruning, compressing.

Rule of this file: each is a task of its own, so that a slow disk in one holds up no other; what
nobody foresaw in one makes the store failing, and that task begins again.
"""

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from relay.block import Block, DeclaredLoss
from relay.channel import Lost
from relay.errors import RelayError, StoreError
from relay.hub import Hub
from relay.marks import Missing
from relay.storage import Wanted
from relay.store import index
from relay.store.compression import SUFFIX, compress
from relay.store.files import problem_of
from relay.store.index import SegmentRow
from relay.store.retention import AgeClock, Keeping, Retention, free_bytes
from relay.store.segment import unbundled_chunks
from relay.store.store import DurableStore
from relay.store.worker import in_thread
from relay.store.writer import Writer

__all__ = ["Upkeep"]

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
"""How often the directory is looked at, and a store that fails tries again."""

SEAL_SECONDS = 10.0
"""How often segments that are open for long are looked for."""

AGAIN_SECONDS = 600.0
"""How often it is tried to compress what could not be, say since the disk was full."""

PRUNED_AT_ONCE = 4
"""What goes in one transaction, for which commits wait."""

AGE = "age_ns"
"""Under which the age clock is kept."""

SILENT = "silent "
"""With a channel's name behind it: under which the seconds of its silence are kept."""


class Upkeep:
    """
    Looks after a store until it is cancelled.

    Args:
        store: which.
        writer: that the store writes with.
        hub: whose channels they are.
        keeping: for a channel's name how much is kept of it.
        sync_seconds: how often what was committed is synced; ``None``: with every commit, or
            never.
        min_free_bytes: room that the file system should have.
        clock: the age clock.
    """

    def __init__(
        self,
        store: DurableStore,
        writer: Writer,
        hub: Hub,
        keeping: Callable[[str], Keeping],
        sync_seconds: float,
        min_free_bytes: int,
        clock: AgeClock,
    ) -> None:
        self._store = store
        self._writer = writer
        self._hub = hub
        self._keeping = keeping
        self._sync_seconds = sync_seconds
        self._min_free_bytes = min_free_bytes
        self._clock = clock
        self._directory: Path = writer.directory
        self._retention = Retention(self._directory, keeping, min_free_bytes, self._has_left)
        self.counted: Callable[[], Mapping[str, int]] = dict
        """Asked now and then for how many seconds channels are silent."""
        self.silent: Iterable[str] = ()
        """The keys under which that is kept."""
        self._renewed = 0
        self._to_compress: list[SegmentRow] = []
        self._left_over: list[SegmentRow] = []
        """What could not be compressed."""
        self._compressed_at = 0.0
        """When that was last tried, by the monotonic clock."""
        self._sealed = asyncio.Event()

    async def run(self) -> None:
        """Do all of it until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for work in (self._look, self._sync, self._prune, self._compress):
                tasks.create_task(self._go_on(work))

    async def _go_on(self, work: Callable[[], Awaitable[None]]) -> None:
        """Do a task's work, and again where it did not foresee what happened."""
        while True:
            try:
                await work()
            except Exception as error:
                log.exception("store: looking after it failed")
                self._store.fail(f"looking after it failed: {problem_of(error)}")
            await asyncio.sleep(TICK_SECONDS)

    async def _look(self) -> None:
        # A life may end before it is first put down; the next must not take a clock that was
        # stepped meanwhile for the age of what this one leaves.
        await self._attempt(partial(self._writer.put_values, {AGE: self._clock.now_ns()}))
        sealed_at = time.monotonic()
        while True:
            await asyncio.sleep(TICK_SECONDS)
            age_ns = self._clock.now_ns()
            await self._store.check()
            self._store.measure()
            if not self._store.is_failing and time.monotonic() - sealed_at >= SEAL_SECONDS:
                sealed_at = time.monotonic()
                await self._attempt(partial(self._writer.seal_old, age_ns))
                await self._put_values(age_ns)

    async def _put_values(self, age_ns: int) -> None:
        """Put down what the next life goes on with."""
        silent = {f"{SILENT}{name}": seconds for name, seconds in self.counted().items()}
        gone = [key for key in self.silent if key not in silent]
        values = {AGE: age_ns, **silent}
        if await self._attempt(partial(self._writer.put_values, values, gone)):
            self.silent = silent

    async def _sync(self) -> None:
        while True:
            await asyncio.sleep(self._sync_seconds)
            if self._store.is_failing:
                continue
            try:
                await in_thread("sync", self._writer.sync)
            except StoreError as error:
                self._store.fail(str(error))

    async def _attempt(self, job: Callable[[], object]) -> bool:
        """
        Do a job in the writer's thread; what fails is tried again some time later.

        Returns:
            Whether it is done.
        """
        try:
            await self._store.submit(job)
        except StoreError as error:
            self._fail(error)
            return False
        return True

    def _fail(self, error: StoreError) -> None:
        """Let the store be failing; why it is already is what it says when it tries again."""
        if not self._store.is_failing:
            self._store.fail(str(error))

    # What is not to be kept

    async def _prune(self) -> None:
        while True:
            for row in await self._store.submit(self._writer.take_sealed):
                self._retention.touch(row.channel)
                if self._keeping(row.channel).archive:
                    self._to_compress.append(row)
                    self._sealed.set()
            self._compress_again()
            may_be_more = await self._prune_some()
            await self._remove()
            await asyncio.sleep(0.01 if may_be_more else TICK_SECONDS)

    async def _prune_some(self) -> bool:
        """Let some go; tell whether there may be more that can."""
        status, is_failing = self._store.status, self._store.is_failing
        try:
            if is_failing:
                # Of a directory that took the place of ours nothing may go.
                await self._store.submit(self._writer.check)
            choose = partial(self._choose, self._clock.now_ns(), is_failing=is_failing)
            status.free_bytes, rows = await in_thread("prune", choose)
        except StoreError as error:
            self._fail(error)
            return False
        status.segments = self._retention.segments
        status.stored_bytes = self._retention.stored_bytes
        if self._store.renewed != self._renewed:
            self._renewed = self._store.renewed
            self._retention.touch()
            return True
        for row in rows:
            self._retention.touch(row.channel)
        for start in range(0, len(rows), PRUNED_AT_ONCE):
            some = rows[start : start + PRUNED_AT_ONCE]
            for row in some:
                await self._mark(row)
            if not await self._attempt(partial(self._writer.prune, some)):
                return False
            await self._remove()
        return bool(rows)

    async def _remove(self) -> None:
        """Remove files that are needed no more; a commit that waited for one would be late."""
        try:
            names = await self._store.submit(self._writer.take_unneeded)
        except StoreError as error:
            self._fail(error)
            return
        if names:
            gone = await in_thread("remove", partial(self._writer.remove, names))
            await self._attempt(partial(self._writer.note_removed, gone))

    def _choose(self, now_ns: int, *, is_failing: bool) -> tuple[int | None, list[SegmentRow]]:
        """
        Return the room that is left, and what goes; asks the disk, which may hang.

        While the store fails something goes only for want of room, without which it would fail
        for ever.
        """
        free = free_bytes(self._directory)
        if is_failing and (free is None or free >= self._min_free_bytes):
            return free, []
        return free, self._retention.choose(now_ns, free)

    def _has_left(self, row: SegmentRow) -> bool:
        """Tell whether no ring holds anything of a segment."""
        channel = self._hub.channels.get(row.channel)
        return channel is None or channel.left_id >= row.last_id

    async def _mark(self, row: SegmentRow) -> None:
        """Let the readers know what goes, before it does."""
        channel = self._hub.channels.get(row.channel)
        if channel is None:
            return
        items: list[Block | DeclaredLoss | Missing] | None = None
        if not channel.knows_from(row.first_id):
            items = []
            after = row.first_id - 1
            while after < row.last_id:
                stretch = await self._store.read(Wanted(row.channel, after, row.last_id))
                items += [item for item in stretch.items if item.last_id > after]
                after = stretch.reach
        newest_ns = row.newest_ns if row.entries else None
        channel.lose(Lost(row.last_id, row.last_seq, newest_ns), items)

    # What is kept small

    async def _compress(self) -> None:
        rows = await self._left_plain()
        while True:
            for row in rows:
                one = asyncio.create_task(self._compress_one(row))
                # Half of it would leave a file and its compressed one side by side, which are
                # read as twice the lines by people.
                self._store.finish(one)
                await asyncio.shield(one)
            await self._sealed.wait()
            self._sealed.clear()
            rows, self._to_compress = self._to_compress, []

    def _compress_again(self) -> None:
        """Let what could not be compressed be tried again, now and then."""
        is_time = time.monotonic() - self._compressed_at >= AGAIN_SECONDS
        if self._left_over and is_time and not self._store.is_failing:
            self._to_compress += self._left_over
            self._left_over = []
            self._sealed.set()

    async def _left_plain(self) -> list[SegmentRow]:
        """Return what an earlier life has sealed and not compressed."""
        while True:
            if not self._store.is_failing:
                try:
                    return await in_thread("compress", self._uncompressed)
                except sqlite3.Error as error:
                    self._store.fail(
                        str(StoreError(str(self._directory), f"cannot be read: {error}"))
                    )
            await asyncio.sleep(TICK_SECONDS)

    def _uncompressed(self) -> list[SegmentRow]:
        connection = index.connect(self._writer.index_path, readonly=True)
        try:
            return [
                row
                for channel in index.channels(connection)
                if self._keeping(channel.name).archive
                for row in index.uncompressed_segments(connection, channel.name, 1000)
            ]
        finally:
            connection.close()

    async def _compress_one(self, row: SegmentRow) -> None:
        try:
            size = await in_thread("compress", partial(self._write_compressed, row))
        except FileNotFoundError:
            return  # It went while it waited, or was sealed just before all were looked at.
        except (OSError, RelayError) as error:
            log.warning("store: a segment of %s stays as it is: %s", row.channel, error)
            self._leave(row)
            return
        except Exception:
            log.exception("store: a segment of %s stays as it is", row.channel)
            return
        if not await self._attempt(partial(self._writer.mark_compressed, row, size)):
            self._leave(row)
        await self._remove()
        self._retention.touch(row.channel)

    def _leave(self, row: SegmentRow) -> None:
        self._left_over.append(row)
        self._compressed_at = time.monotonic()

    def _write_compressed(self, row: SegmentRow) -> int:
        path = index.path_of(self._directory, row)
        made = path.with_name(path.name + SUFFIX)
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            # It was compressed before a power cut, of which the index knows nothing.
            return made.stat().st_size
        # What was written while the channel was not archived is for people now.
        return compress(unbundled_chunks(row.channel, text[: row.length]), made)
