"""
A channel: a name, a ring of blocks, its runs, and who waits for news of it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from relay.block import Block, DeclaredLoss
from relay.entry import Reason
from relay.marks import Marks, Missing
from relay.meter import Meter
from relay.ring import Item, Ring
from relay.run import Ending, Run
from relay.span import Span
from relay.storage import StoredChannel

if TYPE_CHECKING:
    from relay.subscription import Subscription

__all__ = ["Channel", "Lost"]

MAX_RUNS = 20_000
"""Runs that one channel knows: lines and pushes may name them without ever ending one."""

MAX_ENDED_RUNS = 10_000
"""Ended runs that one channel keeps, however short they were."""


@dataclass(frozen=True, slots=True)
class Lost:
    """
    Where what the store lets go of ends.

    Args:
        last_id: of its last entry, loss or run ending.
        last_seq: of its last entry.
        newest_ns: its newest timestamp; ``None`` where it has no entry.
    """

    last_id: int
    last_seq: int
    newest_ns: int | None


class Channel:
    """
    One named channel.

    Args:
        name: by the rule of :mod:`relay.names`.
        max_lines: of its ring.
        max_bytes: of its ring.
        born_id: the hub's last id when it was made: all of its entries come after it.
    """

    def __init__(self, name: str, max_lines: int, max_bytes: int, born_id: int) -> None:
        self.name = name
        self.ring = Ring(max_lines, max_bytes)
        self.born_id = born_id
        self.numbered_seq = 0
        """The last seq that was given out; visible only once its block is in the ring."""
        self.last_seq = 0
        self.last_id = born_id
        """Id of the last entry, loss or run ending that is visible."""
        self.before_latest_id = born_id
        self.forgotten_ns: int | None = None
        """Newest timestamp of the last block that it held when it was forgotten."""
        self.latest: list[Span] | None = None
        """The newest block as all readers at the tail are given it."""
        self.lines = Meter()
        self.bytes = Meter()
        self.forgotten_run_id = 0
        """Id of the newest run ending that is no longer kept."""
        self.stored_id = born_id
        """With a store: everything up to this id is held there, but for what was pruned."""
        self.stored_seq = 0
        """Seq of the last entry that the store has taken."""
        self.stored_oldest_ns: int | None = None
        """Oldest timestamp that the store held when the relay started."""
        self.newest_ns: int | None = None
        """Newest timestamp of its last block."""
        self.lost_ns: int | None = None
        """Newest timestamp of what the store has let go of since."""
        self.runs: dict[str, Run] = {}
        self.endings: list[Ending] = []
        self.subscriptions: set[Subscription] = set()

    def back(self) -> None:
        """Let a store hold what leaves the ring; called before anything is in it."""
        self.ring.left = Marks()

    def restore(self, stored: StoredChannel) -> None:
        """Go on where an earlier life ended: its ring is empty, all that is held is stored."""
        self.back()
        assert self.ring.left is not None
        self.numbered_seq = self.last_seq = self.stored_seq = stored.last_seq
        self.last_id = self.before_latest_id = self.stored_id = stored.last_id
        self.forgotten_ns, self.stored_oldest_ns = stored.forgotten_ns, stored.oldest_ns
        self.newest_ns = stored.newest_ns
        self.ring.left.begin_after(stored.last_id, stored.last_seq)
        if stored.first_seq > 1 or stored.lost_id:
            lost_id = stored.lost_id or stored.first_id - 1
            self.ring.marks.begin_after(lost_id, stored.first_seq - 1)

    def append(self, item: Item) -> None:
        """Make a block or loss visible."""
        self.ring.append(item)
        self.before_latest_id = self.last_id
        self.last_id = item.last_id
        if isinstance(item, Block):
            self.last_seq = item.last_seq
            self.newest_ns = item.newest_ns
            self.latest = [Span(item, 0, item.count)]

    def end(self, ending: Ending) -> None:
        """Make a run's ending visible."""
        self.endings.append(ending)
        self.last_id = ending.id

    def reopen(self, run: str) -> None:
        """Take back the ending of a run whose name came again."""
        self.endings = [ending for ending in self.endings if ending.run != run]

    def forget(self) -> None:
        """Let go of all that is held; ids and seqs go on when there is news again."""
        if self.ring.last_block is not None:
            self.forgotten_ns = self.ring.last_block.newest_ns
        self.ring.clear()
        if self.ring.left is not None:
            self.ring.left.forget()
            self.ring.marks.begin_after(self.last_id, self.last_seq)
            self.stored_oldest_ns = self.lost_ns = None
        self.ring.marks.forget()
        self.latest = None
        self.before_latest_id = self.last_id
        self.runs.clear()
        self.endings.clear()
        self.subscriptions.clear()

    def stored(self) -> StoredChannel:
        """Return what a store remembers of it once it is forgotten."""
        return StoredChannel(
            name=self.name,
            born_id=self.born_id,
            last_id=self.last_id,
            last_seq=self.last_seq,
            first_id=self.last_id + 1,
            first_seq=self.last_seq + 1,
            forgotten_ns=self.forgotten_ns or 0,
            lost_id=self.last_id,
        )

    def gone_runs(self) -> list[str]:
        """Forget ended runs that have no entry here any more, oldest first, and return them."""
        gone = 0
        held_after = self.ring.marks.last_id
        for ending in self.endings:
            if len(self.endings) - gone <= MAX_ENDED_RUNS and (
                # Until the ending itself has left, and who follows the run was told of it.
                ending.id > held_after or self._is_awaited(ending)
            ):
                break
            gone += 1
        names = [ending.run for ending in self.endings[:gone]]
        if gone:
            self.forgotten_run_id = self.endings[gone - 1].id
            del self.endings[:gone]
        if len(self.runs) > MAX_RUNS:
            names += self._never_ended(held_after)
        for name in names:
            self.runs.pop(name, None)
        return names

    def _is_awaited(self, ending: Ending) -> bool:
        return any(
            one.cursor < ending.id and one.query.runs and one.query.selects_run(ending.run)
            for one in self.subscriptions
        )

    def _never_ended(self, held_after: int) -> list[str]:
        """
        Return the oldest runs that are under way and too many, those without entries first.

        A tenth more than is needed, so that not every publishing looks at them all again.
        """
        running = [name for name, run in self.runs.items() if run.ending_id is None]
        last = {name: self.runs[name].last_ids.get(self.name, 0) for name in running}
        running.sort(key=lambda name: last[name] > held_after)
        return running[: len(self.runs) - MAX_RUNS + MAX_RUNS // 10]

    def seq_at(self, cursor: int) -> int | None:
        """
        Return the seq of the last entry whose id is at most ``cursor``.

        Returns:
            ``None`` where entries were forgotten that the cursor may or may not have passed.
        """
        if cursor >= self.last_id:
            return self.last_seq
        if cursor <= self.born_id:
            return 0
        return self.ring.seq_at(cursor)

    def missing_after(self, cursor: int) -> Iterator[Missing]:
        """Iterate over what left with an id greater than ``cursor`` and is still marked."""
        return self.ring.marks.after(cursor)

    @property
    def held_lines(self) -> int:
        """How many entries are held, in the ring and in the store, but for holes."""
        return self.last_seq - self.ring.marks.last_seq

    @property
    def first_id(self) -> int:
        """Nothing that is held has a lesser id."""
        first = self.ring.first_block
        if self.ring.left is None and first is not None:
            return first.first_id
        return max(self.lost_until, self.born_id) + 1

    @property
    def oldest_ns(self) -> int | None:
        """Oldest timestamp of what is held, about; ``None`` where nothing is."""
        if not self.held_lines:
            return None
        if self.has_stored and (self.lost_ns or self.stored_oldest_ns) is not None:
            return self.lost_ns or self.stored_oldest_ns
        first = self.ring.first_block
        return None if first is None else first.oldest_ns

    def holds_since(self, since_ns: int) -> bool:
        """Tell whether everything from a time on is held, as far as anybody knows."""
        if self.lost_ns is not None:
            return self.lost_ns < since_ns
        if self.stored_oldest_ns is not None:
            return self.stored_oldest_ns < since_ns
        if self.has_stored:
            return True
        first = self.ring.first_block
        oldest_ns = self.forgotten_ns if first is None else first.oldest_ns
        return oldest_ns is not None and oldest_ns < since_ns

    @property
    def lost_until(self) -> int:
        """Id of the newest entry or loss that is gone, and older than all that is held."""
        return self.ring.marks.left_id

    @property
    def left_id(self) -> int:
        """Id of the newest entry or loss that has left the ring, wherever it is now."""
        return (self.ring.left or self.ring.marks).left_id

    def lose(
        self,
        until: Lost,
        items: Iterable[Block | DeclaredLoss | Missing] | None,
    ) -> None:
        """
        Take note that the store lets go of the oldest that it holds.

        Args:
            until: nothing up to here is held any more.
            items: what goes, in the order of ids; ``None``: the channel knows it itself.
        """
        marks, left = self.ring.marks, self.ring.left
        if items is None and left is not None:
            left.copy_to(marks, until.last_id)
        for item in items or ():
            if item.last_id > marks.left_id:
                self._lose(item)
        marks.last_seq = max(marks.last_seq, until.last_seq)
        if until.newest_ns is not None:
            self.lost_ns = max(until.newest_ns, self.lost_ns or until.newest_ns)

    def _lose(self, item: Block | DeclaredLoss | Missing) -> None:
        if isinstance(item, Missing):
            # Where in it its entries were is not known: nobody who was inside can be told a count.
            self.ring.marks.add_loss(item.last_id, None, 0)
        else:
            self.ring.marks.add(item)

    @property
    def has_stored(self) -> bool:
        """Whether the store holds entries of it."""
        return self.ring.left is not None and self.stored_seq > self.ring.marks.last_seq

    def knows_from(self, id_: int) -> bool:
        """Tell whether the channel itself knows the ids of all that left from this id on."""
        return self.ring.left is not None and self.ring.left.knows_from(id_)

    def stored_until(self, cursor: int) -> int:
        """
        Return the id up to which what comes after ``cursor`` is read from the store.

        Returns:
            0 where nothing after it is only there.
        """
        left = self.ring.left
        if left is None:
            return 0
        until = min(left.left_id, self.stored_id)
        return until if until > max(cursor, self.lost_until) else 0

    def unstored_after(self, cursor: int) -> Iterator[Missing]:
        """Iterate over what left after ``cursor`` while the store could not take it."""
        left, start = self.ring.left, max(cursor, self.stored_id)
        if left is None or left.left_id <= start:
            return
        if left.forgotten_id > start:
            count = left.forgotten_seq - self.stored_seq if cursor <= self.stored_id else None
            yield Missing(
                start + 1, left.forgotten_id, count, count or 0, Reason.STORAGE, is_placed=False
            )
            start = left.forgotten_id
        for piece in left.after(start):
            yield replace(piece, reason=Reason.STORAGE)

    def refined(self, hole: Missing) -> list[Missing]:
        """Return a hole in the store as what is known of it: the very ids, in this life."""
        left = self.ring.left
        if left is None:
            return [hole]
        hole = self._without_held(hole, left.left_id)
        if not left.knows_from(hole.first_id):
            return [hole] if hole.count != 0 else []
        pieces = [
            replace(piece, reason=hole.reason)
            for piece in left.after(hole.first_id - 1)
            if piece.last_id <= hole.last_id and piece.first_id >= hole.first_id
        ]
        # One that is not whole lies in what is damaged: of that nobody knows more.
        is_whole = hole.count is None or sum(piece.at_least for piece in pieces) == hole.count
        return pieces if is_whole else [hole]

    def _without_held(self, hole: Missing, left_id: int) -> Missing:
        """Return the part of a hole that the ring does not hold: that is not missing."""
        held = [item for item in self.ring.after(left_id) if item.first_id <= hole.last_id]
        if not held:
            return hole
        count = sum(
            item.index_after(hole.last_id) if isinstance(item, Block) else item.loss.at_least
            for item in held
        )
        return replace(
            hole,
            last_id=left_id,
            count=None if hole.count is None else max(0, hole.count - count),
            at_least=max(0, hole.at_least - count),
        )

    def endings_after(self, cursor: int) -> list[Ending]:
        """Return the run endings with an id greater than ``cursor``, oldest first."""
        if not self.endings or self.endings[-1].id <= cursor:
            return []
        return self.endings[bisect_right(self.endings, cursor, key=_id) :]

    def blocks_before(self, id_: int) -> Iterator[Block]:
        """Iterate over the blocks with an entry before ``id_``, newest first."""
        for item in self.ring.before(id_):
            if not isinstance(item, DeclaredLoss):
                yield item


def _id(ending: Ending) -> int:
    return ending.id
