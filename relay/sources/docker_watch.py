"""
What happens to an engine's containers: who is there, who comes, who changes.

Rules of this file:

* The list is the truth. Events are followed first, then the list is read; whatever an event
  that was missed would have told is in it. When the stream of events breaks, both begin again.
* An event says that a container is to be looked at, how a run ended and what is to be told;
  nothing else is believed of it, so it does no harm if it comes twice.
"""

import asyncio
import logging
import time
from collections.abc import Coroutine, Mapping

from relay.entry import Level, Position
from relay.sources.docker_container import Beginning, ContainerReader
from relay.sources.docker_engine import Engine, EngineError, GoneError
from relay.sources.docker_facts import Container, Event
from relay.sources.docker_output import Outlet
from relay.sources.docker_selection import Selection
from relay.sources.process import Backoff

__all__ = ["Watch"]

log = logging.getLogger(__name__)

SHORT_SECONDS = 1.0
"""Events that break off sooner are the engine's own trouble, not the connection's."""

LOOKS_AT_ONCE = 16
"""So many containers are looked at at a time: each is a request."""

SECOND_NS = 1_000_000_000
"""A list says only in which second a container was made."""

BEFORE_ALL = 1
"""The engine tells what it remembers since then, 256 events at most."""


class Watch:
    """
    The containers that are read; outlives the engine's absences.

    Args:
        outlet: the source.
        selection: which containers are read.
        beginning: where to begin in those that are there at first sight.
        kept: where an earlier life of the relay has left containers, by id.
        seen_ns: when the engine was first seen; ``None``: it never was, to be set before it is.
    """

    def __init__(
        self,
        outlet: Outlet,
        selection: Selection,
        beginning: Beginning,
        kept: Mapping[str, Position],
        seen_ns: int | None,
    ) -> None:
        self.readers: dict[str, ContainerReader] = {}
        self.seen_ns = seen_ns
        self._outlet = outlet
        self._selection = selection
        self._beginning = beginning
        self._kept = dict(kept)
        self._refused: set[str] = set()
        """Ids of containers that are not read."""
        self._known_ns = BEFORE_ALL
        """Of the last event."""
        self._told_from_ns = time.time_ns()
        """Earlier events are no news."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._reading: dict[str, asyncio.Task[None]] = {}
        self._looking: dict[str, bool] = {}
        """Containers that are looked at now, and whether they are to be looked at again."""
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)

    async def run(self, engine: Engine) -> None:
        """
        Watch, and read what is there, until the engine is gone.

        Raises:
            EngineError: it does not answer.
        """
        try:
            while True:
                began = time.monotonic()
                try:
                    await self._follow(engine)
                except EngineError as error:
                    if time.monotonic() - began < SHORT_SECONDS:
                        raise
                    log.warning("source %s: events: %s", self._outlet.name, error)
        finally:
            await self._stop()

    async def _follow(self, engine: Engine) -> None:
        async with engine.events(self._known_ns) as events:
            await self._resync(engine)
            async for event in events:
                self._take(engine, event)
        raise EngineError("the engine has ended the stream of events")

    async def _stop(self) -> None:
        tasks = self._tasks | set(self._reading.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks, self._reading, self._looking = set(), {}, {}

    # Listing

    async def _resync(self, engine: Engine) -> None:
        """Read what is there, and end with what is not there any more."""
        listed = await engine.containers()
        assert self.seen_ns is not None
        chosen = [one for one in listed if self._selection.selects(one)]
        self._refused = {one.id for one in listed} - {one.id for one in chosen}
        for one in chosen:
            is_old = one.created_ns + SECOND_NS <= self.seen_ns
            self._read(engine, one.id, self._beginning if is_old else Beginning())
        # Their readers find out that they are gone.
        for id_ in {*self._kept, *self.readers} - {one.id for one in listed}:
            self._read(engine, id_, Beginning())
        for id_ in list(self.readers):
            self._look(engine, id_)

    def _read(self, engine: Engine, id_: str, beginning: Beginning) -> None:
        """See that a container is read."""
        if id_ not in self.readers:
            kept = self._kept.pop(id_, None)
            self.readers[id_] = ContainerReader(self._outlet, id_, kept, beginning)
        if id_ not in self._reading:
            work = self._run_reader(engine, self.readers[id_])
            self._reading[id_] = asyncio.create_task(work, name=f"container {id_[:12]}")

    async def _run_reader(self, engine: Engine, reader: ContainerReader) -> None:
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                await reader.run(engine)
                break
            except Exception:
                # The border of a task: a fault with one container must not end the others.
                log.exception("container %s", reader.id[:12])
                self._tell_fault(reader.id)
            await asyncio.sleep(backoff.wait(time.monotonic() - began))
        del self.readers[reader.id]
        del self._reading[reader.id]

    def _tell_fault(self, id_: str) -> None:
        self._outlet.status.fail(f"a fault in the relay with container {id_[:12]}")

    # Events

    def _take(self, engine: Engine, event: Event) -> None:
        self._known_ns = max(self._known_ns, event.time_ns)
        if not event.id or event.id in self._refused:
            if event.action == "destroy":
                self._refused.discard(event.id)
            elif event.action in ("rename", "update") and event.id in self._refused:
                self._refused.discard(event.id)
                self._meet(engine, event.id)
            return
        reader = self.readers.get(event.id)
        if reader is None:
            if event.action != "destroy":
                self._meet(engine, event.id)
            return
        reader.note(event)
        if self._outlet.tells_events and event.time_ns > self._told_from_ns:
            self._tell(reader, event)
        self._look(engine, event.id)

    def _meet(self, engine: Engine, id_: str) -> None:
        """Look at a container that is not known, and read it if it is chosen."""
        if id_ not in self._looking:
            self._looking[id_] = False
            self._start(id_, self._meet_soon(engine, id_))

    async def _meet_soon(self, engine: Engine, id_: str) -> None:
        try:
            facts = await self._inspect(engine, id_)
        except GoneError:
            return
        finally:
            del self._looking[id_]
        if self._selection.selects(facts):
            self._read(engine, id_, Beginning())
        else:
            self._refused.add(id_)

    async def _inspect(self, engine: Engine, id_: str) -> Container:
        """Ask until there is an answer: nothing else may ever tell of the container again."""
        backoff = Backoff()
        while True:
            began = time.monotonic()
            try:
                async with self._looks:
                    return await engine.inspect(id_)
            except EngineError as error:
                log.info("container %s: %s", id_[:12], error)
                await asyncio.sleep(backoff.wait(time.monotonic() - began))

    def _look(self, engine: Engine, id_: str) -> None:
        """Look at a container soon, once for all that is told of it meanwhile."""
        if id_ in self._looking:
            self._looking[id_] = True
        else:
            self._looking[id_] = False
            self._start(id_, self._look_soon(engine, id_))

    async def _look_soon(self, engine: Engine, id_: str) -> None:
        try:
            while True:
                self._looking[id_] = False
                try:
                    async with self._looks:
                        facts = await engine.inspect(id_)
                except (GoneError, EngineError):
                    self._poke(id_)
                    return
                self._show(id_, facts)
                if not self._looking[id_]:
                    return
        finally:
            del self._looking[id_]

    def _show(self, id_: str, facts: Container) -> None:
        if (reader := self.readers.get(id_)) is not None:
            reader.see(facts)

    def _poke(self, id_: str) -> None:
        if (reader := self.readers.get(id_)) is not None:
            reader.poke()

    def _start(self, id_: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(self._guarded(id_, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, id_: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        except Exception:
            # The border of a task. The container's reader looks for itself.
            log.exception("container %s", id_[:12])
            self._tell_fault(id_)
            self._poke(id_)

    # Telling

    def _tell(self, reader: ContainerReader, event: Event) -> None:
        """Make an entry of a change of state or health."""
        found = _words(event)
        if found is not None:
            text, level = found
            reader.say(text, event.time_ns, level, event.action)


def _words(event: Event) -> tuple[str, Level] | None:
    """Return in words what happened, and how bad it is."""
    match event.action:
        case "die":
            code = event.labels.get("exitCode", "?")
            return f"container ended: exit code {code}", Level.INFO if code == "0" else Level.WARN
        case "health_status":
            health = event.health
            return f"container is {health}", Level.INFO if health == "healthy" else Level.WARN
        case "oom":
            return "container has no memory left", Level.ERROR
        case "rename":
            return f"container renamed to {event.labels.get('name', '?')}", Level.INFO
    word = _CHANGES.get(event.action)
    return None if word is None else (f"container {word}", Level.INFO)


_CHANGES = {
    "create": "created",
    "start": "started",
    "pause": "paused",
    "unpause": "goes on",
    "destroy": "removed",
}
