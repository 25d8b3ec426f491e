"""
Files, followed by name through rotation and truncation.

The parts: ``file_scan`` (which paths), ``file_set`` (which file each path leads to),
``file_descriptors`` (how many are open), ``file_left`` (paths that lead nowhere now),
``file_watch`` (what inotify tells), ``file_tenants``, ``file_births`` and ``file_names`` (what
that means), ``file_reader`` (one file), ``file_last_lines`` (where its last ones begin),
``file_reading`` (their turns), ``file_lives`` (truncation), ``file_copies`` (which holds what was
truncated), ``file_resume`` (positions), ``file_generations`` (what came and went while nobody
looked).
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import suppress
from glob import has_magic
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema

from relay.config.clashes import Claim
from relay.entry import Batch, Position
from relay.errors import SourceError
from relay.sources.base import Source, SourceOptions, SourceState, SourceStatus
from relay.sources.file_identity import A_GLOB, FilePosition
from relay.sources.file_last_lines import offset_of_last_lines
from relay.sources.file_names import Names
from relay.sources.file_reader import FileReader, ReaderSettings
from relay.sources.file_reading import Reading
from relay.sources.file_resume import note_globs, note_missing, resume
from relay.sources.file_scan import Patterns, Scan
from relay.sources.file_set import FileSet, Lane
from relay.sources.file_watch import Watch

__all__ = ["FileOptions", "FileSource"]

POLL_SECONDS = 0.1
SWEEP_SECONDS = 1.0
"""With inotify, files and directories are looked at so often all the same: not every file
system tells what others do to it."""

LEAST_SHARE = 30
"""Looking at files takes at most one part in so many of the time, however many there are."""

FILES_AT_ONCE = 64
"""How many files are looked at before the loop has its turn."""

CHANNEL = "{stem}"


def _paths(value: Any) -> Any:
    paths = [value] if isinstance(value, str) else value
    if not isinstance(paths, list) or not paths or not all(_is_text(path) for path in paths):
        raise ValueError('a path or glob such as "/var/log/app/*.log", or a list of them')
    return paths


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _start(value: Any) -> Any:
    if value in ("end", "beginning"):
        return value
    if type(value) is int and value >= 0:
        return value
    raise ValueError('"end", "beginning" or a number of lines')


class FileOptions(SourceOptions):
    """Files that programs write their log to."""

    channel_words = ("stem", "name", "dir", "source")

    type: Literal["file"]
    path: Annotated[
        list[str],
        BeforeValidator(_paths),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {
                        "type": "array",
                        "items": {"type": "string", "minLength": 1},
                        "minItems": 1,
                    },
                ]
            }
        ),
    ] = Field(description="Path or glob, or a list of them. `**` is any number of directories.")
    exclude: list[str] = Field(
        ["*.gz", "*.bz2", "*.xz", "*.zst", "*.zip"],
        description="Globs over a file's name or path: what `path` shall not take in.",
    )
    start: Annotated[
        Literal["end", "beginning"] | int,
        BeforeValidator(_start),
        WithJsonSchema(
            {"anyOf": [{"enum": ["end", "beginning"]}, {"type": "integer", "minimum": 0}]}
        ),
    ] = Field(
        "end",
        description="Where to begin in files that are there when they are first seen: `end`, "
        "`beginning`, or the last so many lines. Files that appear later are read whole.",
    )
    watch: Literal["auto", "inotify", "poll"] = Field(
        "auto",
        description="How to notice changes. `poll` looks every 100 ms: for file systems that "
        "other hosts write to; a file that comes and goes in between is missed. `auto` is "
        "inotify where it can be had.",
    )
    channel: str | None = Field(
        CHANNEL,
        description="Channel, or a template for it: `{stem}` is the file's name without its "
        "last suffix, `{name}` with it, `{dir}` the name of its directory, `{source}` this "
        "source's.",
    )

    @property
    def claims(self) -> list[Claim]:
        """Its paths; globs may be another's too, where something else is excluded."""
        return [
            Claim(
                "path",
                f"{path!r} is read",
                tuple(sorted(self.exclude)) if has_magic(path) else (),
            )
            for path in map(os.path.abspath, self.path)
        ]


