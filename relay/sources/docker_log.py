"""
The log of one container, asked for as often as it takes.

Rules of this file:

* First so many of its last lines are asked for, and what comes after them. Where that does not
  reach back to what was read, the log is caught up with before it is followed: while the engine
  gives out what has gathered it does not follow yet, and may skip files that it rotates.
* Where the engine has left something out, its answer is not believed any longer, but another.
"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial

from relay.sources.docker_answer import Answers, Ending, Following
from relay.sources.docker_engine import Engine, GoneError, Log
from relay.sources.docker_facts import Container
from relay.sources.docker_position import FIRST_TAIL, LEAST_NS, Window, hashes, requests
from relay.sources.docker_skips import Skips

__all__ = ["ContainerLog"]

BEFORE_RECORDS = 1024
"""So many lines before the first that is wanted are known by their keys."""

LOOK_RECORDS = 64
"""Of what was read already so much is asked for where something may have been left out."""


class ContainerLog:
    """
    Asks for one container's log.

    Args:
        id_: the container's.
        window: which records were read.
        answers: reads the answers.
        is_complete: whether all that the container has said, as far as is known, was read.
    """

    def __init__(self, id_: str, window: Window, answers: Answers, *, is_complete: bool) -> None:
        self._id = id_
        self._window = window
        self._answers = answers
        self.is_complete = is_complete
        self.facts: Container | None = None
        """How the container was when it was seen last."""

    async def follow(self, engine: Engine) -> None:
        """Follow the log from what was read already, to the end of the answer."""
        while await self._follow(engine) is Ending.STALE:
            pass
        self.is_complete = True

    async def _follow(self, engine: Engine) -> Ending:
        first, *others = requests(self._window)
        ending = await self._try(engine, first, is_last=not others)
        if ending is not Ending.SHORT:
            return ending
        await self._catch_up(engine, others)
        for parameters in (first, *others):
            is_last = parameters == others[-1]
            ending = await self._try(engine, parameters, is_last=is_last)
            if ending is not Ending.SHORT:
                break
        return ending

    async def _try(
        self, engine: Engine, parameters: Mapping[str, str], *, is_last: bool
    ) -> Ending:
        async with engine.log(self._id, parameters, follow=True) as opened:
            self.is_complete = False
            return await self._read(engine, opened, is_last=is_last)

    async def _read(self, engine: Engine, opened: Log, *, is_last: bool) -> Ending:
        skips = Skips(None if self.facts is None else self.facts.file_bytes)
        following = Following(skips, partial(self._look_back, engine))
        return await self._answers.read(
            opened, tty=self._tty, is_last=is_last, following=following
        )

    async def _look_back(self, engine: Engine, in_hand: int) -> None:
        ways = list(requests(self._window))
        # After a silence, which is rare, a skip may be further back that no jump has shown.
        if 0 < in_hand < FIRST_TAIL - LOOK_RECORDS and len(ways) > 1:
            # A container that writes in bursts is looked at often, and has mostly lost nothing.
            ways.insert(0, {"tail": str(in_hand + LOOK_RECORDS)})
        # Where it is gone, what is open already is all that there is.
        with suppress(GoneError):
            await self._catch_up(engine, ways)

    @asynccontextmanager
    async def opened(self, engine: Engine) -> AsyncIterator[Callable[[], Awaitable[None]]]:
        """
        Follow the log, but give what reads it: something may be done before.

        The answer may not reach back to what was read: it is not complete then.
        """
        first, *others = requests(self._window)
        async with engine.log(self._id, first, follow=True) as opened:

            async def read() -> None:
                ending = await self._read(engine, opened, is_last=not others)
                self.is_complete = ending is Ending.WHOLE

            yield read

    async def catch_up(self, engine: Engine) -> None:
        """Read what the engine has."""
        await self._catch_up(engine, list(requests(self._window)))
        self.is_complete = True

    async def _catch_up(self, engine: Engine, ways: Sequence[Mapping[str, str]]) -> None:
        """Read by the first way that reaches back to what was read."""
        for parameters in ways:
            async with engine.log(self._id, parameters, follow=False) as opened:
                self.is_complete = False
                is_last = parameters is ways[-1]
                ending = await self._answers.read(opened, tty=self._tty, is_last=is_last)
            if ending is not Ending.SHORT:
                self._window.settle()
                return

    async def beginning(self, engine: Engine, tail: int) -> tuple[int, list[tuple[int, int]]]:
        """
        Find the first line that is wanted, where none was read.

        Lines after it may have an earlier time, and some before it a later one, which are told
        from those by their keys.

        Args:
            engine: that has it.
            tail: how many of the last are wanted.

        Returns:
            The time before which nothing is wanted, and times and hashes of what is not, though
            it is later; 0 where there is nothing yet.
        """
        wanted = await self._first(engine, tail or 1, lambda keys: bool(keys))
        if not wanted:
            return 0, []
        first = wanted[0]
        keys = await self._first(engine, (tail or 1) + BEFORE_RECORDS, lambda keys: first in keys)
        if first not in keys:
            # So much was said meanwhile.
            return first[0] + (tail == 0), []
        before = keys[: keys.index(first) + (tail == 0)]
        lo = first[0] - LEAST_NS
        # What is before these may be as late as they are.
        return (lo if len(before) < BEFORE_RECORDS // 2 else max(lo, before[0][0])), before

    async def _first(
        self, engine: Engine, tail: int, is_enough: Callable[[list[tuple[int, int]]], bool]
    ) -> list[tuple[int, int]]:
        """Return times and hashes of the first records, of so many of the last, till enough."""
        keys: list[tuple[int, int]] = []
        async with engine.log(self._id, {"tail": str(tail)}, follow=False) as opened:
            decoder = self._answers.decoder(tty=self._tty)
            while data := await opened.read():
                records = decoder.feed(data)
                keys += zip(records.times, hashes(records), strict=True)
                if is_enough(keys) or len(keys) > 2 * BEFORE_RECORDS:
                    return keys
            records = decoder.flush()
            return [*keys, *zip(records.times, hashes(records), strict=True)]

    @property
    def _tty(self) -> bool:
        return self.facts is not None and self.facts.tty
