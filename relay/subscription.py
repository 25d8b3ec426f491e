"""
A query and a cursor: what one reader still has to be given.

Rules of this file:

* It holds no queue: only its cursor and, for channels with news, the last seq that it passed
  there. A slow reader costs what an idle one does.
* What it gives is in the order of ids over all of its channels, and before anything with id
  *n* every loss in (cursor, *n*) has been declared. So whatever lies at or below an id that
  was delivered, was delivered or declared.
* A loss that can be counted and placed is cut where another channel's id falls between, and
  has the id of its last entry. Any other is declared as a whole before anything else, with
  the reader's cursor as its id: a reader that resumes inside it is told the rest again.
* What no ring holds any more is read from the store, some of each channel at a time; what is
  given of the others then goes no further than that.
"""

import asyncio
import heapq
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Self

from relay.block import DeclaredLoss
from relay.channel import Channel
from relay.entry import Gap, Reason
from relay.marks import Missing
from relay.pieces import Behind, Head, cut, declared, extended, goes_on, is_all, is_whole, whole
from relay.query import Query
from relay.run import Ending
from relay.span import Span
from relay.storage import Store, Stretch, Wanted

if TYPE_CHECKING:
    from relay.hub import Hub

__all__ = ["Delivery", "Span", "Subscription"]

MAX_STRETCH_BYTES = 1024 * 1024
"""Text of all channels together that is read from the store at a time."""

LEAST_STRETCH_BYTES = 16 * 1024
"""Text of one channel that is read at a time, however many there are."""

MAX_PIECES = 1000
"""Most deliveries of one read: many channels with a line each must not hold the loop."""


Delivery = Span | Gap | Ending
"""What a subscription gives: each has a ``last_id`` or ``id`` that a reader may resume after."""


