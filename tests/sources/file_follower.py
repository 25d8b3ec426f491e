"""A file source that is driven without a hub, for tests."""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from relay.entry import Batch, Position
from relay.sources.base import SourceStatus
from relay.sources.file import FileOptions, FileSource

TIMEOUT_SECONDS = 15.0
"""How long anything is awaited before the test fails."""


class Follower:
    """
    Collect what a file source yields, in a task of its own.

    Args:
        path: a path or glob, or several.
        positions: what an earlier follower left.
        pause_seconds: how long the publishing of each turn takes.
        options: further keys of the source.
    """

    def __init__(
        self,
        path: Path | str | list[str],
        positions: Mapping[str, Position] | None = None,
        pause_seconds: float = 0.0,
        **options: Any,
    ) -> None:
        paths = path if isinstance(path, list) else [str(path)]
        self.status = SourceStatus("app", "file")
        values = {"start": "beginning", **options, "type": "file", "path": paths}
        self.source = FileSource("app", FileOptions.model_validate(values), self.status)
        self.batches: list[Batch] = []
        self.positions = dict(positions or {})
        """Of files; with those of globs that it was given."""
        self.globs: dict[str, Position] = {}
        """Those of globs, which are no file's batches."""
        self.before_globs = 0
        """How many positions there were before these."""
        self._pause_seconds = pause_seconds
        self._changed = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._collect())
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._task.cancel()
        await asyncio.wait([self._task])
        if not self._task.cancelled():
            self._task.result()

    async def _collect(self) -> None:
        generator = self.source.batches(dict(self.positions))
        try:
            async for batches in generator:
                for batch in batches:
                    self._check(batch)
                self.batches.extend(batch for batch in batches if batch.channel)
                self._changed.set()
                await asyncio.sleep(self._pause_seconds)
        finally:
            await generator.aclose()

    def _check(self, batch: Batch) -> None:
        """Hold the contract: a first position before the first line; a last one forgets."""
        if batch.lines:
            assert batch.reader in self.positions
        if batch.position is not None and not batch.channel:
            self.globs[batch.reader] = batch.position
            self.before_globs = len(self.positions)
        elif batch.position is not None and batch.position.value:
            self.positions[batch.reader] = batch.position
        elif batch.position is not None:
            self.positions.pop(batch.reader, None)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; it is asked after each turn and every 20 ms."""
        async with asyncio.timeout(TIMEOUT_SECONDS):
            while not condition():
                if self._task.done():
                    self._task.result()
                self._changed.clear()
                waiting = asyncio.create_task(self._changed.wait())
                await asyncio.wait([waiting, self._task], timeout=0.02)
                waiting.cancel()

    async def until_lines(self, *lines: str) -> None:
        """Wait until these lines, and no others, have come; told apart by the assertion."""
        try:
            await self.until(lambda: len(self.lines) >= len(lines))
        except TimeoutError:
            assert self.lines == list(lines)
        assert self.lines == list(lines)

    async def until_watching(self) -> None:
        """Wait until the first look is over."""
        await self.until(lambda: self.status.state != "starting" and self.positions)

    @property
    def lines(self) -> list[str]:
        """All lines so far."""
        return [line for batch in self.batches for line in batch.lines.strings()]

    @property
    def losses(self) -> int:
        """How many losses were declared."""
        return sum(batch.loss is not None for batch in self.batches)

    @property
    def rows(self) -> dict[str, tuple[str, str | None]]:
        """State and detail of each path, by its name."""
        rows = self.status.readers.items()
        return {Path(path).name: (row.state, row.detail) for path, row in rows}


def append(path: Path, text: str) -> None:
    """Write to a file as a program would."""
    with path.open("a", newline="") as file:
        file.write(text)
