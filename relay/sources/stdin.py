"""
Stdin: lines that are piped into the relay, or typed.

Stdin is read once, as one run, which is complete at its end; the relay serves on.
"""

import os
import time
from collections.abc import AsyncGenerator, Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from relay.config.clashes import Claim
from relay.entry import Batch, Position, RunEnded, RunStarted, Stream
from relay.errors import SourceError
from relay.names import is_run_id
from relay.sources.base import ReaderStatus, SourceState, SourceStatus
from relay.sources.pipe import PipeReader
from relay.sources.piped import NOTHING_LEFT, PipedOptions, PipedSource, in_pipe

__all__ = ["StdinOptions", "StdinSource"]

READER = "stdin"


def _run_id(value: str) -> str:
    if not is_run_id(value):
        raise ValueError(
            "1 to 128 ASCII letters, digits, '.', '_', ':', '-', "
            "the first a letter, a digit or '_'"
        )
    return value


class StdinOptions(PipedOptions):
    """Keys of ``type = "stdin"``."""

    type: Literal["stdin"]
    run: Annotated[str, AfterValidator(_run_id)] | None = Field(
        None, description="Id of its run. Default: the source's name and the time of the start."
    )

    @property
    def claims(self) -> list[Claim]:
        """Stdin, which gives its lines once."""
        return [Claim("", "stdin is read")]


class StdinSource(PipedSource):
    """
    Reads a descriptor that was there before us: a pipe, a socket, a terminal or a file.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: what it tells about itself.
        descriptor: what to read; is left open, and blocking if it was.
    """

    Options = StdinOptions
    reader = READER
    options: StdinOptions

    def __init__(
        self, name: str, options: StdinOptions, status: SourceStatus, descriptor: int = 0
    ) -> None:
        super().__init__(name, options, status)
        self._descriptor = descriptor
        self._reader: PipeReader | None = None
        self._run = ""

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """Read until it ends."""
        if last := [*self.left(positions), *await self.stop()]:
            yield last
        reader = self._open()
        try:
            started = RunStarted(self._run, time.time_ns())
            yield [self.batch(started, position=in_pipe(self._run))]
            while not reader.ended:
                if outputs := await reader.turn():
                    yield self.batches_of(outputs)
            yield [self._end("ended")]
        finally:
            await self.finish()

    async def finish(self) -> None:
        """Read what has been written so far, and end the run."""
        if self._reader is not None:
            outputs = [output for turn in self._reader.drain() for output in turn]
            self._last = [*self.batches_of(outputs), self._end("stopped")]

    def _open(self) -> PipeReader:
        try:
            os.fstat(self._descriptor)
        except OSError as error:
            raise SourceError("stdin is closed") from error
        self._run = self.options.run or self.new_run(time.time_ns())
        self._reader = PipeReader()
        self._reader.add(self.pipe(self._descriptor, Stream.STDOUT, self._run, keep=True))
        self.status.enter(SourceState.RUNNING)
        self.status.readers[READER] = ReaderStatus("reading", run=self._run)
        return self._reader

    def _end(self, word: str) -> Batch:
        if self._reader is not None:
            self._reader.close()
            self._reader = None
        self.status.readers[READER] = ReaderStatus(word, run=self._run)
        return self.batch(RunEnded(self._run, time.time_ns(), word), position=NOTHING_LEFT)
