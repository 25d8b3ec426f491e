"""
CloudWatch Logs, pushed: what subscriptions send through Firehose or a forwarding Lambda.

A delivery that comes again, as AWS repeats what was not acknowledged in time, is dropped event by
event: the ids of what came within a day are known, and with a state directory they are after a
restart too. Deliveries to one channel are taken one after the other, so that the second of two
equal ones is answered when the first is durable.
"""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import partial
from typing import Literal
from weakref import WeakValueDictionary

from pydantic import Field, SecretStr

from relay.config.clashes import Claim
from relay.config.values import Size
from relay.entry import Batch, Position
from relay.hub import Hub
from relay.inlet import LogRecord, RecordReceipt, RefusedPushError
from relay.sources.base import TURN_BYTES, SourceState, SourceStatus
from relay.sources.cloudwatch_events import (
    KEY,
    Event,
    in_order,
    key_of,
    turns,
)
from relay.sources.cloudwatch_jobs import JobSource
from relay.sources.cloudwatch_lines import LineOptions, LogLines
from relay.sources.cloudwatch_repeats import MOST_KEPT, Repeats
from relay.sources.push import Globs, NoChannel

__all__ = ["MOST_KEPT_IN_ALL", "CloudwatchPushOptions", "CloudwatchPushSource"]

MOST_KEPT_IN_ALL = 4 * MOST_KEPT
"""Events of all channels that are known: 100 MB."""

MAX_LINES_KEPT = 1000
"""Log groups of which it is known how to read them: their names come from outside."""

MAX_KEY_CHARACTERS = 4096
"""Of an access key, by Firehose's rule."""


class CloudwatchPushOptions(LineOptions):
    """Log groups of AWS, whose subscriptions bring lines over HTTP."""

    type: Literal["cloudwatch-push"]
    channel: NoChannel = Field(None, description="None: a push names its channel itself.")
    channels: Globs = Field(
        description="Channels that may be pushed to: a name or glob, or a list of them."
    )
    access_key: SecretStr | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        description="What Firehose must show as its access key, and a forwarding Lambda as its "
        "bearer token. Without one all who reach the relay may push.",
    )
    max_body: Size = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="A body may have so many bytes, and four times as many once unpacked.",
    )

    @property
    def claims(self) -> list[Claim]:
        """Its globs: a push is taken by one source."""
        what = "pushes of CloudWatch Logs to {!r} are taken"
        return [Claim("channels", what.format(glob)) for glob in self.channels]


