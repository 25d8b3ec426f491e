"""
What sources that read pipes have in common: one channel, and a run for each life.

While a pipe may hold something its reader has a position, which names the run. An earlier life
of the relay that left one was killed: what was in the pipe is gone, and nobody can count it.
"""

import json
import time
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import ClassVar

from pydantic import Field

from relay.entry import Batch, Loss, Position, Reason, RunEnded, RunStarted, Stream
from relay.names import channel_name
from relay.sources.base import Source, SourceOptions, SourceStatus
from relay.sources.pipe import Output, Pipe

__all__ = ["NOTHING_LEFT", "PipedOptions", "PipedSource", "in_pipe"]

NOTHING_LEFT = Position("")
"""All that was in the pipe is published."""

RUN_TIME = "%Y%m%dT%H%M%S.%f"
RUN_NAME_CHARACTERS = 100


class PipedOptions(SourceOptions):
    """Keys of sources that read pipes."""

    channel: str | None = Field(
        None, description="Channel; {source} in it is the source's name, which is the default."
    )


class PipedSource(Source):
    """What sources that read pipes have in common: one channel, and a run for each life."""

    can_wait = True
    reader: ClassVar[str]
    """Name of its reader."""
    options: PipedOptions

    def __init__(self, name: str, options: PipedOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self._last: list[Batch] = []
        self._left_run: str | None = None
        """The run that an earlier life of the relay left."""
        self._is_new = True

    def left(self, positions: Mapping[str, Position]) -> list[Batch]:
        """
        Return the end of the run that an earlier life of the relay left, after what it lost.

        Args:
            positions: as they were handed back; looked at once only, since later ones are ours.
        """
        kept = positions.get(self.reader) if self._is_new else None
        self._is_new = False
        if kept is None or not kept.value:
            return []
        self._left_run = _run_of(kept)
        lost = Batch(self.name, self.channel, loss=Loss(Reason.SOURCE))
        if self._left_run is None:
            return [lost, self.batch(position=NOTHING_LEFT)]
        ended = RunEnded(self._left_run, time.time_ns(), "ended")
        return [lost, self.batch(ended, position=NOTHING_LEFT)]

    async def stop(self) -> list[Batch]:
        """
        End what still runs; return the last batches, with the end of the run.

        A source that is started again after a fault gives them out first.
        """
        await self.finish()
        last, self._last = self._last, []
        return last

    @abstractmethod
    async def finish(self) -> None:
        """End what still runs, and keep the last batches for :meth:`stop`."""

    @property
    def feeds(self) -> frozenset[str]:
        """Its channel."""
        return frozenset([self.channel])

    @property
    def channel(self) -> str:
        """The channel of all lines."""
        return self.channel_for()

    def new_run(self, started_ns: int) -> str:
        """Return the id of a run that started then (nanoseconds since the epoch)."""
        started = datetime.fromtimestamp(started_ns // 1000 / 1e6, UTC)
        run = f"{channel_name(self.name)[:RUN_NAME_CHARACTERS]}.{started:{RUN_TIME}}"
        # The clock may have been set back to when the relay was killed.
        return self.new_run(started_ns + 1000) if run == self._left_run else run

    def pipe(self, descriptor: int, stream: Stream, run: str, *, keep: bool = False) -> Pipe:
        """Return a pipe whose lines are of this source."""
        origin = self.origin(stream, run=run)
        return Pipe(descriptor, origin, self.options.decoding.decoder(), keep=keep)

    def batch(self, *runs: RunStarted | RunEnded, position: Position | None = None) -> Batch:
        """Return a batch without lines that says what became of a run."""
        reader = "" if position is None else self.reader
        return Batch(self.name, self.channel, reader=reader, position=position, runs=runs)

    def batches_of(self, outputs: Iterable[Output]) -> list[Batch]:
        """Return what pipes gave, as batches, and count what was no text."""
        given = []
        for pipe, decoded in outputs:
            self.status.invalid_bytes += decoded.invalid_bytes
            given.append(
                Batch(
                    self.name,
                    self.channel,
                    decoded.lines,
                    (pipe.origin,),
                    parts=decoded.parts,
                    detect_levels=self.options.detect_level,
                )
            )
        return given


def in_pipe(run: str | None) -> Position:
    """Return the position of a reader while its pipe may hold lines of a run."""
    return Position(json.dumps({"run": run}))


def _run_of(position: Position) -> str | None:
    try:
        run = json.loads(position.value)["run"]
    except (ValueError, TypeError, KeyError):
        return None
    return run if isinstance(run, str) else None
