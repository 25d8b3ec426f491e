"""
Processes: the output of a command that the relay runs, with a run for each start.

A run ends when its leader has ended and all that its process group said is read; who of the
group is still there then is ended too.
"""

import asyncio
import logging
import os
import random
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from relay.config.values import Duration
from relay.entry import Batch, Loss, Position, Reason, RunEnded, RunStarted, Stream
from relay.errors import SourceError
from relay.sources.base import ReaderStatus, SourceState, SourceStatus
from relay.sources.command import Command, Group
from relay.sources.life import Life
from relay.sources.pipe import PipeReader
from relay.sources.piped import NOTHING_LEFT, PipedOptions, PipedSource, in_pipe
from relay.sources.terminal import TERM, open_terminal

__all__ = ["Backoff", "ProcessOptions", "ProcessSource"]

log = logging.getLogger(__name__)

READER = "command"

TAIL_BYTES = 8 << 20
"""How much of what a command says while it is being stopped is kept: its last words."""


def _command(value: Any) -> Any:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        words = []
    if not words or not words[0].strip():
        raise ValueError('a list of words such as ["ping", "localhost"], or a line for the shell')
    return value


class ProcessOptions(PipedOptions):
    """Keys of ``type = "process"``."""

    type: Literal["process"]
    command: Annotated[list[str] | str, BeforeValidator(_command)] = Field(
        description="A list of words, run as it is; or a line for the shell (/bin/sh -c)."
    )
    cwd: str | None = Field(None, description="Where it starts. Default: where the relay did.")
    env: dict[str, str] = Field({}, description="Added to the relay's own environment.")
    user: str | None = Field(
        None, description="As whom it runs, with the user's groups; needs a relay run as root."
    )
    pty: bool = Field(
        False,
        description="Whether it sees a terminal, for programs that else buffer or do not colour; "
        "stdout and stderr are then one stream.",
    )
    restart: Literal["never", "on-failure", "always"] = Field(
        "on-failure", description="Whether to start it again once it has ended."
    )
    stop_timeout: Duration = Field(
        10.0, description="How long after TERM its process group is killed."
    )


class Backoff:
    """
    How long to wait before the next start: from 0.1 s, doubled each time, to 30 s.

    Args:
        chance: gives numbers from 0 to 1; a wait is shortened by up to a quarter, so that
            commands that fail together do not start together.
    """

    FIRST_SECONDS = 0.1
    MOST_SECONDS = 30.0
    LIVED_SECONDS = 10.0
    """Who lived so long has not failed at its start: the wait is the first again."""

    def __init__(self, chance: Callable[[], float] = random.random) -> None:
        self._chance = chance
        self._next = self.FIRST_SECONDS

    def wait(self, lived_seconds: float) -> float:
        """Return how many seconds to wait after a life of ``lived_seconds``."""
        if lived_seconds >= self.LIVED_SECONDS:
            self._next = self.FIRST_SECONDS
        seconds = self._next * (1 - self._chance() / 4)
        self._next = min(2 * self._next, self.MOST_SECONDS)
        return seconds


