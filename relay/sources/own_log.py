"""
The relay's own log as a channel, so that its users need not look elsewhere for it.

What is logged while the last lines are being published waits, up to a bound; beyond it lines
are counted and declared as lost.
"""

import asyncio
import logging
from array import array
from collections import deque
from collections.abc import AsyncGenerator, Mapping
from typing import Literal

from relay.entry import Batch, Level, Loss, Origin, Position, Reason, Stream
from relay.lines import Lines
from relay.sources.base import Source, SourceOptions, SourceState

__all__ = ["OwnLogOptions", "OwnLogSource"]

MAX_WAITING = 10_000
"""Records: a fault that logs in a loop must not fill memory."""

LOGGER = "relay"


class OwnLogOptions(SourceOptions):
    """Keys of ``type = "relay"``: the common ones."""

    type: Literal["relay"]


class OwnLogSource(Source):
    """Reads what the relay logs, from any thread."""

    Options = OwnLogOptions

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """Give records as they are logged, until cancelled."""
        handler = _Handler(asyncio.get_running_loop())
        logger = logging.getLogger(LOGGER)
        logger.addHandler(handler)
        try:
            self.status.enter(SourceState.RUNNING)
            yield [Batch(self.name, self._channel)]
            while True:
                await handler.written.wait()
                yield [self._batch(*handler.take())]
        finally:
            logger.removeHandler(handler)

    @property
    def feeds(self) -> frozenset[str]:
        """Its channel."""
        return frozenset([self._channel])

    @property
    def _channel(self) -> str:
        return self.channel_for()

    def _batch(self, records: list[logging.LogRecord], lost: int) -> Batch:
        origins = tuple(
            Origin(self.name, stream=Stream.SYSTEM, level=level) for level in _LEVELS.values()
        )
        places = {level: place for place, level in enumerate(_LEVELS.values())}
        texts = [f"{record.name}: {record.getMessage()}" for record in records]
        return Batch(
            source=self.name,
            channel=self._channel,
            lines=Lines.of([text.encode(errors="replace") for text in texts]),
            origins=origins,
            origin_index=bytes([places[_level(record.levelno)] for record in records]),
            timestamps=array("q", [int(record.created * 1e9) for record in records]),
            detect_levels=False,
            loss=Loss(Reason.SOURCE, lost, lost) if lost else None,
        )


_LEVELS = {
    logging.CRITICAL: Level.FATAL,
    logging.ERROR: Level.ERROR,
    logging.WARNING: Level.WARN,
    logging.INFO: Level.INFO,
    logging.DEBUG: Level.DEBUG,
    0: Level.TRACE,
}


def _level(number: int) -> Level:
    return next(level for least, level in _LEVELS.items() if number >= least)


class _Handler(logging.Handler):
    """Keeps records until the loop takes them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._loop = loop
        self._records: deque[logging.LogRecord] = deque()
        self._lost = 0
        self.written = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record; called by whatever thread logs, under the handler's lock."""
        if len(self._records) >= MAX_WAITING:
            self._lost += 1
            return
        self._records.append(record)
        self._loop.call_soon_threadsafe(self.written.set)

    def take(self) -> tuple[list[logging.LogRecord], int]:
        """Return what was kept, and how many records found no room."""
        self.acquire()
        try:
            taken, lost = list(self._records), self._lost
            self._records.clear()
            self._lost = 0
            self.written.clear()
        finally:
            self.release()
        return taken, lost
