"""
Push: lines that clients bring over HTTP.

Rules of this file:

* What was pushed goes through the supervisor as any source's batches do. The generator takes
  all that waits, so many small pushes are one publishing.
* A run's lines are counted as they were sent, by newlines, when they are handed on: a newer
  push that says where in the run it stands beats older ones, whose connection may be dead
  without our knowing, and what was counted is skipped.
* What a decoder holds, an unfinished line or an entry that may go on, is never counted; a piece
  of a line that was given out is, in bytes, so that the line goes on where it was.
"""

import asyncio
import math
import re
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, field_validator

from relay.config.clashes import Claim
from relay.config.values import Size
from relay.decode.encoding import WIDE
from relay.decode.lines import Decoded
from relay.decode.ndjson import (
    Entries,
    LineError,
    NdjsonDecoder,
    Place,
    RefusedLine,
    json_lines,
)
from relay.entry import Batch, Level, Loss, Origin, Position, Reason, RunEnded, RunStarted, Stream
from relay.hub import Hub
from relay.inlet import Push, Receipt, RefusedPushError
from relay.run import Run
from relay.sources.base import Source, SourceOptions, SourceState, SourceStatus

__all__ = ["PushDelivery", "PushOptions", "PushSource"]

MAX_ERRORS = 10
"""How many bad lines of a push are named."""

NDJSON_TURN_BYTES = 16 * 1024
"""Decoded at a time: some milliseconds, even where each line is short and bad."""

MAX_ORIGINS = 256
"""Of one batch."""

_GLOB = re.compile(r"[A-Za-z0-9._:*?\[\]!-]{1,128}", re.ASCII)


def _globs(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _glob(value: str) -> str:
    if not _GLOB.fullmatch(value):
        raise ValueError("a channel's name, or a glob for it")
    return value


def _no_channel(value: Any) -> None:
    if value is not None:
        raise ValueError("no channel: a push names its own, `channels` says which it may name")


class PushOptions(SourceOptions):
    """Keys of ``type = "push"``."""

    type: Literal["push"]
    channel: Annotated[None, BeforeValidator(_no_channel), WithJsonSchema({"type": "null"})] = (
        Field(None, description="None: a push names its channel itself.")
    )
    channels: Annotated[
        list[Annotated[str, AfterValidator(_glob)]],
        BeforeValidator(_globs),
        Field(min_length=1),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string"},
                    {"type": "array", "items": {"type": "string"}, "minItems": 1},
                ]
            }
        ),
    ] = Field(description="Channels that may be pushed to: a name or glob, or a list of them.")
    max_body: Size = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="A body whose length is told beforehand may have so many bytes. One that is "
        "streamed may be endless.",
    )

    @field_validator("encoding")
    @classmethod
    def _check_encoding(cls, value: str) -> str:
        if value in WIDE:
            raise ValueError("an encoding whose newline is one byte: pushes are counted by it")
        return value

    @property
    def claims(self) -> list[Claim]:
        """Its globs: a push is taken by one source."""
        return [Claim("channels", f"pushes to {glob!r} are taken") for glob in self.channels]