class Subscription:
    """
    What one reader still has to be given; made by :meth:`relay.hub.Hub.subscribe`.

    Use as a context manager. ``await wait()`` returns when there is news, ``await read()``
    gives some of it.
    """

    def __init__(self, hub: "Hub", query: Query, cursor: int, since_ns: int | None = None) -> None:
        self._hub = hub
        self._since_ns = since_ns
        self.query = query
        self.cursor = cursor
        """Whatever has an id up to this was delivered, declared, or is not of the query."""
        self._news: dict[Channel, Behind] = {}
        self._stretches: dict[Channel, Stretch] = {}
        """What was read from the store and is not all given yet."""
        self._waiter: asyncio.Future[None] | None = None
        self.on_news: Callable[[], None] | None = None
        """Called for news that a reader waits for, instead of waking it: it may :meth:`take` it
        soon, and must :meth:`poke` where it does not."""
        self.closed = False

    def __enter__(self) -> Self:
        self._hub.attach(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop following; a reader that waits is woken."""
        self.closed = True
        self._hub.detach(self)
        self._news.clear()
        self._stretches.clear()
        self._wake()

    def follow(self, channel: Channel) -> None:
        """Look into a channel from the cursor on; the hub calls it when it attaches."""
        if channel.last_id <= self.cursor:
            return
        if self._since_ns is not None and channel.holds_since(self._since_ns):
            lost_until = max(channel.lost_until, self.cursor)
            self._news[channel] = Behind(channel.seq_at(lost_until), lost_until)
        else:
            self._news[channel] = Behind(channel.seq_at(self.cursor), self.cursor)

    def notify(self, channel: Channel, seq_before: int, id_before: int) -> None:
        """
        Take note of news; the hub calls it after each publishing.

        Args:
            channel: that has news.
            seq_before: seq of its last entry before the news.
            id_before: the hub's last id before the news.
        """
        if channel not in self._news:
            self._news[channel] = Behind(seq_before, id_before)
        if self._waiter is None:
            return
        if self.on_news is None:
            self._wake()
        else:
            self.on_news()

    @property
    def is_awaited(self) -> bool:
        """Whether there is news that a reader waits for, who has not been woken."""
        waiter = self._waiter
        return waiter is not None and not waiter.done() and bool(self._news)

    @property
    def has_news(self) -> bool:
        """Whether :meth:`read` would give something."""
        return bool(self._news)

    async def wait(self) -> None:
        """Return when there is news, when :meth:`poke` is called, or when it is closed."""
        if self._news or self.closed:
            return
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def poke(self) -> None:
        """Let :meth:`wait` return, for a heartbeat or the end."""
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def read(
        self, max_bytes: int = 256 * 1024, until: int | None = None
    ) -> "Sequence[Delivery]":
        """
        Return what comes next, and move the cursor behind it.

        Args:
            max_bytes: of text, after which it stops; at least one block is given.
            until: nothing with a greater id is given, and a gap is cut there; the cursor
                comes to it. ``None``: up to the end.

        Returns:
            Deliveries in the order of ids, which readers share; nothing where the reader has
            all there is.
        """
        if not self._news:
            self.cursor = max(self.cursor, self._hub.last_id)
            return []
        if until is None and (latest := self.take()) is not None:
            return latest
        stretches = await self._read_stored(until)
        deliveries: list[Delivery] = []
        for channel, behind in self._news.items():
            if until is None or behind.told < until:
                deliveries.extend(self._unplaceable(channel, behind))
        deliveries.extend(self._merge(max_bytes, until, stretches))
        return deliveries

    async def _read_stored(self, until: int | None) -> dict[Channel, Stretch]:
        """Return a stretch for each channel whose next entries only the store holds."""
        store = self._hub.store
        if store is None:
            return {}
        kept, self._stretches = self._stretches, {}
        while wanted := self._stored_news(until):
            unread = [one for one in wanted if not self._is_read(one, kept.get(one))]
            if not unread:
                self._stretches = {channel: kept[channel] for channel in wanted}
                break
            share = max(LEAST_STRETCH_BYTES, MAX_STRETCH_BYTES // len(wanted))
            for channel in unread:
                kept[channel] = await self._stretch(store, channel, wanted[channel], share)
        return self._stretches

    def _stored_news(self, until: int | None) -> dict[Channel, int]:
        """Return the channels with news that only the store holds, and up to which id."""
        found = {}
        for channel, behind in self._news.items():
            after = max(behind.told, self.cursor)
            stored_until = channel.stored_until(after)
            if stored_until and (until is None or after < until):
                found[channel] = stored_until
        return found

    def _is_read(self, channel: Channel, stretch: Stretch | None) -> bool:
        """Tell whether a stretch holds what comes next in a channel."""
        after = max(self._news[channel].told, self.cursor, channel.lost_until)
        return stretch is not None and stretch.after <= after < stretch.reach

    async def _stretch(
        self, store: Store, channel: Channel, until: int, max_bytes: int
    ) -> Stretch:
        after = max(self._news[channel].told, self.cursor, channel.lost_until)
        query = self.query
        while True:
            stretch = await store.read(
                Wanted(channel.name, after, until, query.since_ns, query.until_ns, max_bytes)
            )
            # What was pruned meanwhile may be missing from it, and is marked now.
            if channel.lost_until <= after:
                if stretch.reach <= after:
                    # It knows of nothing where it should: no reader may ask for it for ever.
                    lost = Missing(after + 1, until, None, 0, Reason.STORAGE, is_placed=False)
                    stretch = Stretch([lost], until)
                return replace(stretch, after=after)
            after = channel.lost_until
            until = max(until, after + 1)

    def take(self) -> "Sequence[Span] | None":
        """
        Return the newest block of the only channel with news, as one span, if that is all.

        It is what :meth:`read` would give, which need not be awaited for it.
        """
        if len(self._news) != 1:
            return None
        ((channel, behind),) = self._news.items()
        latest = channel.latest
        if latest is None or behind.passed != latest[0].block.first_seq - 1:
            return None
        if channel.last_id != latest[0].block.last_id or behind.told < channel.before_latest_id:
            return None
        self._news.clear()
        self.cursor = self._hub.last_id
        return latest

    def _unplaceable(self, channel: Channel, behind: Behind) -> "Iterator[Gap]":
        """Declare as a whole what cannot be counted, and what is older than all marks."""
        marks = channel.ring.marks
        lost_until = marks.left_id
        if lost_until <= behind.told:
            return
        if behind.passed is None:
            # It may have been in the store when the reader came, and be marked since.
            behind.passed = channel.seq_at(behind.told)
        losses, losses_at_least = marks.losses_between(behind.told, lost_until)
        marked_from = marks.first_seq or marks.last_seq + 1
        count: int | None = None
        if behind.passed is None:
            # Nobody knows what the reader had of what is forgotten; what is marked is certain.
            at_least = marks.last_seq + 1 - marked_from + losses_at_least
            at_least = max(at_least, int(marks.last_id > behind.told))
        elif losses is None:
            at_least = marks.last_seq - behind.passed + losses_at_least
        elif behind.passed + 1 < marked_from:
            # Counted by seq, but where among other channels it lay is forgotten.
            lost_until = marks.forgotten_id if marks.first_id is None else marks.first_id - 1
            losses, _ = marks.losses_between(behind.told, lost_until)
            count = at_least = marked_from - 1 - behind.passed + (losses or 0)
        else:
            return
        yield Gap(
            id=self.cursor,
            channel=channel.name,
            after=behind.told,
            until=lost_until,
            count=count,
            at_least=at_least,
            reason=Reason.EVICTED,
        )
        behind.told = lost_until
        behind.passed = marks.last_seq if count is None else marked_from - 1

    def _merge(
        self, max_bytes: int, until: int | None, stretches: dict[Channel, Stretch]
    ) -> "Iterator[Delivery]":
        """Give the channels' pieces in the order of ids, and keep the books."""
        parts = {one for one, stretch in stretches.items() if not is_all(one, stretch)}
        for channel in parts:
            reach = stretches[channel].reach
            until = reach if until is None else min(until, reach)
        heap = self._heads(stretches, parts)
        beyond = sys.maxsize if until is None else until + 1
        given_bytes = given = 0
        gap: Gap | None = None
        while heap and given_bytes < max_bytes and given < MAX_PIECES and heap[0].id < beyond:
            head = heap[0]
            limit = min([beyond, *[other.id for other in heap[1:3]]])
            piece, rest = cut(head.piece, limit)
            as_whole = isinstance(piece, Missing) and is_whole(piece, limit)
            if gap is not None and (as_whole or not goes_on(gap, head, piece)):
                yield gap
                gap = None
            if isinstance(piece, Missing) and as_whole:
                yield whole(piece, head, self.cursor)
            else:
                if isinstance(piece, Missing):
                    gap = extended(gap, piece, head.name, max(head.behind.told, self.cursor))
                else:
                    given_bytes += piece.text_bytes if isinstance(piece, Span) else 0
                    yield from self._given(piece)
                self.cursor = max(self.cursor, piece.last_id)
            given += 1
            head.pass_by(piece)
            if head.advance(rest):
                heapq.heapreplace(heap, head)
            else:
                heapq.heappop(heap)
                if head.channel not in parts:
                    del self._news[head.channel]
        if gap is not None:
            yield gap
        if until is not None and (not heap or heap[0].id >= beyond):
            self.cursor = max(self.cursor, min(until, self._hub.last_id))
        elif not heap:
            self.cursor = max(self.cursor, self._hub.last_id)

    def _given(self, piece: "Span | DeclaredLoss | Ending") -> "Iterator[Delivery]":
        if isinstance(piece, DeclaredLoss):
            yield declared(piece)
        elif isinstance(piece, Span) or piece.id > self.cursor:
            # A run of several channels stands in each of them, and ends once.
            yield piece

    def _heads(self, stretches: dict[Channel, Stretch], parts: set[Channel]) -> "list[Head]":
        """
        Return a heap of the channels with news by their next id; others have none.

        Args:
            stretches: what was read from the store.
            parts: the channels of which there is more in the store.
        """
        heads = []
        for channel, behind in list(self._news.items()):
            head = Head(channel, behind, self.cursor, stretches.get(channel))
            if head.advance(None):
                heads.append(head)
            elif channel not in parts:
                del self._news[channel]
        heapq.heapify(heads)
        return heads
