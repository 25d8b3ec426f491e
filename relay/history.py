"""
What is held, read once: pages, and where the newest entries of a query begin.

Rule of this file: blocks are looked at in the order of ids, newest first where the newest are
wanted, and no more of them than the answer needs. Long searches are cut into turns.
"""

import heapq
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import compress, pairwise

from relay.backward import newest_first
from relay.block import Block
from relay.channel import Channel
from relay.entry import Gap, Reason
from relay.hub import Hub
from relay.marks import Missing
from relay.matcher import MatchCache
from relay.query import Query
from relay.run import Ending
from relay.selection import ALL, NONE, Selection, count, indexes
from relay.span import Span
from relay.storage import Store, Wanted
from relay.turn import Turn

__all__ = [
    "Bounds",
    "Page",
    "Picked",
    "add_context",
    "count_matches",
    "newest_cursor",
    "read_page",
]


MAX_PAGE_BYTES = 32 * 1024 * 1024
"""Text of the blocks that a page may be made of: ten thousand entries of 1 MiB are no page."""


MAX_CONTEXT_ENTRIES = 10_000
"""Of a page with neighbours."""


@dataclass(frozen=True, slots=True)
class Picked:
    """Entries of a span that were chosen for a page."""

    span: Span
    selection: Selection


@dataclass(slots=True)
class Page:
    """
    A page of history.

    Args:
        picked: its entries, ascending.
        gaps: what lies between and can no longer be had.
        endings: run endings that were passed.
        count: how many entries it has.
        total: how many are held and match; ``None`` where that was not asked for.
        truncated: whether more match than it has.
        cursor: the id after which the next page starts.
    """

    picked: list[Picked] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    count: int = 0
    total: int | None = None
    truncated: bool = False
    cursor: int = 0


async def newest_cursor(
    hub: Hub,
    matches: MatchCache,
    query: Query,
    most: int,
    before: int | None = None,
    max_bytes: int | None = None,
) -> tuple[int, bool]:
    """
    Return the cursor after which exactly the newest ``most`` entries of a query lie.

    Args:
        hub: of which channels.
        matches: decides which entries match.
        query: whose entries.
        most: how many.
        before: only entries with a lesser id; ``None``: all.
        max_bytes: of text, about, beyond which older entries are left out.

    Returns:
        The id before the first of them, and whether there are older ones that match. Where
        none match, the end: the last visible id, or ``before - 1``. Where there are fewer and
        a channel's store cannot be read, the id before all that is held of the channel: who
        goes on from there is told of it by a gap.
    """
    end = hub.last_id if before is None else min(hub.last_id, before - 1)
    newest: list[int] = []
    unread: list[Channel] = []
    text_bytes = 0
    turn = Turn()
    async for block in newest_first(hub, hub.selected(query), end, query, unread):
        if len(newest) > most and block.last_id < newest[0]:
            break
        if newest and max_bytes is not None and text_bytes > max_bytes:
            return newest[0] - (len(newest) <= most), True
        ids = _last_ids(block, matches.select(block, query), end, most + 1)
        text_bytes += len(block.lines.text) * len(ids) // block.count
        for id_ in ids:
            if len(newest) <= most:
                heapq.heappush(newest, id_)
            elif id_ > newest[0]:
                heapq.heapreplace(newest, id_)
            else:
                break
        await turn.end_if_over()
    if len(newest) > most:
        # One more than wanted was looked for: it is the last that does not belong.
        return newest[0], True
    cursor = newest[0] - 1 if newest else end
    return min([cursor, *[channel.first_id - 1 for channel in unread]]), bool(unread)


def _last_ids(block: Block, selection: Selection, end: int, most: int) -> list[int]:
    """Return the ids of the last selected entries of a block up to ``end``, newest first."""
    if selection is NONE:
        return []
    stop = block.index_after(end)
    if selection is ALL:
        return list(block.id_range(max(0, stop - most), stop))[::-1]
    ids = list(compress(block.id_range(0, stop), selection[:stop]))
    return ids[-1 : -most - 1 : -1]


@dataclass(frozen=True, slots=True)
class Bounds:
    """
    Which entries a page is made of.

    Args:
        after: entries with a greater id.
        until: entries with at most this id.
        limit: how many are returned.
        offset: how many matching entries are passed over first.
        declare_lost: whether the reader named the cursor, and is told what left since.
    """

    after: int
    until: int
    limit: int
    offset: int = 0
    declare_lost: bool = False