class FileSource(Source):
    """
    Follow files.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: its rows are paths: ``reading``, ``missing``, ``unreadable``.
    """

    Options = FileOptions
    can_wait = True
    reads_ahead = True
    options: FileOptions

    def __init__(self, name: str, options: FileOptions, status: SourceStatus) -> None:
        super().__init__(name, options, status)
        self._patterns = Patterns(options.path, options.exclude)
        self._files: FileSet | None = None

    @property
    def feeds(self) -> frozenset[str]:
        """The channels of the files that are there."""
        known = self._files.known.values() if self._files is not None else ()
        return frozenset([reader.channel for reader in known if reader.places])

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """
        Read, by the contract of :class:`~relay.sources.base.Source`.

        A position is that of one life of a file; the empty one means that its reader has ended
        and need not be handed back.

        Raises:
            SourceError: ``watch = "inotify"``, and there is none to be had.
        """
        decoding = self.options.decoding
        settings = ReaderSettings(
            self.name,
            self.status,
            decoding,
            self.options.detect_level,
            self.options.max_lines_per_second,
        )
        files = self._files = FileSet(settings, self._patterns, self._lane)
        tender = _Tender(files)
        reading = Reading(files)
        try:
            names = Names(files, reading.lives)
            self._start_watching(files, names)
            await self._open(files, positions)
            names.start()
            while True:
                await tender.tend()
                if batches := reading.turn():
                    yield batches
                if files.turns.is_idle:
                    await tender.wait()
                else:
                    await asyncio.sleep(0)
        finally:
            tender.close()
            files.close()

    def _lane(self, path: str) -> Lane:
        """Return channel and origin of the lines of the file at ``path``."""
        shown = os.fsencode(path).decode(errors="replace")
        directory, name = os.path.split(os.path.abspath(shown))
        channel = self.channel_for(
            stem=os.path.splitext(name)[0], name=name, dir=os.path.basename(directory)
        )
        return channel, self.origin(instance=shown)

    def _start_watching(self, files: FileSet, names: Names) -> None:
        if self.options.watch == "poll":
            return
        try:
            files.watch = Watch(names)
        except OSError as error:
            if self.options.watch == "inotify":
                raise SourceError(f"cannot use inotify: {error.strerror}") from error
            files.fall_back(error)

    async def _open(self, files: FileSet, positions: Mapping[str, Position]) -> None:
        """Find what is there at first sight, and where to begin in it."""
        parsed = {name: FilePosition.parse(kept.value) for name, kept in positions.items()}
        known = {name: position for name, position in parsed.items() if position is not None}
        kept = {name: position for name, position in known.items() if position.key != A_GLOB}
        globs = {position.path for position in known.values() if position.key == A_GLOB}
        scan = await asyncio.to_thread(self._patterns.scan)
        # From now on everything is told that happens while files are looked for.
        _follow(files, scan)
        resume(files, kept)
        await _look(files, scan)
        # Where files were read before, a file without a position has appeared since.
        seen = {os.path.dirname(position.path) for position in kept.values()}
        has_appeared = Patterns(sorted(globs)).matches
        for number, reader in enumerate(list(files.known.values())):
            if reader.announced:
                continue
            if os.path.dirname(reader.path) in seen or has_appeared(reader.path):
                files.note_appeared(reader)
            else:
                with suppress(OSError):
                    await self._begin(files, reader)
            if number % FILES_AT_ONCE == FILES_AT_ONCE - 1:
                await asyncio.sleep(0)
        note_missing(files)
        note_globs(files, globs)
        files.running = True
        if not files.known:
            self.status.enter(SourceState.WAITING)

    async def _begin(self, files: FileSet, reader: FileReader) -> None:
        start = self.options.start
        if reader.fd < 0 and not files.descriptors.reopen(reader):
            return
        if start == "end":
            reader.skip_to_end()
        elif start != "beginning":
            newline = reader.newline
            size = reader.size - reader.size % len(newline)
            offset = await asyncio.to_thread(offset_of_last_lines, reader.fd, size, start, newline)
            reader.begin_at(offset)


class _Tender:
    """Look after a set of files from time to time, and wait between the turns."""

    def __init__(self, files: FileSet) -> None:
        self._files = files
        self._scanning: asyncio.Future[Scan] | None = None
        self._next_sweep = 0.0
        self._next_scan = 0.0

    def close(self) -> None:
        if self._scanning is not None:
            self._scanning.cancel()

    async def tend(self) -> None:
        """Do what is due; cheap while nothing is."""
        now = time.monotonic()
        self._files.turns.mark_due(now)
        if self._files.is_behind:
            self._files.listen()
        if self._scanning is not None:
            if self._scanning.done():
                await self._take_in(self._scanning.result())
        elif now >= self._next_scan:
            loop = asyncio.get_running_loop()
            self._scanning = loop.run_in_executor(None, self._files.patterns.scan)
            self._scanning.add_done_callback(lambda _: self._files.turns.wake.set())
        if now >= self._next_sweep:
            await self._sweep(now)

    async def wait(self) -> None:
        """Wait until there is something to do."""
        turns = self._files.turns
        loop = asyncio.get_running_loop()
        due = min(turns.next_due, self._next_sweep)
        if self._scanning is None:
            due = min(due, self._next_scan)
        timer = loop.call_later(max(0.0, due - time.monotonic()), turns.wake.set)
        try:
            await turns.wake.wait()
        finally:
            timer.cancel()
        turns.wake.clear()
        if self._files.watch is not None:
            await self._files.watch.calm()

    async def _sweep(self, now: float) -> None:
        spent = 0.0
        self._files.listen()
        for start in range(0, len(places := list(self._files.places.values())), FILES_AT_ONCE):
            if start:
                await asyncio.sleep(0)
            before = time.monotonic()
            for place in places[start : start + FILES_AT_ONCE]:
                self._files.glance(place, before)
            spent += time.monotonic() - before
        self._next_sweep = now + self._interval(spent)

    def _interval(self, spent_seconds: float) -> float:
        """Return how long to wait after a look at everything that took ``spent_seconds``."""
        usual = POLL_SECONDS if self._files.watch is None else SWEEP_SECONDS
        return max(usual, LEAST_SHARE * spent_seconds)

    async def _take_in(self, scan: Scan) -> None:
        self._scanning = None
        self._next_scan = time.monotonic() + self._interval(scan.seconds)
        self._files.listen()
        if await _look(self._files, scan):
            # What appeared there before it was watched.
            self._next_scan = 0.0


async def _look(files: FileSet, scan: Scan) -> bool:
    """Watch new directories and look at new paths; return whether any directory is new."""
    is_new = _follow(files, scan)
    for number, path in enumerate(path for path in scan.files if path not in files.places):
        files.look(path)
        if number % FILES_AT_ONCE == FILES_AT_ONCE - 1:
            await asyncio.sleep(0)
    return is_new


def _follow(files: FileSet, scan: Scan) -> bool:
    """Watch the directories that were found, and no others; return whether any is new."""
    if files.watch is not None:
        try:
            return files.watch.follow_directories(scan.directories)
        except OSError as error:
            files.fall_back(error)
    return False
