"""
All channels: gives out ids, commits, makes visible, wakes.

Rules of this file:

* Ids come from one counter, ``max(last id + 1, arrival time in µs)``, and become visible in
  order: a cursor never passes an entry that is still to come.
* Publishing belongs to the hub, not to who asked for it: one who is cancelled meanwhile does
  not interrupt it.
* With a store, batches that arrive while a commit is under way form the next group, and a
  block enters its ring only when its group is committed. Without, groups are published at once.
"""

import asyncio
import logging
import time
from bisect import insort
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from relay.arrival import block_of, ending_of, fit
from relay.block import Block, DeclaredLoss
from relay.channel import Channel
from relay.entry import Batch, RunCounted, RunStarted
from relay.errors import ChannelLimitError, NotFoundError
from relay.inlet import Completer, Inlet, RecordInlet
from relay.names import near
from relay.query import Query
from relay.run import Counted, Ending, Run, Start
from relay.runs import count_run, end_run, ending_in, enter_runs, leave_run, start_run
from relay.span import Span
from relay.status import SourceStatus, StoreStatus
from relay.storage import Group, Store, Stored
from relay.subscription import Subscription

__all__ = ["ChannelBounds", "Hub"]

log = logging.getLogger(__name__)

MAX_FORGOTTEN = 10_000
"""Forgotten channels of which the last seq and id are kept; the longest forgotten leave first."""

MAX_GROUP_BYTES = 4 * 1024 * 1024
"""Text of one commit: what comes beyond it waits for the next."""


class ChannelBounds(Protocol):
    """What a channel's ring may hold."""

    @property
    def lines(self) -> int:
        """Most entries, besides those of the oldest block."""

    @property
    def bytes(self) -> int:
        """Most bytes."""


_Waiting = tuple[Sequence[Batch], "asyncio.Future[None]"]
"""Batches of one publishing, and who waits for them."""


