"""
Everything that a run of faults needs: a relay, programs that log, and clients that read.

Faults act on it; time is measured in lines, since what matters is that they flow meanwhile.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from tests.faults.check import Failure, Judge
from tests.faults.clock import RelayClock
from tests.faults.disk import Disk
from tests.faults.process_stream import ProcessStream
from tests.faults.pulse import Pulse
from tests.faults.readers import NdjsonReader, PageReader, Reader, SseReader, WebSocketReader
from tests.faults.record import NEEDLE_EVERY, Record, Stream, numbers_in
from tests.faults.relayproc import RelayProcess
from tests.faults.steps import ENVIRONMENT as STEPS_ENVIRONMENT
from tests.faults.steps import FATAL_STEPS, STARTING, Steps
from tests.faults.writers import FileWriter, Pusher

__all__ = ["Scene", "StuckError"]

PATIENCE_SECONDS = 60.0
"""How long the relay has to give what has been written; it needs a part of it."""

LEAST_LINES_PER_SECOND = 5000
"""That a page at a time, on a machine that has much else to do, are read at least."""

LOOK_SECONDS = 0.005
ASK_SECONDS = 0.05

FILES = {"web": "web.log", "db": "db.log", "proxy": "proxy.log*", "job": "job.log*"}
"""The files' streams, and what the relay is told to follow: a path, or a glob that takes in
rotated files and copies too."""

PROCESS = "worker"
PUSHED = "build"

UNARCHIVED = "job"
"""With a state directory the only channel of which no more is kept than its ring covers."""

DISK_BYTES = 1 << 30

RING_LINES = 1000
"""Of each channel: few, so that a client that freezes soon misses lines."""


class StuckError(Exception):
    """What must happen did not."""


class Scene:
    """
    A relay with all around it, while the context lasts.

    Args:
        folder: empty, for everything that is written.
        rng: all chance.
        has_store: whether the relay has a state directory.
        has_disk: whether that is on a disk of its own, which can fail; takes root.
    """

    def __init__(
        self,
        folder: Path,
        rng: random.Random,
        *,
        has_store: bool = False,
        has_disk: bool = False,
    ) -> None:
        self.folder = folder
        self.rng = rng
        self.record = Record(*FILES, PROCESS, PUSHED)
        self.rotations = 0
        self.kind = "none"
        """Of the last fault."""
        self.failures: list[Failure] = []
        """All so far, from every reader."""
        self._journal = (folder / "faults.log").open("w", buffering=1)
        self._logs = folder / "logs"
        self._logs.mkdir()
        self._later: list[tuple[int, Callable[[], None]]] = []
        self._rotated: list[Path] = []
        streams = self.record.streams
        self.process = ProcessStream(streams[PROCESS], folder)
        self.steps = Steps(folder / "steps")
        self.kills: Counter[str] = Counter()
        """How often the relay was killed, by the step that it had come to."""
        self.clock = RelayClock(folder)
        self.has_clock = False
        """Whether the relay's clock can be stepped as it runs."""
        self.disk = Disk(folder, DISK_BYTES) if has_disk else None
        self.state = (folder if self.disk is None else self.disk.path) / "state"
        self.pulse = Pulse(folder, self._logs / "pulse.log")
        self._has_store = has_store
        self._reopened: dict[FileWriter, int] = {}
        """How many lines there were when each began to write to the file that it writes to."""
        self._gone: list[tuple[Stream, int]] = []
        self._fading = [UNARCHIVED] if has_store else list(self.record.streams)
        module = "tests.faults.launch" if has_store else "relay"
        self.relay = RelayProcess(folder, self._config(has_store=has_store), module)
        self.writers = [
            FileWriter(streams[name], self._logs / f"{name}.log", random.Random(rng.random()))
            for name in FILES
        ]
        self.readers: list[Reader] = []
        self._kills_at_step = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._stack = AsyncExitStack()

    def _config(self, *, has_store: bool) -> str:
        files = [
            f'[sources.{name}]\ntype = "file"\npath = "{self._logs / path}"\n'
            f'channel = "{name}"\nstart = "beginning"\n'
            for name, path in [*FILES.items(), ("pulse", "pulse.log")]
        ]
        state = ""
        if has_store:
            # What is kept for an hour must still be there when the clock is stepped by days.
            state = (
                f"archive = true\nkeep_days = {1 / 24}\n[channels.{UNARCHIVED}]\n"
                f'archive = false\n[state]\ndirectory = "{self.state}"\nmin_free = "0B"\n'
            )
        return (
            f"[channel]\nlines = {RING_LINES}\n{state}{''.join(files)}{self.process.config()}"
            f'[sources.{PUSHED}]\ntype = "push"\nchannels = ["{PUSHED}"]\n'
        )

    def environment(self) -> dict[str, str]:
        """Return what a relay needs whose steps are noted."""
        return {STEPS_ENVIRONMENT: str(self.steps.path)}

    async def start(self, *, has_clock: bool = False) -> None:
        """Start the relay, with a clock that can be stepped or with the host's."""
        self.has_clock = has_clock
        self.steps.passed = STARTING
        clock = self.clock.environment() if has_clock else {}
        await self.relay.start(self.environment() | clock)

    def tell(self, what: str) -> None:
        """Write a line to the journal of the run, with how far each stream is."""
        counts = " ".join([f"{name}:{count}" for name, count in self.record.counts().items()])
        self._journal.write(f"{datetime.now(UTC):%T.%f} {what}; {counts}\n")

    def note_kill(self) -> None:
        """Note that the relay was killed, and to which step it had come."""
        self.tell(f"killed after: {self.steps.passed}")
        self.kills[self.steps.passed] += 1

    def next_step(self) -> str:
        """Return the step at which the relay is to be killed next: each in its turn."""
        self._kills_at_step += 1
        return FATAL_STEPS[self._kills_at_step % len(FATAL_STEPS)]

    async def __aenter__(self) -> "Scene":
        async with AsyncExitStack() as stack:
            if self.disk is not None:
                stack.enter_context(self.disk)
            stack.callback(self._journal.close)
            stack.callback(self.process.kill)
            stack.push_async_callback(self.relay.kill)
            await self.start()
            self.pusher = Pusher(
                self.record.streams[PUSHED], self.relay.port, random.Random(self.rng.random())
            )
            self.readers = self._make_readers(self.relay.port)
            self.archivist = PageReader(
                self.judge("history, late", list(self.record.streams)),
                self.relay.port,
                list(self.record.streams),
            )
            stack.push_async_callback(self.pulse.stop)
            await self.pulse.start(self.relay.port)
            for run in [self.pusher.run, *[reader.run for reader in self.readers]]:
                self._tasks.append(asyncio.create_task(run()))
                stack.push_async_callback(_cancel, self._tasks[-1])
            for writer in self.writers:
                writer.start()
                stack.callback(writer.join)
                stack.callback(writer.stop)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stack.aclose()

    def _make_readers(self, port: int) -> list[Reader]:
        every = list(self.record.streams)

        def one(
            make: type[Reader], name: str, channels: Sequence[str], *, is_filtered: bool = False
        ) -> Reader:
            judge = self.judge(name, channels, is_filtered=is_filtered)
            return make(judge, port, channels, is_filtered=is_filtered)

        return [
            one(SseReader, "sse", every),
            one(WebSocketReader, "websocket", every),
            one(NdjsonReader, "ndjson", every),
            one(PageReader, "pages", every),
            one(SseReader, "sse of web", ["web"]),
            one(WebSocketReader, "websocket of proxy", ["proxy"]),
            one(NdjsonReader, "ndjson of db and build", ["db", PUSHED]),
            one(SseReader, "sse, filtered", every, is_filtered=True),
            one(WebSocketReader, "websocket, filtered", ["job", PROCESS], is_filtered=True),
            one(NdjsonReader, "ndjson, filtered", every, is_filtered=True),
        ]

    def judge(
        self,
        name: str,
        channels: Sequence[str],
        *,
        is_filtered: bool = False,
        is_late: bool = False,
    ) -> Judge:
        """Return a judge for a reader of these channels."""
        return Judge(
            name,
            self.record,
            channels,
            is_filtered=is_filtered,
            fading=self._fading,
            is_late=is_late,
            restarts=self._has_store,
        )

    @property
    def every_reader(self) -> list[Reader]:
        """All, with the one that reads what is stored long after it was written."""
        return [*self.readers, self.archivist]

    # What faults do with it

    def pick_writer(self) -> FileWriter:
        """Return one of the files' writers."""
        return self.rng.choice(self.writers)

    def prompt_readers(self) -> list[Reader]:
        """Return the readers that are here and read, in random order: half of all at least."""
        prompt = [reader for reader in self.readers if reader.is_prompt]
        return self.rng.sample(prompt, len(prompt))

    def streaming_readers(self) -> list[Reader]:
        """Return those of them that are given lines as they come."""
        return [one for one in self.prompt_readers() if not isinstance(one, PageReader)]

    def pick_idle(self) -> Reader | None:
        """Return a reader that may be absent for a while; ``None``: half of them are."""
        prompt = self.prompt_readers()
        return prompt[0] if len(prompt) > len(self.readers) // 2 else None

    def rotated_path(self, writer: FileWriter) -> Path:
        """Return a new name for a file that is rotated away."""
        self.rotations += 1
        path = writer.path.with_name(f"{writer.path.name}-{self.rotations:05d}")
        self._rotated.append(path)
        return path

    async def reopen(self, writer: FileWriter) -> None:
        """Let a writer open its path anew, where another file is now."""
        await writer.reopen()
        self._reopened[writer] = writer.stream.count()

    def is_unseen(self, writer: FileWriter) -> bool:
        """Tell whether the relay may never have looked at the file that is written to."""
        return writer.stream.seen <= self._reopened.get(writer, -1)

    def forget_rotated(self) -> None:
        """Remove all files that were rotated away."""
        for writer in self.writers:
            for path in writer.path.parent.glob(f"{writer.path.name}?*"):
                path.unlink(missing_ok=True)

    def later(self, lines: int, action: Callable[[], None]) -> None:
        """Do something when so many more lines have been written."""
        self._later.append((self.record.total + lines, action))

    async def flow(self, lines: int) -> None:
        """Wait until so many more lines have been written."""
        total = self.record.total + lines
        await self.wait(lambda: self.record.total >= total, "the writers write nothing")

    async def wait(
        self, until: Callable[[], object], otherwise: str, seconds: float = PATIENCE_SECONDS
    ) -> None:
        """
        Wait until something is true, and do meanwhile what is due.

        Raises:
            StuckError: it does not become true.
        """
        deadline = time.monotonic() + seconds
        while True:
            self._do_later(self.record.total)
            if until():
                return
            self._check(deadline, otherwise)
            await asyncio.sleep(LOOK_SECONDS)

    async def wait_for(
        self,
        readers: Sequence[Reader],
        counts: Mapping[str, int],
        otherwise: str,
        anew: int = 0,
    ) -> None:
        """
        Wait until readers that are here were given what comes before these numbers.

        Args:
            readers: any.
            counts: numbers by stream.
            otherwise: what is wrong if they are not.
            anew: so many lines are given once more first.

        Raises:
            StuckError: they were not.
        """

        def behind() -> list[Reader]:
            return [one for one in readers if one.is_prompt and not one.judge.is_past(counts)]

        try:
            seconds = PATIENCE_SECONDS + anew / LEAST_LINES_PER_SECOND
            await self.wait(lambda: not behind(), "", seconds)
        except StuckError:
            stuck = "; ".join([f"{one.name}: {one.judge.behind(counts)}" for one in behind()])
            raise StuckError(f"{otherwise}: {stuck}") from None

    async def catch_up(self) -> None:
        """Wait until some client was given what has been written so far."""
        counts = self.record.counts()
        streams = self.record.streams
        await self.wait(
            lambda: all(streams[name].seen >= count for name, count in counts.items()),
            "nobody is given what was written",
        )

    async def ask(self, until: Callable[[], Awaitable[object]], otherwise: str) -> None:
        """
        Wait until something that is asked for is true.

        Raises:
            StuckError: it does not become true.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not await until():
            self._check(deadline, otherwise)
            await asyncio.sleep(ASK_SECONDS)

    def _check(self, deadline: float, otherwise: str) -> None:
        for task in self._tasks:
            if task.done():
                task.result()
        if time.monotonic() > deadline:
            raise StuckError(otherwise)

    def _do_later(self, total: int) -> None:
        for due, action in self._later:
            if due <= total:
                action()
        self._later = [one for one in self._later if one[0] > total]

    async def settle(self) -> None:
        """Wait until every reader was given what has been written so far, and judge the gaps."""
        self._do_later(1 << 62)
        rotated, self._rotated = self._rotated, []
        counts = self.record.counts()
        readers = self.readers
        try:
            await self.wait(lambda: all(one.judge.is_past(counts) for one in readers), "")
            await self._read_stored(counts)
        except StuckError:
            for reader in self.every_reader:
                reader.judge.fail_behind(counts)
        for reader in self.every_reader:
            reader.judge.settle()
        self.collect()
        # All that was in them has been read.
        for path in rotated:
            self._remove_rotated(path)

    def _remove_rotated(self, path: Path) -> None:
        with suppress(FileNotFoundError):
            numbers = numbers_in(path.read_bytes())
            path.unlink()
            if numbers:
                stream = self.record.streams[path.name.partition(".")[0]]
                self.note_gone(stream, numbers[-1] + 1)

    def note_gone(self, stream: Stream, number: int) -> None:
        """Note that a file was deleted behind which the line of this number comes."""
        self._gone.append((stream, number))

    def allow_gone(self) -> None:
        """Note that the relay goes down: what it has open and was deleted is gone too."""
        for stream, number in self._gone:
            stream.allow("source", min(stream.seen, number), number)
        self._gone = [(stream, number) for stream, number in self._gone if number >= stream.seen]

    async def _read_stored(self, counts: Mapping[str, int]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.archivist.judge.is_past(counts):
            try:
                await self.archivist.read_page()
            except OSError as error:
                raise StuckError(f"history does not come: {error!r}") from error
            self._check(deadline, "history does not come")

    def collect(self) -> None:
        """Take over what the judges have found."""
        for reader in self.every_reader:
            self.failures += reader.judge.failures
            for refusal in reader.refusals:
                self.fail("refused", refusal, reader.name)
            reader.judge.failures, reader.refusals = [], []

    def fail(self, what: str, detail: str, reader: str = "") -> None:
        """Note a failure that is of no stream."""
        self.failures.append(Failure(what, reader, "", 0, 0, self.kind, detail))

    async def finish(self) -> None:
        """Let the writers end, judge the end, and read all of history once more."""
        # A gap at the very end is told with what comes after it, also to who asks for few lines.
        count = self.process.stream.count() + NEEDLE_EVERY
        await self.wait(lambda: self.process.stream.count() > count, "the program is not started")
        for writer in self.writers:
            writer.stop()
        self.process.stop()
        self.pusher.is_stopped = True
        for writer in self.writers:
            await asyncio.to_thread(writer.join)
        await self.process.is_silent()
        await self.settle()
        if self.failures:
            return
        history = PageReader(
            self.judge("history", list(self.record.streams), is_late=True),
            self.relay.port,
            list(self.record.streams),
        )
        self.readers.append(history)
        while await history.read_page():
            pass
        for reader in self.every_reader:
            reader.judge.finish(self.record.counts())
        self.collect()


async def _cancel(task: "asyncio.Task[None]") -> None:
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
