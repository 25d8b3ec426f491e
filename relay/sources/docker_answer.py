"""
One answer of the engine's with a container's log, read on from what was read already.

Rules of this file:

* An answer counts once it begins with a record that is known, or older than all that are: what was
  not read yet comes after it. Else more of the log must be asked for.
* The first line is handed on at once. While more keep coming they are left to the kernel for some
  milliseconds: the engine sends each by itself, and a turn costs as much as a hundred of them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

from relay.sources.base import SourceOptions
from relay.sources.docker_engine import Log
from relay.sources.docker_entries import EntryDecoder
from relay.sources.docker_frames import RecordDecoder, Records
from relay.sources.docker_lives import Lives
from relay.sources.docker_output import Output
from relay.sources.docker_position import Window, hashes

__all__ = ["Answers"]

NAP_SECONDS = 0.02
NAP_BYTES = 16 * 1024
LEAST_NAP_BYTES = 2048
"""So many bytes are waited for before they are read, at most so long; and where fewer than the
last would come meanwhile, nothing is: 700 lines a second."""


class Answers:
    """
    Reads the answers to all requests for one container's log.

    Args:
        options: of the source.
        window: which records were read.
        lives: which run they are of.
        output: takes their entries.
        give: hands over what it took.
        turn_over: ends the current run and begins the next.
    """

    def __init__(
        self,
        options: SourceOptions,
        window: Window,
        lives: Lives,
        output: Output,
        give: Callable[[], Awaitable[None]],
        turn_over: Callable[[], None],
    ) -> None:
        self._most = options.max_line_bytes
        self._window = window
        self._lives = lives
        self._output = output
        self._give = give
        self._turn_over = turn_over
        self._entries = EntryDecoder(options.decoding)
        self._unfinished: RecordDecoder | None = None
        self._last_turn = 0.0

    def decoder(self, *, tty: bool) -> RecordDecoder:
        """Return what decodes one answer."""
        return RecordDecoder(tty=tty, max_line_bytes=self._most)

    async def read(self, opened: Log, *, tty: bool, naps: bool, is_last: bool) -> bool:
        """
        Read an answer to its end.

        Args:
            opened: the answer.
            tty: whether the container has a terminal.
            naps: whether lines may be waited for.
            is_last: whether there is no more to be asked for: what is not there is gone.

        Returns:
            Whether it reached back to what is known; else nothing of it was taken.
        """
        decoder, self._unfinished = self.decoder(tty=tty), None
        is_checked = False
        self._window.begin()
        if self._output.has_any:
            await self._give()
        while data := await self._next(opened):
            if not (records := decoder.feed(data)):
                continue
            keys = hashes(records)
            if not is_checked:
                # What looks like the first piece of an endless line may be any of it, where the
                # answer begins inside.
                is_sure = is_last or 0 not in records.offsets
                is_checked = is_sure and self._window.reaches(records.times[0], keys[0])
                if not (is_checked or is_last):
                    return False
                if not is_checked and not self._window.is_empty:
                    self._output.add_loss()
                is_checked = True
            await self._take(records, keys)
            if naps:
                await self._nap(opened, len(data))
        self._unfinished = decoder
        return True

    async def _next(self, opened: Log) -> bytes:
        """Wait for more of the log; meanwhile give out entries that have waited long enough."""
        while (due := self._entries.due) is not None:
            try:
                async with asyncio.timeout_at(due):
                    return await opened.read()
            except TimeoutError:
                self._output.add_entries(self._entries.pause(asyncio.get_running_loop().time()))
                await self._give()
        return await opened.read()

    async def _nap(self, opened: Log, size: int) -> None:
        """Rest after a turn with so many bytes, as long as as many as are wanted may take."""
        elapsed = time.monotonic() - self._last_turn
        soon = min(NAP_SECONDS, elapsed * NAP_BYTES / size)
        if size < NAP_BYTES and soon * size > elapsed * LEAST_NAP_BYTES:
            await opened.rest(soon)
        self._last_turn = time.monotonic()

    async def finish(self) -> None:
        """Take what the last answer ended with: nothing can follow it."""
        decoder, self._unfinished = self._unfinished, None
        if decoder is not None and (records := decoder.flush()):
            await self._take(records, hashes(records))
        self._output.add_entries(self._entries.flush())
        if self._output.has_any:
            await self._give()

    async def _take(self, records: Records, keys: Sequence[int]) -> None:
        indexes = self._window.take(records.times, keys, time.time_ns())
        if len(indexes) < len(keys):
            records, keys = records.picked(indexes), [keys[index] for index in indexes]
        while keys and (first := self._first_of_next(records)) is not None:
            self._add(records.picked(range(first)), keys[:first])
            self._output.add_entries(self._entries.flush())
            self._turn_over()
            records, keys = records.picked(range(first, len(keys))), keys[first:]
        self._add(records, keys)
        if self._output.has_any:
            await self._give()

    def _first_of_next(self, records: Records) -> int | None:
        """Return with which record the next run begins."""
        border = self._lives.border()
        if border is None or max(records.times) < border:
            return None
        return next(index for index, one in enumerate(records.times) if one >= border)

    def _add(self, records: Records, keys: Sequence[int]) -> None:
        if keys:
            now = asyncio.get_running_loop().time()
            self._output.add_entries(self._entries.take(records, keys, now))
