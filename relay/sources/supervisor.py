"""
What keeps a source going: refine, publish, count, retry with backoff, stop.

It lives here once, so that a source only connects, yields and raises.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from dataclasses import replace
from types import MappingProxyType

from relay.arrival import fit
from relay.entry import Batch, Loss, Position, Reason
from relay.errors import ChannelLimitError, SourceError
from relay.hub import Hub
from relay.sources.base import Source, SourceState
from relay.sources.rate import Bucket, limited, portions
from relay.sources.refinery import Refinery

__all__ = ["Supervisor"]

log = logging.getLogger(__name__)

FIRST_WAIT_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 30.0

AHEAD_BYTES = 1536 * 1024
"""Text that a source which reads ahead may have on its way to readers: some turns, so that it
reads, and readers are given what is stored, while a group is committed."""

CROWDED_BYTES = 256 * 1024
"""The same while many sources do: a quiet channel's next line comes after all of it."""

MAX_REFUSED = 10_000
"""Refused channels whose losses are remembered: names may come from outside."""


class Supervisor:
    """
    Runs one source until it ends or is cancelled.

    Args:
        source: to run.
        hub: where its batches go.
        jitter: a number from 0 up to 1, for the waiting time.
        positions: for each reader what an earlier life of the relay committed.
    """

    def __init__(
        self,
        source: Source,
        hub: Hub,
        jitter: Callable[[], float] = random.random,
        positions: Mapping[str, Position] = MappingProxyType({}),
    ) -> None:
        self._source = source
        self._hub = hub
        self._jitter = jitter
        self._positions = dict(positions)
        self._refused: dict[str, Loss] = {}
        """What was lost of channels that could not be made."""
        self._under_way: deque[tuple[asyncio.Future[None], int]] = deque()
        """What was handed over and may not be visible yet, and how much text it is."""
        self._wait_seconds = FIRST_WAIT_SECONDS
        self._refinery = Refinery(source.options, source.name)
        rate = source.options.max_lines_per_second
        self._bucket = None if rate is None else Bucket(rate, time.monotonic())

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
            await self._publish(self._refinery.refine(await self._source.stop()))
            await self._wait(0)
            status.enter(SourceState.STOPPED)
            raise

    async def _try(self) -> bool:
        """Run the source once; tell whether it has ended for good."""
        status = self._source.status
        try:
            async with aclosing(self._source.batches(self._positions)) as generator:
                async for batches in generator:
                    refined = self._refinery.refine(batches)
                    await self._pass_on(self._source.followed(refined))
                    self._wait_seconds = FIRST_WAIT_SECONDS
            await self._wait(0)
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

    async def _pass_on(self, batches: list[Batch]) -> None:
        """Publish what the source's rate allows: the rest later, or never."""
        if self._bucket is None:
            await self._publish(batches)
        elif self._source.can_wait:
            await self._publish_slowly(portions(batches, self._bucket.rate), self._bucket)
        else:
            await self._publish(limited(batches, self._bucket, time.monotonic()))

    async def _publish_slowly(self, all_portions: Iterator[list[Batch]], bucket: Bucket) -> None:
        for portion in all_portions:
            lines = sum(batch.lines.count for batch in portion)
            try:
                # What cannot be cut may be more than a second's worth: what comes pays for it.
                await asyncio.sleep(bucket.wait(min(lines, bucket.rate), time.monotonic()))
            except asyncio.CancelledError:
                # What was read cannot be read again from every source.
                await self._publish(portion + [batch for rest in all_portions for batch in rest])
                raise
            bucket.spend(lines, time.monotonic())
            await self._publish(portion)

    async def _publish(self, batches: list[Batch]) -> None:
        # Here, once: what is refused is named as it fits.
        batches = [fit(batch) for batch in batches]
        status, taken = self._source.status, batches
        try:
            published = self._hub.hand_over(self._after_losses(taken))
        except ChannelLimitError as error:
            taken = self._refuse(batches, error)
            published = self._hub.hand_over(self._after_losses(taken))
        for batch in taken:
            self._refused.pop(batch.channel, None)
            status.lines += batch.lines.count
            status.rate.add(batch.lines.count)
            status.bytes += len(batch.lines.text)
        for batch in batches:
            # What was refused is counted as lost: it must not be read again.
            if batch.position is not None:
                self._note(batch.reader, batch.position)
        if published is not None:
            self._under_way.append((published, sum(len(batch.lines.text) for batch in taken)))
            # What a source does after a position alone is to begin there.
            is_ahead = self._source.reads_ahead and all(batch.lines.count for batch in batches)
            ahead_bytes = CROWDED_BYTES if self._hub.is_crowded else AHEAD_BYTES
            await self._wait(ahead_bytes if is_ahead else 0)

    async def _wait(self, most_bytes: int) -> None:
        """Wait until no more text than this is on its way to readers."""
        under_way = self._under_way
        while under_way:
            if not under_way[0][0].done():
                if most_bytes and sum(size for _, size in under_way) <= most_bytes:
                    break
                await asyncio.shield(under_way[0][0])
            under_way.popleft()

    def _note(self, reader: str, position: Position) -> None:
        if position.value:
            self._positions[reader] = position
        else:
            self._positions.pop(reader, None)

    def _refuse(self, batches: list[Batch], error: ChannelLimitError) -> list[Batch]:
        """Count what cannot be published, and return the rest: others must not wait for it."""
        status, refused = self._source.status, frozenset(error.channels)
        status.fail(str(error))
        if not refused <= self._refused.keys() and len(self._refused) < MAX_REFUSED:
            log.warning("source %s: %s", self._source.name, error)
        for batch in batches:
            if batch.channel in refused:
                status.lost_lines += batch.lines.count
                if batch.channel in self._refused or len(self._refused) < MAX_REFUSED:
                    lost = self._refused.get(batch.channel, _NOTHING)
                    self._refused[batch.channel] = _lost_too(lost, batch)
        return _without(batches, refused)

    def _after_losses(self, batches: list[Batch]) -> list[Batch]:
        """Put before the batches of a channel what was lost of it while there was no room."""
        if not self._refused:
            return batches
        given: list[Batch] = []
        told: set[str] = set()
        for batch in batches:
            lost = self._refused.get(batch.channel, _NOTHING)
            if lost != _NOTHING and batch.channel not in told:
                told.add(batch.channel)
                given.append(Batch(batch.source, batch.channel, loss=lost))
            given.append(batch)
        return given


_NOTHING = Loss(Reason.SOURCE, 0, 0)


def _without(batches: list[Batch], refused: frozenset[str]) -> list[Batch]:
    """Return the batches of other channels; a reader's last position goes with them."""
    kept = [batch for batch in batches if batch.channel not in refused]
    positions = {batch.reader: batch.position for batch in batches if batch.position is not None}
    last = {batch.reader: number for number, batch in enumerate(kept)}
    for reader, number in last.items():
        # Else what is published here would be read again after a crash.
        if reader in positions:
            kept[number] = replace(kept[number], position=positions[reader])
    return kept


def _lost_too(lost: Loss, batch: Batch) -> Loss:
    own = batch.loss or _NOTHING
    unknown = lost.count is None or own.count is None
    count = None if unknown else (lost.count or 0) + (own.count or 0) + batch.lines.count
    return Loss(Reason.SOURCE, count, lost.at_least + own.at_least + batch.lines.count)