class PushSource(Source):
    """Takes pushes; web asks it through the hub."""

    Options = PushOptions
    options: PushOptions
    can_wait = True

    def __init__(self, name: str, options: PushOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self.hub: Hub | None = None
        self.deliveries: set[PushDelivery] = set()
        """All that are under way."""
        self._waiting: list[tuple[Sequence[Batch], asyncio.Future[None]]] = []
        self._news = asyncio.Event()
        self._is_stopped = False

    def connect(self, hub: Hub) -> None:
        """Take pushes to a hub's channels."""
        self.hub = hub
        hub.inlets[self.name] = self

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """Hand on what is pushed, for ever."""
        self.status.enter(SourceState.RUNNING)
        while True:
            await self._news.wait()
            self._news.clear()
            waiting, self._waiting = self._waiting, []
            given = [batch for batches, _ in waiting for batch in batches]
            try:
                yield given
            except GeneratorExit:
                self._answer(waiting, RefusedPushError("stopping", "the relay is stopping"))
                raise
            self._begin_counts(given)
            self._answer(waiting)

    def _begin_counts(self, batches: list[Batch]) -> None:
        """Count the lines of runs that are new from 0, also if their client has left already."""
        assert self.hub is not None
        for change in [change for batch in batches for change in batch.runs]:
            run = self.hub.runs.get(change.run)
            if run is not None and run.offset is None:
                run.offset = 0

    async def stop(self) -> list[Batch]:
        """Take no more; return what has not been published."""
        self._is_stopped = True
        waiting, self._waiting = self._waiting, []
        # Who waits goes on in a later turn of the loop than who publishes these.
        self._answer(waiting)
        return [batch for batches, _ in waiting for batch in batches]

    @staticmethod
    def _answer(
        waiting: list[tuple[Sequence[Batch], "asyncio.Future[None]"]],
        error: Exception | None = None,
    ) -> None:
        for _, published in waiting:
            if published.done():
                continue  # Its client has left.
            if error is None:
                published.set_result(None)
            else:
                published.set_exception(error)

    @property
    def feeds(self) -> frozenset[str]:
        """The channels of the pushes that are under way."""
        return frozenset([delivery.push.channel for delivery in self.deliveries])

    @property
    def channels(self) -> tuple[str, ...]:
        """Globs of the channels that may be pushed to."""
        return tuple(self.options.channels)

    @property
    def max_body_bytes(self) -> int:
        """Most bytes of a body whose length is told beforehand."""
        return self.options.max_body

    def accepts(self, channel: str) -> bool:
        """Tell whether pushes to the channel are allowed."""
        return any(fnmatchcase(channel, glob) for glob in self.options.channels)

    async def open(self, push: Push) -> "PushDelivery":
        """Begin a push, and the run that it belongs to; see :class:`relay.inlet.Inlet`."""
        self.require_running()
        assert self.hub is not None
        self.hub.admit([push.channel])
        run = None if push.run is None else await self._begin_run(push, push.run)
        delivery = PushDelivery(self, push, run)
        self.deliveries.add(delivery)
        try:
            await delivery.declare_hole()
        except BaseException:
            delivery.close()
            raise
        return delivery

    async def complete(self, channel: str, ended: RunEnded) -> None:
        """End a run of this source; pushes to it that are under way are over."""
        for delivery in list(self.deliveries):
            if delivery.push.run == ended.run:
                delivery.supersede()
        await self.publish([Batch(self.name, channel, runs=(ended,))])

    async def _begin_run(self, push: Push, name: str) -> Run:
        assert self.hub is not None
        known = self.hub.runs.get(name)
        if known is not None and known.source not in self.hub.inlets:
            raise RefusedPushError(
                "run_taken", f"run: {name!r} is a run of the source {known.source!r}"
            )
        # A name that comes again after its end, from the beginning, is counted anew.
        started = RunStarted(name, time.time_ns(), push.instance, anew=not push.offset)
        await self.publish([Batch(self.name, push.channel, runs=(started,))])
        return self.hub.runs[name]

    def is_foreign(self, run: str) -> bool:
        """Tell whether a run is of a source that takes no pushes."""
        known = self.hub.runs.get(run) if self.hub is not None else None
        return known is not None and self.hub is not None and known.source not in self.hub.inlets

    def is_running(self, run: str) -> bool:
        """Tell whether a run is known and under way."""
        known = self.hub.runs.get(run) if self.hub is not None else None
        return known is not None and known.ending_id is None

    @property
    def is_open(self) -> bool:
        """Whether it takes what is pushed."""
        return not self._is_stopped

    def require_running(self) -> None:
        """
        Refuse what comes after the end.

        Raises:
            RefusedPushError: the relay is stopping.
        """
        if self._is_stopped:
            raise RefusedPushError("stopping", "the relay is stopping")

    async def publish(self, batches: Sequence[Batch]) -> None:
        """
        Hand on batches, and wait until they are visible.

        They are published also if whoever waits is cancelled.

        Raises:
            RefusedPushError: the relay is stopping.
        """
        self.require_running()
        await self._hand_on(batches)

    def leave(self, batches: Sequence[Batch]) -> None:
        """Hand on batches that nobody waits for."""
        self._hand_on(batches).cancel()

    def _hand_on(self, batches: Sequence[Batch]) -> "asyncio.Future[None]":
        published = asyncio.get_running_loop().create_future()
        self._waiting.append((batches, published))
        self._news.set()
        return published


class PushDelivery:
    """
    One push under way.

    Args:
        source: that takes it.
        push: what its client says of it.
        run: that it belongs to, as the hub knows it.
    """

    def __init__(self, source: PushSource, push: Push, run: Run | None) -> None:
        self.push = push
        self.receipt = Receipt()
        self._source = source
        self._run = run
        self._is_superseded = False
        self._hole = self._skip_lines = self._skip_bytes = 0
        self._line_bytes = 0
        """How much of the line that is not whole yet has been fed."""
        if run is not None:
            self._find_place(run)
        most = source.options.max_line_bytes
        self._text = source.options.decoding.decoder(in_part=self._skip_bytes > 0)
        self._held_lines = 0
        self._ndjson = NdjsonDecoder(most) if push.ndjson else None

    def _find_place(self, run: Run) -> None:
        counted = run.offset or 0
        run.offset = counted
        if self.push.offset is None:
            return
        for other in self._source.deliveries:
            if other._run is run:
                other._is_superseded = True
        self._skip_lines = max(0, counted - self.push.offset)
        self._hole = max(0, self.push.offset - counted)
        if self._hole:
            run.offset, run.offset_bytes = self.push.offset, 0
        self._skip_bytes = run.offset_bytes

    async def declare_hole(self) -> None:
        """Declare what the client says it sent and the relay never saw; called once."""
        if self._hole:
            loss = Loss(Reason.SOURCE, self._hole, self._hole)
            await self._publish([Batch(self._source.name, self.push.channel, loss=loss)])
        self._note()

    async def feed(self, data: bytes) -> None:
        """Take more bytes, split anywhere, and publish the lines that are whole now."""
        self._require()
        data = self._new(data)
        if not data:
            return
        if self._ndjson is None:
            batches = self._take_lines(self._text.feed(data, time.monotonic()))
            self._count(data)
            await self._publish(batches)
            return
        for start in range(0, len(data), NDJSON_TURN_BYTES):
            piece = data[start : start + NDJSON_TURN_BYTES]
            batches = self._take_entries(self._ndjson.feed(piece, time.time_ns()))
            self._count(piece)
            await self._publish(batches)
            # Also where nothing was published: bad lines must not hold the loop.
            await asyncio.sleep(0)
            self._require()

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
        if self._run is not None and self._line_bytes and not self._skip_lines:
            self._run.offset = (self._run.offset or 0) + 1
            self._run.offset_bytes = 0
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
        self._source.deliveries.discard(self)
        if self._text.held_lines and not self._is_superseded and self._source.is_open:
            batches = self._take_lines(self._text.release())
            self._count(b"")
            self._source.leave(batches)

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
        if self._run is not None:
            held, self._held_lines = self._held_lines, self._text.held_lines
            self._run.offset = (self._run.offset or 0) + newlines + held - self._held_lines
            given = self._line_bytes - self._text.unfinished_bytes
            self._run.offset_bytes = given if self._ndjson is None else 0

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
            Batch(self._source.name, self.push.channel, runs=(RunStarted(run, time.time_ns()),))
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
        if batches:
            await self._source.publish(batches)
        self._note()

    def _note(self) -> None:
        assert self._source.hub is not None
        self.receipt.last_id = self._source.hub.last_id
        self.receipt.offset = None if self._run is None else self._run.offset
