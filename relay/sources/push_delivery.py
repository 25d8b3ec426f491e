"""
One push under way: decode, skip, count, hand on.

What a decoder holds, an unfinished line or an entry that may go on, is never counted; a piece
of a line that was given out is, in bytes, so that the line goes on where it was.
"""

import asyncio
import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from relay.decode.lines import Decoded
from relay.decode.ndjson import (
    Entries,
    LineError,
    NdjsonDecoder,
    Place,
    RefusedLine,
    json_lines,
)
from relay.entry import Batch, Level, Loss, Origin, Reason, RunStarted, Stream
from relay.inlet import Push, Receipt, RefusedPushError
from relay.sources.push_counts import RunCount
from relay.sources.rate import cut_by_lines

if TYPE_CHECKING:
    from relay.sources.push import PushSource

__all__ = ["PushDelivery"]

MAX_ERRORS = 10
"""How many bad lines of a push are named."""

NDJSON_TURN_BYTES = 16 * 1024
"""Decoded at a time: some milliseconds, even where each line is short and bad."""

MAX_ORIGINS = 256
"""Of one batch."""


class PushDelivery:
    """
    One push under way.

    Args:
        source: that takes it.
        push: what its client says of it.
    """

    def __init__(self, source: "PushSource", push: Push) -> None:
        self.push = push
        self.receipt = Receipt()
        self._source = source
        self._is_superseded = False
        self._hole = self._skip_lines = self._skip_bytes = 0
        self._line_bytes = 0
        """How much of the line that is not whole yet has been fed."""
        self._run_count: RunCount | None = None
        if push.run is not None:
            self._run_count = source.counts.enter(push.run)
            self.receipt.offset = source.counts.visible(push.run).offset
            self._find_place(self._run_count)
        most = source.options.max_line_bytes
        self._text = source.options.decoding.decoder(in_part=self._skip_bytes > 0)
        self._held_lines = 0
        self._ndjson = NdjsonDecoder(most) if push.ndjson else None

    def _find_place(self, count: RunCount) -> None:
        if self.push.offset is None:
            return
        for other in self._source.deliveries:
            if other.push.run == self.push.run:
                other._is_superseded = True
        self._skip_lines = max(0, count.lines - self.push.offset)
        self._hole = max(0, self.push.offset - count.lines)
        if self._hole:
            count.lines, count.line_bytes = self.push.offset, 0
        self._skip_bytes = count.line_bytes

    async def declare_hole(self) -> None:
        """Declare what the client says it sent and the relay never saw; called once."""
        if self._hole:
            loss = Loss(Reason.SOURCE, self._hole, self._hole)
            await self._publish([Batch(self._source.name, self.push.channel, loss=loss)])
        self._note()

    async def feed(self, data: bytes) -> None:
        """Take more bytes, split anywhere, and publish the lines that are whole now."""
        self._require()
        for piece in self._pieces(self._new(data)):
            if self._ndjson is None:
                batches = self._take_lines(self._text.feed(piece, time.monotonic()))
            else:
                batches = self._take_entries(self._ndjson.feed(piece, time.time_ns()))
            self._count(piece)
            await self._publish(batches)
            # Also where nothing was published: bad lines must not hold the loop.
            await asyncio.sleep(0)
            self._require()

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        """Cut data into what is decoded, counted and published at once."""
        most_bytes = len(data) or 1 if self._ndjson is None else NDJSON_TURN_BYTES
        most_lines = self._source.options.max_lines_per_second
        for start in range(0, len(data), most_bytes):
            piece = data[start : start + most_bytes]
            yield from [piece] if most_lines is None else cut_by_lines(piece, most_lines)

    async def pause(self) -> None:
        """Publish the entry that may go on, and the unfinished line as a part."""
        self._require()
        if self._ndjson is None:
            batches = self._take_lines(self._text.pause(math.inf))
            self._count(b"")
            await self._publish(batches)

    async def finish(self) -> Receipt:
        """Take the end of a complete request: the last line is a whole one."""
        self._require()
        if self._ndjson is not None:
            batches = self._take_entries(self._ndjson.finish(time.time_ns()))
        else:
            batches = self._take_lines(self._text.flush())
            self._count(b"")
        count = self._run_count
        if count is not None and self._line_bytes and not self._skip_lines:
            count.lines, count.line_bytes = count.lines + 1, 0
        if count is not None and count.now != self._source.counts.visible(count.said.run):
            # What was skipped may be on its way still.
            batches = batches or [Batch(self._source.name, self.push.channel)]
        await self._publish(batches)
        return self.receipt

    async def take(self, body: bytes) -> Receipt:
        """Take a whole JSON body, whose objects count as lines."""
        try:
            lines = await asyncio.to_thread(json_lines, body)
        except LineError as error:
            raise RefusedPushError("invalid_json", f"body: {error}") from error
        await self.feed(lines)
        return await self.finish()

    def close(self) -> None:
        """Let go; an unfinished line is forgotten, whole ones that were held are published."""
        if self not in self._source.deliveries:
            return
        self._source.deliveries.discard(self)
        if self._text.held_lines and not self._is_superseded and self._source.is_open:
            batches = self._take_lines(self._text.release())
            self._count(b"")
            self._source.leave(self._counted(batches))
        if self.push.run is not None:
            self._source.counts.leave(self.push.run)

    def supersede(self) -> None:
        """Publish what is whole, and take no more."""
        self.close()
        self._is_superseded = True

    def _require(self) -> None:
        self._source.require_running()
        if self._is_superseded:
            raise RefusedPushError(
                "superseded", f"run: {self.push.run!r} has ended, or a newer push goes on with it"
            )

    def _new(self, data: bytes) -> bytes:
        """Return what of the data the relay does not have yet."""
        if self._skip_lines:
            data = self._without_lines(data)
        if self._skip_bytes and not self._skip_lines and data:
            line_end = data.find(b"\n")
            cut = min(self._skip_bytes, len(data) if line_end < 0 else line_end)
            self._line_bytes += cut
            self._skip_bytes = 0 if cut == line_end else self._skip_bytes - cut
            data = data[cut:]
        return data

    def _without_lines(self, data: bytes) -> bytes:
        count = min(data.count(b"\n"), self._skip_lines)
        self._skip_lines -= count
        self.receipt.skipped += count
        if self._skip_lines:
            return b""
        start = 0
        for _ in range(count):
            start = data.index(b"\n", start) + 1
        return data[start:]

    def _count(self, data: bytes) -> None:
        """Count what was fed, but for what a decoder still holds."""
        newlines = data.count(b"\n")
        self._line_bytes = (
            len(data) - data.rfind(b"\n") - 1 + (0 if newlines else self._line_bytes)
        )
        if self._run_count is not None:
            held, self._held_lines = self._held_lines, self._text.held_lines
            self._run_count.lines += newlines + held - self._held_lines
            # What was given out of this line before, and has not come again, counts too.
            given = self._line_bytes + self._skip_bytes - self._text.unfinished_bytes
            self._run_count.line_bytes = given if self._ndjson is None else 0

    def _take_lines(self, decoded: Decoded) -> list[Batch]:
        self._source.status.invalid_bytes += decoded.invalid_bytes
        self.receipt.accepted += decoded.lines.count
        return [self._batch(Entries(decoded.lines, decoded.parts))] if decoded.lines.count else []

    def _take_entries(self, entries: Entries) -> list[Batch]:
        receipt = self.receipt
        receipt.accepted += entries.lines.count
        receipt.rejected += entries.rejected
        entries = self._without_foreign_runs(entries)
        for error in entries.errors[: MAX_ERRORS - len(receipt.errors)]:
            receipt.errors.append(RefusedLine(error.line + receipt.skipped, error.reason))
        return self._batches(entries) if entries.lines.count else []

    def _without_foreign_runs(self, entries: Entries) -> Entries:
        """Leave out lines that name a run of a source that takes no pushes."""
        taken = {
            place[0]
            for place in set(entries.places or ())
            if place[0] is not None and self._source.is_foreign(place[0])
        }
        if not taken or entries.places is None:
            return entries
        kept = [place[0] not in taken for place in entries.places]
        lost = kept.count(False)
        self.receipt.accepted -= lost
        self.receipt.rejected += lost
        if len(self.receipt.errors) < MAX_ERRORS:
            names = ", ".join(sorted(map(repr, taken)))
            reason = f"run: {names} is of a source that takes no pushes ({lost} lines)"
            self.receipt.errors.append(RefusedLine(self.receipt.skipped + 1, reason))
        return entries.where(kept)

    def _batches(self, entries: Entries) -> list[Batch]:
        """Return batches of at most MAX_ORIGINS origins, and what runs they start."""
        places = entries.places
        if places is None:
            return [self._batch(entries)]
        if len(set(places)) > MAX_ORIGINS:
            half = len(places) // 2
            count = entries.lines.count
            first, second = entries.slice(0, half), entries.slice(half, count)
            return [*self._batches(first), *self._batches(second)]
        table: dict[Place, int] = {}
        index = bytes([table.setdefault(place, len(table)) for place in places])
        origins = tuple(self._origin(*place) for place in table)
        runs = {place[0] for place in table if place[0] is not None}
        starts = [
            Batch(
                self._source.name,
                self.push.channel,
                runs=self._source.counts.starts(RunStarted(run, time.time_ns())),
            )
            for run in sorted(runs)
            if not self._source.is_running(run)
        ]
        return [*starts, self._batch(entries, origins, index if len(table) > 1 else None)]

    def _batch(
        self,
        entries: Entries,
        origins: tuple[Origin, ...] = (),
        index: bytes | None = None,
    ) -> Batch:
        return Batch(
            self._source.name,
            self.push.channel,
            entries.lines,
            origins or (self._origin(),),
            index,
            timestamps=entries.timestamps,
            parts=entries.parts,
            detect_levels=self._source.options.detect_level,
            levels=entries.levels,
            fields=entries.fields,
        )

    def _origin(
        self,
        run: str | None = None,
        instance: str | None = None,
        stream: Stream | None = None,
    ) -> Origin:
        push, options = self.push, self._source.options
        stream = push.stream if stream is None else stream
        level: Level = options.level.of(stream) if push.level is None else push.level
        return Origin(self._source.name, instance or push.instance, run or push.run, stream, level)

    async def _publish(self, batches: list[Batch]) -> None:
        if batches := self._counted(batches):
            offset = None if self._run_count is None else self._run_count.lines
            await self._source.publish(batches)
            self.receipt.offset = offset
        self._note()

    def _counted(self, batches: list[Batch]) -> list[Batch]:
        """Let the last batch say how far the run has come with it."""
        count = self._run_count
        if count is None:
            return batches
        if not batches:
            if count.now == count.said:
                return []
            batches = [Batch(self._source.name, self.push.channel)]
        count.said = count.now
        *others, last = batches
        return [*others, replace(last, runs=(*last.runs, count.said))]

    def _note(self) -> None:
        assert self._source.hub is not None
        self.receipt.last_id = self._source.hub.last_id