async def read_page(hub: Hub, matches: MatchCache, query: Query, bounds: Bounds) -> Page:
    """
    Read a page forward.

    Args:
        hub: of which channels.
        matches: decides which entries match.
        query: whose entries.
        bounds: from where, and how many.
    """
    page = _Reading(query, bounds)
    turn = Turn()
    with hub.subscribe(query, bounds.after) as subscription:
        while subscription.cursor < bounds.until and not page.is_full:
            for delivery in await subscription.read(until=bounds.until):
                if isinstance(delivery, Span):
                    page.take(delivery, matches.select(delivery.block, query))
                    if page.is_full:
                        break
                    await turn.end_if_over()
                else:
                    page.note(delivery)
    return page.close()


class _Reading:
    """A page that is being filled."""

    def __init__(self, query: Query, bounds: Bounds) -> None:
        self._query = query
        self._bounds = bounds
        self._left_out = bounds.offset
        self._page = Page(cursor=bounds.until)
        self._last_id = bounds.after
        self._text_bytes = 0

    @property
    def is_full(self) -> bool:
        """Whether more matches than fit have been seen."""
        return self._page.truncated

    def take(self, span: Span, selection: Selection) -> None:
        """Add what is selected of a span, as far as there is room."""
        page, bounds = self._page, self._bounds
        stop = min(span.stop, span.block.index_after(bounds.until))
        chosen = indexes(selection, span.start, stop)
        if self._left_out:
            left_out = min(self._left_out, len(chosen))
            self._left_out -= left_out
            chosen = chosen[left_out:]
        if len(chosen) > bounds.limit - page.count:
            page.truncated = True
            chosen = chosen[: bounds.limit - page.count]
        if not chosen:
            return
        page.count += len(chosen)
        self._text_bytes += span.text_bytes
        if self._text_bytes > MAX_PAGE_BYTES:
            page.truncated = True
        self._last_id = span.block.id_at(chosen[-1])
        page.picked.append(Picked(Span(span.block, chosen[0], chosen[-1] + 1), selection))

    def note(self, delivery: Gap | Ending) -> None:
        """Add a gap or the end of a run."""
        if isinstance(delivery, Ending):
            if self._query.selects_run(delivery.run):
                self._page.endings.append(delivery)
        elif self._bounds.declare_lost or delivery.reason is not Reason.EVICTED:
            self._page.gaps.append(delivery)

    def close(self) -> Page:
        """Return the page; what lies behind its last entry belongs to the next."""
        page = self._page
        page.cursor = max(page.cursor, self._bounds.after)
        if page.truncated:
            page.cursor = self._last_id
            page.gaps = [gap for gap in page.gaps if gap.id <= page.cursor]
            page.endings = [ending for ending in page.endings if ending.id <= page.cursor]
        return page


async def count_matches(hub: Hub, matches: MatchCache, query: Query) -> int | None:
    """
    Return how many held entries match; where only channels are named, without looking.

    ``None``: the store cannot be read.
    """
    channels = hub.selected(query)
    if query.is_plain:
        counts = [await _held_lines(hub, channel) for channel in channels]
        known = [one for one in counts if one is not None]
        return sum(known) if len(known) == len(counts) else None
    total = 0
    unread: list[Channel] = []
    turn = Turn()
    async for block in newest_first(hub, channels, hub.last_id, query, unread):
        total += count(matches.select(block, query), 0, block.count)
        await turn.end_if_over()
    return None if unread else total


async def _held_lines(hub: Hub, channel: Channel) -> int | None:
    if hub.store is None:
        return channel.ring.lines
    stored_id = channel.stored_id
    unstored = [
        item.count - item.index_after(stored_id)
        for item in channel.ring.after(stored_id)
        if isinstance(item, Block)
    ]
    extent = await hub.store.extent(channel.name)
    return None if extent is None else extent.entries + sum(unstored)


async def add_context(hub: Hub, page: Page, lines: int) -> None:
    """
    Add to a page the neighbours of its entries, up to :data:`MAX_CONTEXT_ENTRIES` in all.

    Neighbours that the store has and cannot be read are told of by a gap.

    Args:
        hub: whose channels.
        page: is changed; its cursor stays.
        lines: how many neighbours before and after each entry, of the same channel.
    """
    intervals = _intervals(page.picked, lines)
    blocks = {name: await _around(hub, name, wanted, page) for name, wanted in intervals.items()}
    page.gaps.sort(key=lambda gap: gap.id)
    room = MAX_CONTEXT_ENTRIES
    around: list[Picked] = []
    turn = Turn()
    for name, wanted in intervals.items():
        seen = 0
        for block in blocks[name]:
            for start, stop in _inside(block, wanted):
                # Blocks of the store may overlap those of the ring.
                start = max(start, seen + 1 - block.first_seq)
                if start >= stop:
                    continue
                stop = min(stop, start + room)
                room -= stop - start
                around.extend(_by_ids(block, start, stop))
            seen = max(seen, block.last_seq)
            await turn.end_if_over()
    page.picked = sorted(around, key=lambda one: one.span.first_id)


