"""
The reader of one container: follow its log, go on after breaks, end its runs.

Rules of this file:

* An answer of the engine's that ends says nothing by itself. The container is looked at again:
  if it runs, its log is followed on; if not, it is read once more to its end, since the last
  lines may come after the end of the answer that was followed (measured). Only then its run ends.
* What was taken into the window is handed over whatever happens to the reader meanwhile: if it is
  cancelled, and run again, it waits for the publishing that was under way.
* A container may live for a few milliseconds, and be removed then: when it starts its log is
  opened before anything else is asked or said.
"""

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

from relay.entry import Batch, Level, Position
from relay.sources.docker_answer import Answers
from relay.sources.docker_engine import Engine, EngineError, GoneError, UnreadableError
from relay.sources.docker_facts import Container, Event
from relay.sources.docker_frames import FrameError
from relay.sources.docker_lives import Life, Lives
from relay.sources.docker_log import ContainerLog
from relay.sources.docker_output import Outlet, Output
from relay.sources.docker_position import LEAST_NS, NEVER_UNSURE, ContainerPosition, Window
from relay.sources.docker_row import Row
from relay.sources.process import Backoff

__all__ = ["Beginning", "ContainerReader"]

log = logging.getLogger(__name__)

SHORT_SECONDS = 1.0
"""An answer that was cut sooner is not asked for again at once."""

MAX_WORDS = 100
"""Of a container whose log cannot be read nothing is told."""

AT_END = ("die", "destroy")
"""Events that are told after the last line."""

DEATH_SECONDS = 2.0
"""How long the word of a container's end may take after that is seen."""


class Beginning:
    """
    Where to begin in the log of a container that was there before the relay.

    Args:
        tail: so many of its last lines; ``None``: all.
        since_ns: and no earlier ones; 0: whatever their time.
    """

    def __init__(self, tail: int | None = None, since_ns: int = 0) -> None:
        self.tail = tail
        self.since_ns = since_ns


