"""What sources that read pipes have in common: one channel, and a run for each life."""

from abc import abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime

from pydantic import Field

from relay.entry import Batch, RunEnded, RunStarted, Stream
from relay.names import channel_name
from relay.sources.base import Source, SourceOptions, SourceStatus
from relay.sources.pipe import Output, Pipe

__all__ = ["PipedOptions", "PipedSource"]

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
    options: PipedOptions

    def __init__(self, name: str, options: PipedOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self._last: list[Batch] = []

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
        return f"{channel_name(self.name)[:RUN_NAME_CHARACTERS]}.{started:{RUN_TIME}}"

    def pipe(self, descriptor: int, stream: Stream, run: str, *, keep: bool = False) -> Pipe:
        """Return a pipe whose lines are of this source."""
        origin = self.origin(stream, run=run)
        return Pipe(descriptor, origin, self.options.decoding.decoder(), keep=keep)

    def batch(self, *runs: RunStarted | RunEnded) -> Batch:
        """Return a batch without lines that says what became of a run."""
        return Batch(self.name, self.channel, runs=runs)

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