_BySeqs = dict[tuple[int, int], Block]
"""Blocks of a channel by first and last seq: what the store holds is cut elsewhere."""


def _by_seqs(blocks: Iterable[Block]) -> _BySeqs:
    return {(one.first_seq, one.last_seq): one for one in blocks}


async def _around(hub: Hub, name: str, wanted: list[tuple[int, int]], page: Page) -> list[Block]:
    """Return blocks of a channel that hold the wanted seqs, as far as they are held, by seq."""
    held = _by_seqs(one.span.block for one in page.picked if one.span.block.channel == name)
    channel = hub.channels.get(name)
    if channel is not None:
        # What is held now is taken at once: it may leave while the rest is put together.
        held |= _by_seqs(channel.blocks_before(hub.last_id + 1))
        if hub.store is not None:
            page.gaps += await _add_stored(hub.store, channel, wanted, held)
    return sorted(held.values(), key=lambda one: (one.first_seq, -one.last_seq))


async def _add_stored(
    store: Store, channel: Channel, wanted: list[tuple[int, int]], held: _BySeqs
) -> list[Gap]:
    """
    Add what the store holds of the wanted seqs, beside the blocks that are there.

    Returns:
        What it holds and cannot be read.
    """
    unread: list[Gap] = []
    for start, stop in wanted:
        known = [one for one in held.values() if one.first_seq < stop and one.last_seq >= start]
        first = min(known, key=lambda one: one.first_seq)
        while first.first_seq > start:
            stretch = await store.read_back(Wanted(channel.name, 0, first.first_id - 1))
            if stretch.reach >= first.first_id:
                unread.append(_unread(channel, channel.first_id - 1, first.first_id - 1))
            if not (blocks := [one for one in stretch.items if isinstance(one, Block)]):
                break
            held |= _by_seqs(blocks)
            first = blocks[-1]
        last = max(known, key=lambda one: one.last_seq)
        while last.last_seq < stop - 1 and (until := channel.stored_until(last.last_id)):
            stretch = await store.read(Wanted(channel.name, last.last_id, until))
            if any(isinstance(one, Missing) for one in stretch.items):
                unread.append(_unread(channel, last.last_id, stretch.reach))
            if not (blocks := [one for one in stretch.items if isinstance(one, Block)]):
                break
            held |= _by_seqs(blocks)
            last = blocks[-1]
    return unread


def _unread(channel: Channel, after: int, until: int) -> Gap:
    """Return the gap of neighbours that are there and cannot be read: one at least."""
    return Gap(until, channel.name, after, until, None, 1, Reason.STORAGE)


def _intervals(picked: list[Picked], lines: int) -> dict[str, list[tuple[int, int]]]:
    """Return for each channel the seqs around its entries, from and up to, without overlap."""
    intervals: dict[str, list[tuple[int, int]]] = {}
    for one in picked:
        block, span = one.span.block, one.span
        merged = intervals.setdefault(block.channel, [])
        for index in indexes(one.selection, span.start, span.stop):
            seq = block.first_seq + index
            start, stop = max(1, seq - lines), seq + lines + 1
            if merged and start <= merged[-1][1]:
                merged[-1] = (merged[-1][0], stop)
            else:
                merged.append((start, stop))
    return intervals


def _inside(block: Block, wanted: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Give the parts of a block whose seqs are wanted, as indexes."""
    first, last = block.first_seq, block.last_seq
    for start, stop in wanted[max(0, bisect_right(wanted, (first,)) - 1) :]:
        if start > last:
            return
        if stop > first:
            yield max(start - first, 0), min(stop - first, block.count)


def _by_ids(block: Block, start: int, stop: int) -> Iterator[Picked]:
    """Cut entries where their ids leave room for those of other channels."""
    ids = block.id_range(start, stop)
    breaks = (
        [] if block.ids is None else [k for k in range(1, len(ids)) if ids[k] != ids[k - 1] + 1]
    )
    for first, end in pairwise([0, *breaks, len(ids)]):
        if first < end:
            yield Picked(Span(block, start + first, start + end), ALL)