class ContainerReader:
    """
    Reads one container; may be run again after it was cancelled.

    Args:
        outlet: the source.
        id_: the container's.
        kept: where an earlier life of the relay has left it.
        beginning: where to begin if none has.
    """

    def __init__(
        self, outlet: Outlet, id_: str, kept: Position | None, beginning: Beginning
    ) -> None:
        position = None if kept is None else ContainerPosition.parse(kept.value)
        keys = b"" if kept is None else kept.record_keys
        self.id = id_
        self.facts: Container | None = None
        self._outlet = outlet
        self._beginning = beginning
        self._has_begun = position is not None
        self._window = Window()
        if position is not None:
            self._window = Window(
                position.lo, position.hi, keys, position.open_lines, position.unsure_ns
            )
        self._lives = Lives(_life_of(position), is_over=position is not None and position.is_over)
        self._output = Output(outlet, id_)
        if position is not None:
            self._output.instance, self._output.channel = position.name, position.channel
            self._output.run = position.run
        self._answers = Answers(
            outlet.common,
            self._window,
            self._lives,
            self._output,
            self._give,
            self._turn_over,
        )
        self._row = Row(outlet.status)
        self._row.enter(self._output.run)
        is_complete = position is None or position.is_over
        self._log = ContainerLog(id_, self._window, self._answers, is_complete=is_complete)
        self._handed: asyncio.Future[None] | None = None
        """What is being published."""
        self._last_words: deque[tuple[str, int, Level]] = deque(maxlen=MAX_WORDS)
        self._first_words: deque[tuple[str, int, Level]] = deque(maxlen=MAX_WORDS)
        self._has_started = False
        """Whether a start was told of since the last look."""
        self._is_removed = False
        self._news = asyncio.Event()

    # What others tell it

    @property
    def channel(self) -> str:
        """Of its lines."""
        return self._output.channel

    @property
    def may_speak(self) -> bool:
        """Whether lines may come."""
        return self.facts is not None and self.facts.is_running

    def note(self, event: Event) -> None:
        """Take note of what happened to the container."""
        self._lives.note(event)
        self._has_started = self._has_started or event.action == "start"
        self._is_removed = self._is_removed or event.action == "destroy"
        self._news.set()

    def poke(self) -> None:
        """Let it look for itself."""
        self._news.set()

    def say(self, text: str, time_ns: int, level: Level, action: str) -> None:
        """
        Make an entry of what happened.

        Args:
            text: in words.
            time_ns: when.
            level: how bad it is.
            action: the engine's word for it: a start is told before its run's first line, an
                end after the last.
        """
        if action == "start":
            self._first_words.append((text, time_ns, level))
        elif action in AT_END or not self._output.channel:
            self._last_words.append((text, time_ns, level))
        else:
            aside = Output(self._outlet, "")
            aside.instance, aside.channel = self._output.instance, self._output.channel
            aside.run = self._output.run
            aside.add_word(text, time_ns, level)
            _ = self._outlet.hand_on(aside.words())

    def see(self, facts: Container) -> None:
        """Take note of how the container is now, and let the reader look for itself."""
        self._see(facts)
        self._news.set()

    def _see(self, facts: Container) -> None:
        if self.facts is None or self.facts.name != facts.name or not self._output.channel:
            self._output.name(facts)
        self.facts = self._log.facts = facts
        self._lives.see(facts)
        self._row.see(facts)

    # Reading

    async def run(self, engine: Engine) -> None:
        """Read until the container is gone; retry whatever else goes wrong."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await self._wait_for_publishing()
                self._doubt()
                await self._read_on(engine)
            except GoneError:
                await self._leave()
                return
            except UnreadableError as error:
                self._row.show("unreadable", f"{error}: {_advice(self.facts)}")
                self._news.clear()
                await self._news.wait()
            except (EngineError, FrameError) as error:
                self._doubt()
                if (lasted := time.monotonic() - began) > SHORT_SECONDS:
                    backoff = Backoff()
                wait = backoff.wait(lasted)
                self._row.show("waiting", f"{error}; tries again in {wait:.1f} s")
                log.info("container %s: %s", self._output.instance or self.id[:12], error)
                await asyncio.sleep(wait)

    def _doubt(self) -> None:
        """Take note that what a run has said may not all have been read: an answer was cut."""
        if self._lives.current is not None and not self._lives.is_over:
            self._log.is_complete = False

    async def _read_on(self, engine: Engine) -> None:
        facts = await self._look(engine)
        if not self._has_begun:
            self._say(self._last_words)
            await self._begin(engine)
        cut = Backoff()
        while True:
            began = time.monotonic()
            if self._is_live(facts):
                await self._read(engine, follow=True)
                facts = await self._look(engine)
                if self._is_live(facts):
                    # Cut, not ended.
                    self._log.is_complete = False
                    if (lasted := time.monotonic() - began) < SHORT_SECONDS:
                        await asyncio.sleep(cut.wait(lasted))
                    else:
                        cut = Backoff()
                continue
            if not self._is_read(facts):
                await self._read(engine, follow=False)
            await self._advance(facts)
            if not self._is_live(facts):
                self._row.show("ended" if facts.is_over else "waiting")
                await self._news.wait()
                facts = (
                    await self._look(engine)
                    if not self._has_started
                    else (await self._read_start(engine))
                )

    async def _read_start(self, engine: Engine) -> Container:
        """Read a run from the moment that its start is told; it may be short."""
        async with self._log.opened(engine) as read_opened:
            is_gone = False
            try:
                facts = await self._look(engine)
            except GoneError:
                is_gone = True
                self._see_starts()
            else:
                if len(self._lives.next) > 1:
                    # What is there is read first, each run to its border, and then the newest.
                    return facts
            if self._lives.next:
                self._turn_over()
            await read_opened()
        if is_gone:
            raise GoneError
        return await self._look(engine)

    def _see_starts(self) -> None:
        if self.facts is not None:
            self._lives.see_starts(self.facts)

    async def _look(self, engine: Engine) -> Container:
        facts = await self._inspect(engine)
        if self._lives.misses_death(facts):
            await self._wait_for_death()
            facts = await self._inspect(engine)
        self._see(facts)
        return facts

    async def _inspect(self, engine: Engine) -> Container:
        # What is told from now on is news.
        self._news.clear()
        self._has_started = False
        return await engine.inspect(self.id)

    def _is_live(self, facts: Container) -> bool:
        """Tell whether the run that is read now is the container's newest, and goes on."""
        lives = self._lives
        is_newest = lives.current is not None and not lives.next
        return is_newest and not lives.is_over and facts.is_running

    def _is_read(self, facts: Container) -> bool:
        """Tell whether nothing is left to be read before the newest run is followed, or at all."""
        lives, current = self._lives, self._lives.current
        if not facts.started_ns:
            return True
        if not facts.is_running:
            return lives.is_over and not lives.next
        # Only lines that are still to come of an earlier run must be told from the newest's.
        is_read = not lives.next[0].from_ns if current is None else lives.is_over
        return is_read and len(lives.next) == 1

    async def _begin(self, engine: Engine) -> None:
        """Find where to begin, and have it committed before the first line, unless it is all."""
        self._has_begun = self._beginning.tail is None and not self._beginning.since_ns
        if self._has_begun:
            return
        tail = self._beginning.tail
        lo, before = (0, []) if tail is None else await self._log.beginning(engine, tail)
        self._window.begin_at(max(lo, self._beginning.since_ns), before)
        self._output.add_keys(before)
        await self._give()
        self._has_begun = True

    async def _read(self, engine: Engine, *, follow: bool) -> None:
        """Read on to the end of an answer, beginning with what was read already."""
        self._row.show("reading")
        if follow:
            await self._log.follow(engine)
        else:
            await self._log.catch_up(engine)
            if self.facts is None or not self.facts.is_running:
                await self._answers.finish()

    # Handing over

    async def _advance(self, facts: Container) -> None:
        """Go on to the run that these facts tell of, and end it if it is over: it was read."""
        lives, newest = self._lives, facts.started_ns
        # Meanwhile another may have begun; the clock may have been set back.
        while any(life.started_ns == newest for life in lives.next):
            self._turn_over()
        if facts.is_over and lives.current is not None and lives.current.started_ns == newest:
            self._end()
        # Else it is given once the log is open.
        if self._output.has_any and not self._is_live(facts):
            await self._give()

    def _turn_over(self) -> None:
        self._end()
        life = self._lives.advance()
        self._log.is_complete = False
        self._output.run = life.run
        self._output.add_changes(life.started(self._output.instance))
        self._row.enter(life.run)
        if self._first_words:
            self._output.add_word(*self._first_words.popleft())

    def _end(self) -> None:
        ended = self._lives.end(time.time_ns())
        if ended is not None:
            self._say(self._last_words)
            self._output.add_changes(ended)

    def _say(self, words: "deque[tuple[str, int, Level]]") -> None:
        while words:
            self._output.add_word(*words.popleft())

    async def _leave(self) -> None:
        """End with a container that is gone."""
        await self._answers.finish()
        await self._wait_for_death()
        await self._wait(lambda: self._is_removed or not self._outlet.tells_events)
        self._see_starts()
        if self._lives.next or not self._log.is_complete:
            self._output.add_loss()
        while self._lives.next:
            self._turn_over()
        self._end()
        if self._output.channel:
            self._say(self._last_words)
        self._row.remove()
        if self._output.channel:
            await self._hand_on(self._output.taken(None))

    async def _wait_for_death(self) -> None:
        """Wait for the word of how a run ended, which may come later than its end is seen."""
        await self._wait(lambda: self._lives.is_over or self._lives.is_known_dead)

    async def _wait(self, is_told: Callable[[], bool]) -> None:
        deadline = time.monotonic() + DEATH_SECONDS
        while not is_told() and (left := deadline - time.monotonic()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()

    async def _give(self) -> None:
        """Hand over what was made, with the position after it."""
        current, window, held_ns = self._lives.current, self._window, self._answers.held_ns
        # What is held is read again, with what was given since, whose keys are kept for that.
        unsure_ns = min(window.unsure_ns, NEVER_UNSURE if held_ns is None else held_ns - LEAST_NS)
        position = ContainerPosition(
            min(window.lo, unsure_ns),
            window.hi,
            self._output.instance,
            self._output.channel,
            None if current is None else current.run,
            0 if current is None else current.started_ns,
            self._lives.is_over,
            window.open_lines.values(),
            unsure_ns,
        )
        self._row.stand(window.hi)
        await self._hand_on(self._output.taken(position))

    async def _hand_on(self, batches: Sequence[Batch]) -> None:
        self._handed = self._outlet.hand_on(batches)
        await self._wait_for_publishing()

    async def _wait_for_publishing(self) -> None:
        # It goes on if this reader is cancelled, and is waited for by the next run.
        if self._handed is not None:
            await asyncio.shield(self._handed)
            self._handed = None


def _life_of(position: ContainerPosition | None) -> Life | None:
    if position is None or position.run is None:
        return None
    return Life(position.run, position.started_ns, 0)


def _advice(facts: Container | None) -> str:
    driver = "its log driver" if facts is None else f"the log driver {facts.driver!r}"
    return (
        f"{driver} keeps nothing that can be read; use json-file or local, or do not set "
        "cache-disabled"
    )
