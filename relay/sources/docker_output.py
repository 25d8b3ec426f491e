"""
What a container's reader hands over: batches with their origins, times and positions.
"""

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from relay.entry import Batch, Level, Loss, Origin, Position, Reason, RunEnded, RunStarted, Stream
from relay.lines import Lines
from relay.sources.base import SourceOptions, SourceStatus
from relay.sources.docker_entries import Entries
from relay.sources.docker_facts import Container
from relay.sources.docker_position import ContainerPosition, packed

__all__ = ["Outlet", "Output"]

STREAMS = (Stream.STDOUT, Stream.STDERR)


class Outlet(Protocol):
    """The source, as its readers know it."""

    name: str
    status: SourceStatus

    @property
    def common(self) -> SourceOptions:
        """Its options."""

    @property
    def tells_events(self) -> bool:
        """Whether changes of state are entries."""

    def channel_of(self, container: Container) -> str:
        """Return the channel of a container's lines."""

    def origin(
        self, stream: Stream = ..., instance: str | None = ..., run: str | None = ...
    ) -> Origin:
        """Return the origin of lines."""

    def hand_on(self, batches: Sequence[Batch]) -> "asyncio.Future[None]":
        """Publish; what is returned is done when that is, and is not to be cancelled."""


class Output:
    """
    Makes the batches of one container.

    Args:
        outlet: the source.
        reader: the container's id.
    """

    def __init__(self, outlet: Outlet, reader: str) -> None:
        self._outlet = outlet
        self._reader = reader
        self.instance = ""
        self.channel = ""
        self.run: str | None = None
        """Of what comes next."""
        self._batches: list[Batch] = []
        self._key_times: list[int] = []
        self._keys: list[int] = []

    def name(self, container: Container) -> None:
        """Take the names that the container has now for what comes next."""
        self.instance = container.name
        self.channel = self._outlet.channel_of(container)

    def add_entries(self, entries: Entries) -> None:
        """Add lines."""
        if not entries.lines.count:
            return
        streams = set(entries.streams)
        origins = tuple(self._origin(stream) for stream in STREAMS)
        self._outlet.status.invalid_bytes += entries.invalid_bytes
        self._batches.append(
            Batch(
                self._outlet.name,
                self.channel,
                entries.lines,
                origins if len(streams) > 1 else (origins[streams.pop()],),
                origin_index=None if len(set(entries.streams)) == 1 else entries.streams,
                timestamps=array("q", entries.times),
                parts=entries.parts,
                detect_levels=self._outlet.common.detect_level,
                reader=self._reader,
            )
        )
        self._key_times += entries.key_times
        self._keys += entries.keys

    def add_keys(self, keys: Sequence[tuple[int, int]]) -> None:
        """Add times and hashes of records that are not wanted."""
        self._key_times += [time for time, _ in keys]
        self._keys += [key for _, key in keys]

    def _origin(self, stream: Stream) -> Origin:
        return self._outlet.origin(stream, self.instance, self.run)

    def add_changes(self, *runs: RunStarted | RunEnded | None) -> None:
        """Add what became of runs, after the lines so far."""
        changes = tuple(change for change in runs if change is not None)
        if changes:
            self._batches.append(self._empty(runs=changes))

    def add_loss(self) -> None:
        """Add that lines are gone, of which nobody can say how many."""
        self._batches.append(self._empty(loss=Loss(Reason.SOURCE)))

    def add_word(self, text: str, time_ns: int, level: Level = Level.INFO) -> None:
        """Add an entry of the engine's own word."""
        origin = Origin(self._outlet.name, self.instance, self.run, Stream.SYSTEM, level)
        self._batches.append(
            Batch(
                self._outlet.name,
                self.channel,
                Lines.of([text.encode()]),
                (origin,),
                timestamps=array("q", [time_ns]),
                detect_levels=False,
                reader=self._reader,
            )
        )

    def _empty(
        self, *, runs: tuple[RunStarted | RunEnded, ...] = (), loss: Loss | None = None
    ) -> Batch:
        return Batch(self._outlet.name, self.channel, reader=self._reader, runs=runs, loss=loss)

    def words(self) -> list[Batch]:
        """Return what was added, without a position."""
        batches, self._batches = self._batches, []
        return batches

    @property
    def has_any(self) -> bool:
        """Whether there is something to hand over."""
        return bool(self._batches)

    def taken(self, position: ContainerPosition | None) -> list[Batch]:
        """
        Return what was added, with the position that covers it.

        Args:
            position: ``None``: the reader has ended.
        """
        batches, self._batches = self._batches, []
        keys = packed(self._key_times, self._keys)
        self._key_times, self._keys = [], []
        value = "" if position is None else position.dump()
        keys_from = 0 if position is None else position.lo
        stands = Position(value, b"" if position is None else keys, keys_from)
        last = Batch(self._outlet.name, self.channel, reader=self._reader, position=stands)
        if batches:
            last = replace(batches.pop(), position=stands)
        return [*batches, last]
