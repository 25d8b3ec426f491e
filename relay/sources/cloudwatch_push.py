"""
CloudWatch Logs, pushed: what subscriptions send through Firehose or a forwarding Lambda.

A delivery that comes again, as AWS repeats what was not acknowledged in time, is dropped record by
record and event by event: what came within a day is known, and with a state directory it is after
a restart too. Deliveries to one channel are taken one after the other, so that the second of two
equal ones is answered when the first is durable.
"""

import asyncio
import hmac
import time
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing
from fnmatch import fnmatchcase
from typing import Annotated, Literal
from weakref import WeakValueDictionary

from pydantic import BeforeValidator, Field, SecretStr

from relay.config.clashes import Claim
from relay.config.values import Size
from relay.entry import Batch, Position
from relay.hub import Hub
from relay.inlet import LogRecord, RecordReceipt, RefusedPushError
from relay.sources.base import TURN_BYTES, SourceState, SourceStatus
from relay.sources.cloudwatch_delivered import Delivered, in_pieces
from relay.sources.cloudwatch_events import turns
from relay.sources.cloudwatch_jobs import JobSource
from relay.sources.cloudwatch_lines import LineOptions, LogLines
from relay.sources.cloudwatch_repeats import MOST_EVENTS, Known, record_key, restored
from relay.sources.push import Globs, NoChannel

__all__ = ["MOST_KEPT_IN_ALL", "CloudwatchPushOptions", "CloudwatchPushSource"]

MOST_KEPT_IN_ALL = 4 * MOST_EVENTS
"""Events and records of all channels that are known: 120 MB."""

MAX_LINES_KEPT = 1000
"""Log groups of which it is known how to read them: their names come from outside."""

MAX_KEY_CHARACTERS = 4096
"""Of an access key, by Firehose's rule."""


def _stripped(key: object) -> object:
    """Return a key as a header carries it: what reads it from a file may bring a newline along."""
    return key.strip() if isinstance(key, str) else key


class CloudwatchPushOptions(LineOptions):
    """Log groups of AWS, whose subscriptions bring lines over HTTP."""

    type: Literal["cloudwatch-push"]
    channel: NoChannel = Field(None, description="None: a push names its channel itself.")
    channels: Globs = Field(
        description="Channels that may be pushed to: a name or glob, or a list of them."
    )
    access_key: Annotated[SecretStr, BeforeValidator(_stripped)] | None = Field(
        None,
        min_length=1,
        max_length=MAX_KEY_CHARACTERS,
        description="What Firehose must show as its access key, and a forwarding Lambda as its "
        "bearer token. Without one all who reach the relay may push.",
    )
    max_body: Size = Field(
        64 * 1024 * 1024,
        ge=1024,
        description="A body may have so many bytes, and 32 times as many once its records are "
        "unpacked. All that are on their way at once may have four times as many: more is to come "
        "again.",
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
        self._known: OrderedDict[str, Known] = OrderedDict()
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
        if not self._is_open:
            for channel, known in restored(positions):
                self._known[channel] = known
                self._forget(channel)
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
            known = self._known.setdefault(channel, Known())
            delivery = Delivered(self.name, channel, known, _now_ms())
            for record in records:
                await self._take_record(delivery, record, receipt)
            await self._publish(delivery)
            self._forget(channel)
        return receipt

    async def _take_record(
        self, delivery: Delivered, record: LogRecord, receipt: RecordReceipt
    ) -> None:
        key = record_key(record)
        if delivery.has_record(key):
            receipt.skipped += len(record.events)
            return
        lines = self._lines_of(delivery.channel, record.log_group)
        for some in in_pieces(record, delivery.now_ms):
            new = delivery.new(some)
            receipt.accepted += len(new)
            receipt.skipped += len(some) - len(new)
            for events in turns(new, TURN_BYTES):
                delivery.add(events, lines.batches(events, None))
                if delivery.size >= TURN_BYTES:
                    await self._publish(delivery)
            # Where nothing is new, nothing is waited for.
            await asyncio.sleep(0)
        delivery.note_record(key)

    def _forget(self, newest: str) -> None:
        """Let go of channels that nothing came to for longest: for too long, or it is too much."""
        self._known.move_to_end(newest)
        count, now_ms = sum(map(len, self._known.values())), _now_ms()
        for channel, known in [*self._known.items()][:-1]:
            if count <= self._most_known and not known.is_over(now_ms):
                return
            if channel not in self._locks:
                count -= len(self._known.pop(channel))

    async def _publish(self, delivery: Delivered) -> None:
        if delivery.is_due:
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


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
