"""
A channel: a name, a ring of blocks, its runs, and who waits for news of it.
"""

from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING

from relay.block import Block, DeclaredLoss
from relay.marks import Missing
from relay.meter import Meter
from relay.ring import Item, Ring
from relay.run import Ending, Run
from relay.span import Span

if TYPE_CHECKING:
    from relay.subscription import Subscription

__all__ = ["Channel"]

MAX_RUNS = 20_000
"""Runs that one channel knows: lines and pushes may name them without ever ending one."""

MAX_ENDED_RUNS = 10_000
"""Ended runs that one channel keeps, however short they were."""


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
        self.runs: dict[str, Run] = {}
        self.endings: list[Ending] = []
        self.subscriptions: set[Subscription] = set()

    def append(self, item: Item) -> None:
        """Make a block or loss visible."""
        self.ring.append(item)
        self.before_latest_id = self.last_id
        self.last_id = item.last_id
        if isinstance(item, Block):
            self.last_seq = item.last_seq
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
        self.ring.marks.forget()
        self.latest = None
        self.before_latest_id = self.last_id
        self.runs.clear()
        self.endings.clear()
        self.subscriptions.clear()

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