class ProcessSource(PipedSource):
    """Runs a command, and again where it is to be restarted."""

    Options = ProcessOptions
    reader = READER
    options: ProcessOptions

    def __init__(self, name: str, options: ProcessOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self._life: Life | None = None

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """
        Start the command and read what it says, until it is not to be restarted.

        Raises:
            SourceError: it cannot be started.
        """
        if last := [*self.left(positions), *await self.stop()]:
            yield last
        backoff = Backoff()
        while True:
            # Committed before it starts: it may speak before its run is.
            self._last = [self.batch(position=NOTHING_LEFT)]
            yield [self.batch(position=in_pipe(None))]
            life = self._start()
            try:
                started = RunStarted(life.run, life.started_ns, pid=life.group.pid)
                yield [self.batch(started, position=in_pipe(life.run))]
                while life.going:
                    if outputs := await life.turn():
                        yield self.batches_of(outputs)
                for outputs in life.drain():
                    if outputs:
                        yield self.batches_of(outputs)
                self._life = None
                life.close()
                ended = life.ended()
                yield [self._end(ended)]
            finally:
                await self.finish()
            if not self._goes_on(ended):
                return
            await self._wait(ended, backoff.wait(life.seconds))

    async def finish(self) -> None:
        """End the process group: TERM, and KILL after the stop timeout; read its last words."""
        life, self._life = self._life, None
        if life is None:
            return
        tail = _Tail(self.batch())
        try:
            life.stop()
            while life.going:
                tail.add(self.batches_of(await life.turn()))
            for outputs in life.drain():
                tail.add(self.batches_of(outputs))
        finally:
            life.close()
        ended = life.ended()
        self._show(ended, "stopped")
        self._last = [*tail.batches(), self._end(ended)]

    def _end(self, ended: RunEnded) -> Batch:
        return self.batch(ended, position=NOTHING_LEFT)

    def _start(self) -> Life:
        started_ns = time.time_ns()
        run = self.new_run(started_ns)
        try:
            reader, group = self._open(run)
        except OSError as error:
            raise SourceError(f"cannot read a command: {str(error.strerror).lower()}") from error
        self._last = []
        self._life = Life(run, started_ns, group, reader, self.options.stop_timeout)
        self.status.enter(SourceState.RUNNING)
        self.status.readers[READER] = ReaderStatus("running", f"pid {group.pid}", run=run)
        return self._life

    def _open(self, run: str) -> tuple[PipeReader, Group]:
        reader, writers = PipeReader(), []
        try:
            streams = (Stream.STDOUT,) if self.options.pty else (Stream.STDOUT, Stream.STDERR)
            for stream in streams:
                descriptor, writer = open_terminal() if self.options.pty else os.pipe()
                writers.append(writer)
                reader.add(self.pipe(descriptor, stream, run))
            group = self._command().start(writers[0], writers[-1])
            reader.watch(group.descriptor)
        except (OSError, SourceError):
            reader.close()
            raise
        finally:
            for writer in writers:
                os.close(writer)
        return reader, group

    def _command(self) -> Command:
        options = self.options
        line = options.command
        words = ["/bin/sh", "-c", line] if isinstance(line, str) else line
        env = {"TERM": TERM, **options.env} if options.pty else options.env
        return Command(words, options.cwd, env, options.user)

    def _goes_on(self, ended: RunEnded) -> bool:
        failed = ended.status != "succeeded"
        if failed:
            sentence = f"the command ended: {_manner(ended)}"
            log.warning("source %s: %s", self.name, sentence)
            self.status.fail(sentence)
        self._show(ended, "ended")
        return self.options.restart == "always" or (self.options.restart != "never" and failed)

    async def _wait(self, ended: RunEnded, seconds: float) -> None:
        self.status.enter(SourceState.WAITING)
        self._show(ended, "waiting", f"; starts again in {seconds:.1f} s")
        await asyncio.sleep(seconds)
        self.status.restarts += 1

    def _show(self, ended: RunEnded, word: str, more: str = "") -> None:
        self.status.readers[READER] = ReaderStatus(word, _manner(ended) + more, run=ended.run)


def _manner(ended: RunEnded) -> str:
    if ended.signal is not None:
        return ended.signal
    return "nobody knows how" if ended.exit_code is None else f"exit code {ended.exit_code}"


class _Tail:
    """
    The last words of a command that is being stopped, TAIL_BYTES at most.

    Args:
        empty: a batch without lines, to say how many were dropped.
    """

    def __init__(self, empty: Batch) -> None:
        self._empty = empty
        self._kept: deque[Batch] = deque()
        self._bytes = 0
        self._lost = 0

    def add(self, batches: Iterable[Batch]) -> None:
        """Add batches; drop the oldest while there is too much, and count their lines."""
        for batch in batches:
            self._kept.append(batch)
            self._bytes += len(batch.lines.text)
        while self._bytes > TAIL_BYTES:
            dropped = self._kept.popleft()
            self._bytes -= len(dropped.lines.text)
            self._lost += dropped.lines.count

    def batches(self) -> list[Batch]:
        """Return what was kept, after the loss if there is one."""
        if not self._lost:
            return list(self._kept)
        loss = Loss(Reason.SOURCE, self._lost, self._lost)
        return [replace(self._empty, loss=loss), *self._kept]
