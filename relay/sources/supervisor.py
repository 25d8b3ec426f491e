"""
What keeps a source going: publish, count, retry with backoff, stop.

It lives here once, so that a source only connects, yields and raises.
"""

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import aclosing

from relay.entry import Batch, Position
from relay.errors import SourceError
from relay.hub import Hub
from relay.sources.base import Source, SourceState

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 30.0


class Supervisor:
    """
    Runs one source until it ends or is cancelled.

    Args:
        source: to run.
        hub: where its batches go.
        jitter: a number from 0 up to 1, for the waiting time.
    """

    def __init__(
        self, source: Source, hub: Hub, jitter: Callable[[], float] = random.random
    ) -> None:
        self._source = source
        self._hub = hub
        self._jitter = jitter
        self._positions: dict[str, Position] = {}
        self._wait_seconds = FIRST_WAIT_SECONDS

    async def run(self) -> None:
        """Run it; a failure is a status and another try, never an exit."""
        status = self._source.status
        try:
            while not await self._try():
                status.enter(SourceState.FAILING)
                status.restarts += 1
                await asyncio.sleep(self._wait_seconds * (0.5 + self._jitter() / 2))
                self._wait_seconds = min(self._wait_seconds * 2, LONGEST_WAIT_SECONDS)
            status.enter(SourceState.ENDED)
        except asyncio.CancelledError:
            # A generator that was cancelled cannot yield its last lines any more.
            await self._publish(await self._source.stop())
            status.enter(SourceState.STOPPED)
            raise

    async def _try(self) -> bool:
        """Run the source once; tell whether it has ended for good."""
        status = self._source.status
        try:
            async with aclosing(self._source.batches(self._positions)) as generator:
                async for batches in generator:
                    await self._publish(batches)
                    self._wait_seconds = FIRST_WAIT_SECONDS
        except SourceError as error:
            if str(error) != status.last_error or status.state is not SourceState.FAILING:
                log.warning("source %s: %s", self._source.name, error)
            status.fail(str(error))
            return False
        except Exception as error:
            # The border of the source's task: a fault in it must not end the others.
            log.exception("source %s failed", self._source.name)
            status.fail(f"a fault in the relay: {type(error).__name__}: {error}")
            return False
        return True

    async def _publish(self, batches: list[Batch]) -> None:
        await self._hub.publish(batches)
        status = self._source.status
        for batch in batches:
            status.lines += batch.lines.count
            status.bytes += len(batch.lines.text)
            if batch.position is not None:
                self._positions[batch.reader] = batch.position
