"""
A program whose steps fall between the system calls of a file source, for tests.

The program writes numbered lines and rotates its log; between any two calls by which the source
looks at files it may get some steps further, as it would if the source were slow. A seed says
when. Nothing waits: the clock is put forward instead, so that a second's grace takes no time, and
a seed gives the same run again.
"""

import asyncio
import os
import random
import selectors
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import inotify_simple
import pytest

from relay.sources.base import SourceStatus
from relay.sources.file import FileOptions, FileSource

__all__ = ["Writer", "follow"]

LOOKS = ("stat", "open", "pread", "fstat", "scandir", "lseek")
"""The calls of the module ``os`` by which a source looks at files."""

ROTATIONS = 12
SETTLE_SECONDS = 15.0
"""For so long, by the clock that is put forward, nothing is written at the end."""

MOST_ROUNDS = 2_000
"""The loop goes round a hundred times, seldom two hundred."""


class Writer:
    """
    Write lines and rotate, a step at a time.

    Args:
        path: of its log.
        chance: decides what it does.
        ways: how the log is rotated: ``rename`` (to the next number), ``chain`` (all are moved
            on by one), ``delete``, ``copytruncate``.
    """

    def __init__(self, path: Path, chance: random.Random, ways: Sequence[str]) -> None:
        self.lines = 0
        """How many it has written."""
        self.done = False
        self._path = path
        self._chance = chance
        self._ways = ways
        self._log = path.open("ab", buffering=0)
        self._steps = self._take_steps()
        self._is_stepping = False

    def step(self, most: int) -> None:
        """Take so many steps, unless it is in one."""
        if not self._is_stepping and not self.done:
            self._is_stepping = True
            for _ in range(most):
                if next(self._steps, None) is None:
                    self.done = True
                    self._log.close()
                    break
            self._is_stepping = False

    def _take_steps(self) -> Iterator[bool]:
        for number in range(1, ROTATIONS + 1):
            for _ in range(self._chance.randrange(self._chance.choice([1, 3, 8]))):
                yield self._write()
            way = self._chance.choice(self._ways)
            yield from getattr(self, f"_{way}")(number)
            if way != "copytruncate":
                self._log = self._path.open("ab", buffering=0)
                yield True
        yield self._write()

    def _write(self) -> bool:
        self._log.write(b"%d\n" % self.lines)
        self.lines += 1
        return True

    def _named(self, number: int) -> Path:
        return Path(f"{self._path}.{number}")

    def _rename(self, number: int) -> Iterator[bool]:
        self._log.close()
        self._path.rename(self._named(number))
        yield True

    def _chain(self, number: int) -> Iterator[bool]:
        self._log.close()
        for moved in range(number - 1, 0, -1):
            self._named(moved).rename(self._named(moved + 1))
            yield True
        self._path.rename(self._named(1))
        yield True

    def _delete(self, _: int) -> Iterator[bool]:
        self._log.close()
        self._path.unlink()
        yield True

    def _copytruncate(self, number: int) -> Iterator[bool]:
        shutil.copyfile(self._path, self._named(number))
        yield True
        os.truncate(self._path, 0)
        yield True


def follow(
    monkeypatch: pytest.MonkeyPatch, directory: Path, ways: Sequence[str], glob: str, seed: int
) -> tuple[list[int | None], int]:
    """
    Let a source follow ``a.log`` in a directory while a program rotates it.

    Args:
        monkeypatch: lets the program, and the clock, go on at the source's calls.
        directory: empty.
        ways: how the log is rotated.
        glob: what the source follows.
        seed: of what the program does, and when.

    Returns:
        The numbers as they came, with ``None`` for each loss; and how many were written.
    """
    chance = random.Random(f"{seed} {ways} {glob}")
    writer = Writer(directory / "a.log", random.Random(f"{seed} {ways}"), ways)
    with monkeypatch.context() as patched:
        loop = asyncio.SelectorEventLoop(_Forward(patched))
        loop.set_default_executor(_AtOnce())
        run = _Run(directory / glob, writer, chance)
        run.begin_to_step_at(patched)
        try:
            loop.run_until_complete(run.follow())
        finally:
            loop.close()
    return run.given, writer.lines


class _Run:
    """One source, and the writer that steps between its calls."""

    def __init__(self, path: Path, writer: Writer, chance: random.Random) -> None:
        self.given: list[int | None] = []
        options = {"type": "file", "path": str(path), "start": "beginning", "watch": "inotify"}
        self._source = FileSource(
            "app", FileOptions.model_validate(options), SourceStatus("app", "file")
        )
        self._writer = writer
        self._chance = chance
        self._likely = chance.choice([0.01, 0.02, 0.1, 0.3])
        self._has_begun = False

    def begin_to_step_at(self, patched: pytest.MonkeyPatch) -> None:
        """Let the writer take steps at the calls by which the source looks at files."""
        for name in LOOKS:
            patched.setattr(os, name, self._stepping(getattr(os, name)))
        inotify = inotify_simple.INotify
        patched.setattr(inotify, "read", self._stepping(inotify.read))

    def _stepping(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def step_and_call(*args: Any, **options: Any) -> Any:
            if self._has_begun and self._chance.random() < self._likely:
                self._writer.step(self._chance.choice([1, 1, 2, 3, 5, 8, 15, 30]))
            return call(*args, **options)

        return step_and_call

    async def follow(self) -> None:
        task = asyncio.create_task(self._collect())
        while not self._writer.done and not task.done():
            await asyncio.sleep(self._chance.choice([0.0, 0.0, 0.001]))
            if self._has_begun:
                self._writer.step(self._chance.choice([0, 1, 4, 20]))
        await asyncio.wait([task], timeout=SETTLE_SECONDS)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    async def _collect(self) -> None:
        async for batches in self._source.batches({}):
            self._has_begun = True
            for batch in batches:
                self.given += map(int, batch.lines.strings())
                self.given += [None] if batch.loss else []


class _Forward(selectors.SelectSelector):
    """Put the clock forward instead of waiting, and a little whenever it is read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        super().__init__()
        self._rounds = 0
        self._now = time.monotonic()
        since = time.time() - self._now
        monkeypatch.setattr(time, "monotonic", self._read)
        monkeypatch.setattr(time, "time", lambda: since + self._read())

    def _read(self) -> float:
        self._now += 1e-6
        return self._now

    def select(self, timeout: float | None = None) -> Any:
        self._rounds += 1
        assert self._rounds < MOST_ROUNDS, "the source never comes to rest"
        ready = super().select(0)
        if not ready and timeout:
            self._now += timeout
        return ready


class _AtOnce(ThreadPoolExecutor):
    """Let no thread decide what comes first."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(call(*args, **options))
        return done
