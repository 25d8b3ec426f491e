"""
One answer of the engine's with a container's log, read on from what was read already.

Rules of this file:

* An answer counts once it begins with a record that is known, or older than all that are: what was
  not read yet comes after it. Else more of the log must be asked for.
* It counts no longer where it shows that it began between two parts of a line: only the first
  record of a stream may be the rest of a line, and has then about the time of the beginning, or
  an earlier one.
* Where an answer that follows the log may have left something out, what comes after that is not
  taken before the log was asked for it.
* The first line is handed on at once. While more keep coming they are left to the kernel for some
  milliseconds: the engine sends each by itself, and a turn costs as much as a hundred of them.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from relay.sources.base import SourceOptions
from relay.sources.docker_engine import Log
from relay.sources.docker_entries import EntryDecoder
from relay.sources.docker_frames import RecordDecoder
from relay.sources.docker_lives import Lives
from relay.sources.docker_output import Output
from relay.sources.docker_position import LEAST_NS, Window, hashes
from relay.sources.docker_records import Records
from relay.sources.docker_skips import Skips

__all__ = ["Answers", "Ending", "Following"]

NAP_SECONDS = 0.02
NAP_BYTES = 16 * 1024
LEAST_NAP_BYTES = 2048
"""So many bytes are waited for before they are read, at most so long; and where fewer than the
last would come meanwhile, nothing is: 700 lines a second."""


STREAMS = 2

FAR_NS = 1 << 63
FAR_SECONDS = float("inf")
"""Times that never come."""


@dataclass(frozen=True, slots=True)
class Following:
    """
    What makes good what an answer that follows a log leaves out.

    Args:
        skips: tells when that may be.
        look_back: asks for the log once more, and reads that answer to its end; knows how many
            records have come that are not taken yet.
    """

    skips: Skips
    look_back: Callable[[int], Awaitable[None]]


class Ending(Enum):
    """What an answer was worth, when no more is read of it."""

    SHORT = auto()
    """It did not reach back far enough: what is before and after the place up to which it was
    taken, if it was at all, is to be asked for."""
    WHOLE = auto()
    """It ended, and all of it was taken."""
    STALE = auto()
    """The engine has left something out, which was read by asking again; it may do so again."""


class _Inside:
    """Tells whether an answer began between two parts of a line that was not read."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self._began_ns: int | None = None
        self._streams: set[int] = set()

    def is_shown_by(self, records: Records, keys: Sequence[int]) -> bool:
        """Look at the answer's next records."""
        if len(self._streams) == STREAMS:
            return False
        if self._began_ns is None:
            self._began_ns = records.times[0]
            if self._window.is_first(self._began_ns, keys[0]):
                self._began_ns = 0
        for stream in set(records.streams) - self._streams:
            self._streams.add(stream)
            first = records.streams.index(stream)
            is_late = first in self._window.open_lines.late(records)
            is_new = self._window.is_new(records.times[first], keys[first], is_late=is_late)
            if is_new and records.times[first] < self._began_ns + LEAST_NS:
                return True
        return False


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
        self._oldest_taken = FAR_NS
        """The least time of a record that was taken, since this was set last."""
        self._in_hand: frozenset[tuple[int, int]] = frozenset()
        """Times and hashes of records that are taken once the log was looked into."""

    @property
    def held_ns(self) -> int | None:
        """The least time of a record that was taken and not handed over; ``None``: all were."""
        return self._entries.held_ns

    def decoder(self, *, tty: bool) -> RecordDecoder:
        """Return what decodes one answer."""
        return RecordDecoder(tty=tty, max_line_bytes=self._most)

    async def read(
        self, opened: Log, *, tty: bool, is_last: bool, following: Following | None = None
    ) -> Ending:
        """
        Read an answer to its end.

        Args:
            opened: the answer.
            tty: whether the container has a terminal.
            is_last: whether there is no more to be asked for: what is not there is gone.
            following: of an answer that follows the log.
        """
        decoder, self._unfinished = self.decoder(tty=tty), None
        is_checked = False
        # Of a log of which nothing is known there is no more to be asked for.
        inside = None if is_last or self._window.is_empty else _Inside(self._window)
        self._window.begin()
        if self._output.has_any:
            await self._give()
        while (data := await self._next(opened, following)) != b"":
            if data is None:
                if following is not None and await self._has_left_out(following, FAR_NS):
                    return Ending.STALE
                continue
            records = decoder.feed(data)
            self._window.open_lines.see(decoder.open_lines, self._window.lo)
            if not records:
                continue
            keys = hashes(records)
            if not is_checked:
                if is_last and (records.times[0], keys[0]) in self._in_hand:
                    # The engine has emptied its file, but what is before is in hand too.
                    return Ending.WHOLE
                if not self._begins(records, keys[0], is_last=is_last):
                    return Ending.SHORT
                is_checked = True
            if inside is not None and inside.is_shown_by(records, keys):
                return Ending.SHORT
            if following is None:
                await self._take(records, keys)
            elif await self._take_followed(records, keys, len(data), following):
                return Ending.STALE
            else:
                await self._nap(opened, len(data))
        self._unfinished = decoder
        return Ending.WHOLE

    def _begins(self, records: Records, key: int, *, is_last: bool) -> bool:
        """Tell whether an answer that begins with these counts; and what is gone before it."""
        # What looks like the first piece of an endless line may be any of it, where the answer
        # begins inside.
        is_sure = is_last or 0 not in records.offsets
        reaches = is_sure and self._window.reaches(records.times[0], key, is_last=is_last)
        if is_last and not reaches and not self._window.is_empty:
            self._output.add_loss()
        return reaches or is_last

    async def _next(self, opened: Log, following: Following | None) -> bytes | None:
        """
        Wait for more of the log; meanwhile give out entries that have waited long enough.

        Returns:
            Nothing at its end; ``None`` after a silence that is to be looked into.
        """
        clock = asyncio.get_running_loop().time
        seconds = None if following is None else following.skips.quiet_seconds
        quiet = FAR_SECONDS if seconds is None else clock() + seconds
        while True:
            due = self._entries.due
            until = quiet if due is None else min(quiet, due)
            if until == FAR_SECONDS:
                return await opened.read()
            try:
                async with asyncio.timeout_at(until):
                    return await opened.read()
            except TimeoutError:
                if until == quiet:
                    return None
                self._output.add_entries(self._entries.pause(clock()))
                await self._give()

    async def _take_followed(
        self, records: Records, keys: Sequence[int], size: int, following: Following
    ) -> bool:
        """Take records, but first what was left out before them; tell whether something was."""
        doubt = following.skips.first_doubt(records.times, size, self._window.hi)
        if doubt is None:
            await self._take(records, keys)
            return False
        if doubt:
            await self._take(records.picked(range(doubt)), keys[:doubt])
        self._in_hand = frozenset(zip(records.times[doubt:], keys[doubt:], strict=True))
        try:
            is_stale = await self._has_left_out(following, records.times[doubt])
        finally:
            self._in_hand = frozenset()
        await self._take(records.picked(range(doubt, len(keys))), keys[doubt:])
        return is_stale

    async def _has_left_out(self, following: Following, before_ns: int) -> bool:
        """Read what an answer may have left out before a time, and tell whether it has."""
        following.skips.hush()
        self._oldest_taken = FAR_NS
        await following.look_back(len(self._in_hand))
        return self._oldest_taken < before_ns

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
        late = self._window.open_lines.late(records)
        indexes = self._window.take(records.times, keys, time.time_ns(), late)
        if len(indexes) < len(keys):
            records, keys = records.picked(indexes), [keys[index] for index in indexes]
        self._window.open_lines.take(records)
        self._oldest_taken = min(self._oldest_taken, min(records.times, default=FAR_NS))
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