class Hub:
    """
    All channels and runs.

    Args:
        bounds: for a channel's name what its ring may hold.
        store: makes groups durable; ``None``: memory only.
        clock: nanoseconds since the epoch.
        max_channels: how many there may be; ``None``: any number.
    """

    def __init__(
        self,
        bounds: Callable[[str], ChannelBounds],
        store: Store | None = None,
        clock: Callable[[], int] = time.time_ns,
        max_channels: int | None = None,
    ) -> None:
        self.channels: dict[str, Channel] = {}
        self.runs: dict[str, Run] = {}
        self.sources: dict[str, SourceStatus] = {}
        """What the sources tell about themselves, by name."""
        self.store_status = StoreStatus()
        """What the store tells about itself."""
        self.inlets: dict[str, Inlet] = {}
        """The sources that take pushes, by name."""
        self.record_inlets: dict[str, RecordInlet] = {}
        """The sources that take what AWS pushes, by name."""
        self.completers: dict[str, Completer] = {}
        """The sources that take no pushes and whose runs others may end, by name."""
        self.started_ns = clock()
        """When it was made, in nanoseconds since the epoch."""
        self.resumed_id = 0
        """The last id of earlier lives that are remembered."""
        self.start_id = self.started_ns // 1000
        """All ids that this hub gives out are greater."""
        self.last_id = self.start_id
        """The last id that is visible."""
        self._numbered_id = self.start_id
        self._bounds = bounds
        self._store = store
        self._clock = clock
        self._max_channels = max_channels
        self._forgotten: dict[str, Channel] = {}
        """Channels that hold nothing any more, by name, in the order in which they were left."""
        self._everywhere: set[Subscription] = set()
        self._by_name: set[Subscription] = set()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        """Text of what waits."""
        self._committer: asyncio.Task[None] | None = None

    @property
    def store(self) -> Store | None:
        """What makes groups durable."""
        return self._store

    @property
    def beginning(self) -> int:
        """The cursor before everything that is remembered."""
        return self.start_id if self._store is None else 0

    def knows(self, cursor: int) -> bool:
        """Tell whether a cursor is of this life, or of an earlier one that is remembered."""
        return cursor <= self.resumed_id or self.start_id <= cursor <= self.last_id

    def restore(self, stored: Stored) -> None:
        """Go on where an earlier life ended; called before anything is published."""
        self.resumed_id = stored.last_id
        self.start_id = self.last_id = self._numbered_id = max(stored.last_id, self.start_id)
        for one in stored.channels:
            channel = self._new_channel(one.name)
            channel.born_id = one.born_id
            channel.restore(one)
            known = self.channels if one.forgotten_ns is None else self._forgotten
            known[one.name] = channel
        for run in stored.runs:
            self._restore_run(run)

    def _restore_run(self, run: Run) -> None:
        channels = [self.channels[name] for name in run.last_ids if name in self.channels]
        if not channels:
            return
        self.runs[run.id] = run
        for channel in channels:
            channel.runs[run.id] = run
            ending = ending_in(run, channel.name)
            if ending is not None:
                insort(channel.endings, ending, key=_id)

    async def publish(self, batches: Sequence[Batch]) -> int:
        """
        Give batches ids and make them visible.

        Args:
            batches: in the order in which they were read.

        Returns:
            The last visible id; what was published lies at or below it.

        Raises:
            ChannelLimitError: a batch is of a channel for which there is no room; then none
                of the batches is published.
        """
        published = self.hand_over([fit(batch) for batch in batches])
        if published is not None:
            await asyncio.shield(published)
        return self.last_id

    def hand_over(self, batches: Sequence[Batch]) -> "asyncio.Future[None] | None":
        """
        Publish batches behind those that were handed over before, and do not wait for it.

        Args:
            batches: whose values fit, see :func:`~relay.arrival.fit`.

        Returns:
            What is done when they are visible; ``None``: they are.

        Raises:
            ChannelLimitError: as of :meth:`publish`.
        """
        self.admit(batch.channel for batch in batches if self._brings_channel(batch))
        if self._store is None:
            self._show(self._number(batches))
            return None
        published = asyncio.get_running_loop().create_future()
        self._waiting.append((batches, published))
        self._waiting_bytes += _text_bytes(batches)
        if self._committer is None:
            self._committer = asyncio.create_task(self._commit(self._store))
        return published

    @property
    def is_crowded(self) -> bool:
        """Whether more waits than one commit takes."""
        return self._waiting_bytes > MAX_GROUP_BYTES

    def _brings_channel(self, batch: Batch) -> bool:
        """
        Tell whether a batch's channel is to be there.

        It is from its source's first position on, before its first line; but where a reader
        stands does not bring back a channel that was forgotten.
        """
        if not batch.is_position:
            return True
        return batch.channel != "" and batch.channel not in self._forgotten

    def admit(self, channels: Iterable[str]) -> None:
        """
        Make the channels of these names that are not there.

        Raises:
            ChannelLimitError: there is no room for all of them; then none is made.
        """
        new = {name: None for name in channels if name not in self.channels}
        if not new:
            return
        if self._max_channels is not None:
            room = max(0, self._max_channels - len(self.channels))
            if len(new) > room:
                raise ChannelLimitError(self._max_channels, list(new)[room:])
        for name in new:
            self._channel(name)

    async def _commit(self, store: Store) -> None:
        """Commit group after group until nothing waits."""
        while self._waiting:
            waiting = self._take_group()
            try:
                await self._commit_group(store, waiting)
            except Exception as error:
                # The border of a task that nobody waits for: who published is told.
                log.exception("a group was not published")
                for _, published in waiting:
                    if not published.done():
                        published.set_exception(error)
        self._committer = None

    async def _commit_group(self, store: Store, waiting: "list[_Waiting]") -> None:
        group = self._number(batch for batches, _ in waiting for batch in batches)
        is_stored = await store.commit(group)
        self._show(group)
        if is_stored:
            self.note_stored(group)
        for _, published in waiting:
            if not published.done():
                published.set_result(None)

    async def settle(self) -> None:
        """Return when all that was published is visible."""
        if self._committer is not None:
            await asyncio.wait([self._committer])

    def note_stored(self, group: Group) -> None:
        """Take note that the store has a group that is visible."""
        for item in group.items:
            if isinstance(item, Start | Counted):
                continue
            channel = self._channel(item.channel)
            channel.stored_id = item.last_id
            if isinstance(item, Block):
                channel.stored_seq = item.last_seq

    def _take_group(self) -> "list[_Waiting]":
        size = count = 0
        for batches, _ in self._waiting:
            count += 1
            size += _text_bytes(batches)
            if size >= MAX_GROUP_BYTES:
                break
        group, self._waiting = self._waiting[:count], self._waiting[count:]
        self._waiting_bytes -= size
        return group

    def _number(self, batches: Iterable[Batch]) -> Group:
        """Give ids and seqs, and find levels."""
        group = Group()
        arrival_ns = self._clock()
        next_id = max(self._numbered_id + 1, arrival_ns // 1000)
        for batch in batches:
            if self._brings_channel(batch):
                self._channel(batch.channel)
            if batch.lines:
                channel = self._channel(batch.channel)
                first_seq = channel.numbered_seq + 1
                group.items.append(block_of(batch, next_id, first_seq, arrival_ns))
                channel.numbered_seq += batch.lines.count
                next_id += batch.lines.count
            for change in batch.runs:
                if isinstance(change, RunStarted):
                    group.items.append(Start(batch.channel, batch.source, change))
                elif isinstance(change, RunCounted):
                    group.items.append(Counted(batch.channel, change))
                else:
                    group.items.append(ending_of(next_id, batch.channel, change))
                    next_id += 1
            if batch.loss is not None:
                group.items.append(DeclaredLoss(next_id, batch.channel, batch.loss))
                next_id += 1
            if batch.position is not None:
                group.positions[batch.source, batch.reader] = batch.position
        self._numbered_id = next_id - 1
        return group

    def _channel(self, name: str) -> Channel:
        """Return a channel, made if it is new; subscriptions that it matches take it in."""
        channel = self.channels.get(name)
        if channel is None:
            channel = self._forgotten.pop(name, None) or self._new_channel(name)
            self.channels[name] = channel
            for subscription in self._by_name:
                if not subscription.query.runs and subscription.query.selects(name):
                    channel.subscriptions.add(subscription)
        return channel

    def _new_channel(self, name: str) -> Channel:
        bounds = self._bounds(name)
        channel = Channel(name, bounds.lines, bounds.bytes, self.last_id)
        if self._store is not None:
            channel.back()
        return channel

    def forget(self, name: str) -> None:
        """
        Drop a channel with all that it holds, but for its last seq and id.

        If it comes again it goes on counting, and whoever read it before is told of the gap.
        One with lines that are still on their way into it stays.
        """
        channel = self.channels[name]
        if channel.numbered_seq != channel.last_seq:
            return
        for run in list(channel.runs):
            self._forget_run(channel, run)
        channel.forget()
        if self._store is not None:
            self._store.forget(channel.stored())
        self._forgotten[name] = self.channels.pop(name)
        if len(self._forgotten) > MAX_FORGOTTEN:
            dropped = next(iter(self._forgotten))
            del self._forgotten[dropped]
            if self._store is not None:
                self._store.drop(dropped)

    def _show(self, group: Group) -> None:
        """Make a group visible, in the order of ids, and wake who waits for it."""
        seqs_before: dict[Channel, int] = {}
        started: set[Channel] = set()
        id_before = self.last_id
        for item in group.items:
            channel = self._channel(item.channel)
            if isinstance(item, Start):
                self._start_run(channel, item)
                started.add(channel)
                continue
            if isinstance(item, Counted):
                count_run(self.runs, item)
                continue
            seqs_before.setdefault(channel, channel.last_seq)
            if isinstance(item, Ending):
                self._end_run(channel, item, seqs_before)
            elif isinstance(item, Block):
                self._count(channel, item)
                channel.append(item)
            else:
                channel.append(item)
            self.last_id = item.last_id
        for channel in started.union(seqs_before):
            for run in channel.gone_runs():
                self._forget_run(channel, run)
        for channel, seq_before in seqs_before.items():
            for subscription in channel.subscriptions:
                subscription.notify(channel, seq_before, id_before)
            for subscription in self._everywhere:
                subscription.notify(channel, seq_before, id_before)

    def _count(self, channel: Channel, block: Block) -> None:
        channel.lines.add(block.count)
        channel.bytes.add(len(block.lines.text))
        for run in enter_runs(self.runs, Span(block, 0, block.count)):
            self._join_run(channel, run)

    def _join_run(self, channel: Channel, run: Run) -> None:
        """Let a channel have a run; subscriptions to the run take the channel in."""
        if run.id in channel.runs:
            return
        channel.runs[run.id] = run
        for subscription in self._by_name:
            if subscription.query.runs and self._selects(subscription.query, channel):
                channel.subscriptions.add(subscription)

    def _start_run(self, channel: Channel, start: Start) -> None:
        for name in start_run(self.runs, start, self.last_id):
            self._channel(name).reopen(start.change.run)
        self._join_run(channel, self.runs[start.change.run])

    def _end_run(self, channel: Channel, ending: Ending, seqs_before: dict[Channel, int]) -> None:
        run = end_run(self.runs, ending)
        self._join_run(channel, run)
        for name in run.last_ids:
            member = self._channel(name)
            seqs_before.setdefault(member, member.last_seq)
            member.end(ending)

    def _forget_run(self, channel: Channel, name: str) -> None:
        if name not in self.runs:
            return
        leave_run(self.runs, name, channel.name)
        if self._store is not None:
            self._store.forget_run(name, channel.name)

    def subscribe(self, query: Query, cursor: int, since_ns: int | None = None) -> Subscription:
        """
        Return a subscription; it follows from when it is entered as a context manager.

        Args:
            query: what the reader asks for.
            cursor: the id after which it starts; at most :attr:`last_id`.
            since_ns: where this is all that the reader asked for, what left is not declared in
                channels that still hold everything from this time on.
        """
        return Subscription(self, query, cursor, since_ns)

    def attach(self, subscription: Subscription) -> None:
        """Let a subscription follow its channels, and those to come."""
        query = subscription.query
        if not query.channels and not query.runs:
            self._everywhere.add(subscription)
        else:
            self._by_name.add(subscription)
        for channel in self.selected(query):
            if subscription in self._by_name:
                channel.subscriptions.add(subscription)
            subscription.follow(channel)
        for channel in self.channels.values():
            # Its run may have been there, and be forgotten since: then it is told what left.
            if (
                query.runs
                and channel.forgotten_run_id > subscription.cursor
                and query.selects(channel.name)
                and not self._selects(query, channel)
            ):
                subscription.follow(channel)
        for channel in self._forgotten.values():
            # Whoever had not read all of it is told so, also if it does not come again.
            if channel.last_id > subscription.cursor and self._selects(query, channel):
                subscription.follow(channel)

    def detach(self, subscription: Subscription) -> None:
        """Let a subscription go."""
        self._everywhere.discard(subscription)
        if subscription in self._by_name:
            self._by_name.discard(subscription)
            for channel in self.channels.values():
                channel.subscriptions.discard(subscription)

    @property
    def subscriptions(self) -> list[Subscription]:
        """All that follow now."""
        return [*self._everywhere, *self._by_name]

    def selected(self, query: Query) -> list[Channel]:
        """Return the channels that a query reads from, by name."""
        return [
            self.channels[name]
            for name in sorted(self.channels)
            if self._selects(query, self.channels[name])
        ]

    def _selects(self, query: Query, channel: Channel) -> bool:
        if not query.selects(channel.name):
            return False
        return not query.runs or any(query.selects_run(run) for run in channel.runs)

    def channel(self, name: str) -> Channel:
        """
        Return a channel.

        Raises:
            NotFoundError: there is none of that name.
        """
        if name not in self.channels:
            raise NotFoundError("channel", name, near(name, self.channels))
        return self.channels[name]

    def run(self, name: str) -> Run:
        """
        Return a run.

        Raises:
            NotFoundError: none of that id is known.
        """
        if name not in self.runs:
            raise NotFoundError("run", name, near(name, self.runs))
        return self.runs[name]


def _text_bytes(batches: Sequence[Batch]) -> int:
    return sum(len(batch.lines.text) for batch in batches)


def _id(ending: Ending) -> int:
    return ending.id