class CloudwatchPushSource(JobSource):
    """
    Takes what AWS pushes; web asks it through the hub.

    Args:
        name: from the configuration's table.
        options: its keys.
        status: what it tells about itself.
        most_known: events of all channels that are recognised when they come again.
    """

    Options = CloudwatchPushOptions
    options: CloudwatchPushOptions
    can_wait = True

    def __init__(
        self,
        name: str,
        options: CloudwatchPushOptions,
        status: SourceStatus,
        most_known: int = MOST_KEPT_IN_ALL,
    ) -> None:
        super().__init__(name, options, status)
        self._most_known = most_known
        key = options.access_key
        self._key = None if key is None else key.get_secret_value().encode()
        self._repeats: OrderedDict[str, Repeats] = OrderedDict()
        # Of the channels to which something is on its way.
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._lines: dict[tuple[str, str], LogLines] = {}
        self._takes: set[asyncio.Task[RecordReceipt]] = set()
        self._is_open = False

    def connect(self, hub: Hub) -> None:
        """Take pushes to a hub's channels."""
        super().connect(hub)
        hub.record_inlets[self.name] = self

    async def batches(
        self, positions: Mapping[str, Position]
    ) -> AsyncGenerator[list[Batch], None]:
        """Hand on what is pushed, for ever."""
        for channel, position in positions.items():
            self._repeats.setdefault(channel, Repeats(position.record_keys))
        self.handover.open()
        self._is_open = True
        self.status.enter(SourceState.RUNNING)
        async with aclosing(self.given()) as given:
            async for batches in given:
                yield batches

    @property
    def channels(self) -> tuple[str, ...]:
        """Globs of the channels that may be pushed to."""
        return tuple(self.options.channels)

    @property
    def max_body_bytes(self) -> int:
        """Most bytes of a body."""
        return self.options.max_body

    def accepts(self, channel: str) -> bool:
        """Tell whether pushes to the channel are allowed."""
        return any(fnmatchcase(channel, glob) for glob in self.options.channels)

    def admits(self, access_key: str | None) -> bool:
        """Tell whether a key, or none, lets its bearer in; takes as long for any."""
        if self._key is None:
            return True
        return hmac.compare_digest((access_key or "").encode(errors="replace"), self._key)

    async def take(self, channel: str, records: Iterable[LogRecord]) -> RecordReceipt:
        """Publish what has not come before; see :class:`relay.inlet.RecordInlet`."""
        if self.hub is None or not self._is_open:
            raise RefusedPushError("stopping", "the relay is not ready for pushes")
        self.hub.admit([channel])
        # A client that leaves must not let the next in before what it brought is known.
        task = asyncio.create_task(self._take(channel, records))
        self._takes.add(task)
        task.add_done_callback(self._note_taken)
        receipt = await asyncio.shield(task)
        receipt.last_id = self.hub.last_id
        return receipt

    def _note_taken(self, task: "asyncio.Task[RecordReceipt]") -> None:
        self._takes.discard(task)
        if not task.cancelled():
            # Who is to be told of it may have left.
            task.exception()

    async def _take(self, channel: str, records: Iterable[LogRecord]) -> RecordReceipt:
        receipt = RecordReceipt()
        async with self._locks.setdefault(channel, asyncio.Lock()):
            delivery = _Delivery(self._repeats.setdefault(channel, Repeats()), _now_ms())
            for record in records:
                lines = self._lines_of(channel, record.log_group)
                for turn in delivery.turns(record, receipt):
                    delivery.add(turn, lines.batches(turn, None))
                    if delivery.size >= TURN_BYTES:
                        await self._publish(delivery)
            await self._publish(delivery)
            self._forget(channel)
        return receipt

    def _forget(self, newest: str) -> None:
        """Let go of channels that nothing came to for longest: for too long, or it is too much."""
        self._repeats.move_to_end(newest)
        count, now_ms = sum(map(len, self._repeats.values())), _now_ms()
        for channel, repeats in [*self._repeats.items()][:-1]:
            if count <= self._most_known and not repeats.is_over(now_ms):
                return
            if channel not in self._locks:
                count -= len(self._repeats.pop(channel))

    async def _publish(self, delivery: "_Delivery") -> None:
        if delivery.events:
            batches, then = delivery.pass_on()
            await self.handover.publish(batches, then)

    def _lines_of(self, channel: str, log_group: str) -> LogLines:
        lines = self._lines.get((channel, log_group))
        if lines is None:
            if len(self._lines) >= MAX_LINES_KEPT:
                self._lines.clear()
            lines = LogLines(self, self.options, log_group, channel, channel=channel)
            self.resume_invocations(lines)
            self._lines[channel, log_group] = lines
        return lines


class _Delivery:
    """
    Records on their way.

    Args:
        repeats: what came before.
        now_ms: when these came.
    """

    def __init__(self, repeats: Repeats, now_ms: int) -> None:
        self._repeats = repeats
        self._now_ms = now_ms
        self._batches: list[Batch] = []
        self._keys: set[int] = set()
        self.events: list[Event] = []
        """What is to be published next."""
        self.size = 0
        """Characters of its text."""

    def turns(self, record: LogRecord, receipt: RecordReceipt) -> Iterator[Sequence[Event]]:
        """Give the events that are new, ordered by time, some at a time."""
        known = self._keys
        found = self._repeats.new(_events(record, self._now_ms))
        new = in_order([event for event in found if event[KEY] not in known])
        known.update(event[KEY] for event in new)
        receipt.accepted += len(new)
        receipt.skipped += len(record.events) - len(new)
        return turns(new, TURN_BYTES)

    def add(self, events: Sequence[Event], batches: Sequence[Batch]) -> None:
        """Add events and what was made of them."""
        self.events += events
        self._batches += batches
        self.size += sum(len(batch.lines.text) for batch in batches)

    def pass_on(self) -> tuple[list[Batch], Callable[[], None]]:
        """Return what was added, with its position, and what is to be done once it is visible."""
        events, batches = self.events, self._batches
        position = self._repeats.position(events, self._now_ms)
        batches[-1] = replace(batches[-1], position=position)
        self.events, self._batches, self.size = [], [], 0
        return batches, partial(self._repeats.settle, events, self._now_ms)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _events(record: LogRecord, now_ms: int) -> list[Event]:
    stream = record.log_stream or ""
    return [
        (now_ms if time_ms is None else time_ms, 0, key_of(name), stream, text)
        for time_ms, name, text in record.events
    ]
