"""
What is remembered of entries that left: enough to count and place a gap.

A mark is (first id, first seq, count) of a run of entries with consecutive ids, as published.
A cursor inside or after the oldest mark gives an exact count; before it nobody can say which
of the forgotten entries it had passed.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from relay.block import Block, DeclaredLoss
from relay.entry import Reason

__all__ = ["Marks", "Missing"]

MAX_MARKS = 4096
"""Marks, and losses, that are kept for a channel."""


@dataclass(frozen=True, slots=True)
class Missing:
    """
    Entries, or a declared loss, that left; consecutive ids of one channel.

    Args:
        first_id: of the first.
        last_id: of the last.
        count: how many; ``None`` for a loss that nobody could count.
        at_least: how many are certain.
        reason: why they are gone.
        is_placed: whether each has an id of its own in ``first_id`` to ``last_id``; else it is
            only known that they lie between, and it cannot be cut.
    """

    first_id: int
    last_id: int
    count: int | None
    at_least: int
    reason: Reason = Reason.EVICTED
    is_placed: bool = True

    def cut(self, limit: int) -> "tuple[Missing, Missing]":
        """Split it before the id ``limit``, which lies within."""
        head = limit - self.first_id
        tail = self.last_id - limit + 1
        return (
            Missing(self.first_id, limit - 1, head, head, self.reason),
            Missing(limit, self.last_id, tail, tail, self.reason),
        )


class Marks:
    """
    Marks of one channel, oldest first. Adding costs O(1), looking up O(log marks).

    Args:
        most: how many are kept at least, and at most a quarter more.
    """

    __slots__ = (
        "_counts",
        "_ids",
        "_losses",
        "_most",
        "_seqs",
        "_slack",
        "forgotten_id",
        "forgotten_loss_id",
        "forgotten_seq",
        "last_id",
        "last_loss_id",
        "last_seq",
    )

    def __init__(self, most: int = MAX_MARKS) -> None:
        self._most = most
        self._slack = max(1, most // 4)
        self._ids: array[int] = array("Q")
        self._seqs: array[int] = array("Q")
        self._counts: array[int] = array("I")
        self._losses: list[Missing] = []
        self.forgotten_id = 0
        """Id of the newest entry that left and is no longer marked."""
        self.forgotten_seq = 0
        """Its seq."""
        self.forgotten_loss_id = 0
        """Id of the newest loss that is no longer kept."""
        self.last_loss_id = 0
        """Id of the last declared loss that left."""
        self.last_id = 0
        """Id of the last entry that left."""
        self.last_seq = 0
        """Its seq: how many entries of the channel have left."""

    def add(self, item: Block | DeclaredLoss) -> None:
        """Remember a block or a declared loss that left."""
        if isinstance(item, Block):
            self.add_ids(item.id_range(0, item.count), item.first_seq)
        else:
            self.add_loss(item.id, item.loss.count, item.loss.at_least, item.loss.reason)

    def add_ids(self, ids: Sequence[int], first_seq: int) -> None:
        """Remember entries with consecutive seqs, at least one, that are newer than all here."""
        if ids[-1] - ids[0] + 1 == len(ids):
            self.add_mark(ids[0], first_seq, len(ids))
            return
        starts = [0, *(k for k in range(1, len(ids)) if ids[k] != ids[k - 1] + 1), len(ids)]
        for start, stop in pairwise(starts):
            self.add_mark(ids[start], first_seq + start, stop - start)

    def add_mark(self, first_id: int, first_seq: int, count: int) -> None:
        """Remember entries with consecutive ids and seqs that are newer than all here."""
        self._ids.append(first_id)
        self._seqs.append(first_seq)
        self._counts.append(count)
        self.last_id = first_id + count - 1
        self.last_seq = first_seq + count - 1
        excess = len(self._ids) - self._most
        if excess >= self._slack:
            self.forgotten_seq = self._seqs[excess] - 1
            self.forgotten_id = self._ids[excess - 1] + self._counts[excess - 1] - 1
            del self._ids[:excess], self._seqs[:excess], self._counts[:excess]

    def knows_from(self, id_: int) -> bool:
        """Tell whether all that left from this id on is marked here."""
        return self.forgotten_id < id_ and self.forgotten_loss_id < id_

    def copy_to(self, other: "Marks", until: int) -> None:
        """Mark in ``other`` what left after all that it knows, up to an id."""
        first = bisect_right(self._ids, other.last_id)
        for index in range(first, bisect_right(self._ids, until)):
            other.add_mark(self._ids[index], self._seqs[index], self._counts[index])
        for loss in self._losses:
            if other.last_loss_id < loss.last_id <= until:
                other.add_loss(loss.last_id, loss.count, loss.at_least, loss.reason)

    def begin_after(self, id_: int, seq: int) -> None:
        """Take all up to an entry for gone and forgotten: an earlier life's, with losses."""
        self.last_id = self.forgotten_id = self.forgotten_loss_id = id_
        self.last_seq = self.forgotten_seq = seq
        self.last_loss_id = max(self.last_loss_id, id_)

    def add_loss(
        self, id_: int, count: int | None, at_least: int, reason: Reason = Reason.EVICTED
    ) -> None:
        """Remember a declared loss that left and is newer than all here."""
        self._losses.append(Missing(id_, id_, count, at_least, reason))
        self.last_loss_id = id_
        excess = len(self._losses) - self._most
        if excess >= self._slack:
            self.forgotten_loss_id = self._losses[excess - 1].last_id
            del self._losses[:excess]

    def forget(self) -> None:
        """Keep of all that is marked only the last id and seq."""
        self.forgotten_id, self.forgotten_seq = self.last_id, self.last_seq
        self.forgotten_loss_id = self.last_loss_id
        del self._ids[:], self._seqs[:], self._counts[:], self._losses[:]

    @property
    def left_id(self) -> int:
        """Id of the last entry or loss that left."""
        return max(self.last_id, self.last_loss_id)

    @property
    def first_id(self) -> int | None:
        """Id of the first entry that is marked."""
        return self._ids[0] if self._ids else None

    @property
    def first_seq(self) -> int | None:
        """Seq of the first entry that is marked: 1 while nothing was forgotten."""
        return self._seqs[0] if self._seqs else None

    def seq_at(self, cursor: int) -> int | None:
        """
        Return the seq of the last entry that left with an id of at most ``cursor``.

        Returns:
            ``None`` where the cursor lies before the oldest mark and entries were forgotten.
        """
        index = bisect_right(self._ids, cursor) - 1
        if self._is_behind_hole(index, cursor):
            return self._seqs[index + 1] - 1
        if index < 0:
            return self.forgotten_seq if cursor >= self.forgotten_id else None
        passed = min(cursor - self._ids[index] + 1, self._counts[index])
        return self._seqs[index] + passed - 1

    def _is_behind_hole(self, index: int, cursor: int) -> bool:
        """Tell whether entries that nobody can place are missing after a mark, and passed."""
        if index + 1 >= len(self._ids):
            return False
        end_id, end_seq = self.forgotten_id, self.forgotten_seq
        if index >= 0:
            end_id = self._ids[index] + self._counts[index] - 1
            end_seq = self._seqs[index] + self._counts[index] - 1
        return self._seqs[index + 1] != end_seq + 1 and any(
            loss.count is None and end_id < loss.last_id <= cursor for loss in self._losses
        )

    def after(self, cursor: int) -> Iterator[Missing]:
        """Iterate over what is marked with an id greater than ``cursor``, in order of ids."""
        losses = iter([replace(one, reason=Reason.EVICTED) for one in self.losses_after(cursor)])
        loss = next(losses, None)
        for index in range(max(0, bisect_right(self._ids, cursor) - 1), len(self._ids)):
            first, count = self._ids[index], self._counts[index]
            last = first + count - 1
            if last <= cursor:
                continue
            while loss is not None and loss.last_id < first:
                yield loss
                loss = next(losses, None)
            first = max(first, cursor + 1)
            yield Missing(first, last, last - first + 1, last - first + 1)
        while loss is not None:
            yield loss
            loss = next(losses, None)

    def losses_after(self, cursor: int) -> list[Missing]:
        """Return the losses that left with an id greater than ``cursor``, for what they were."""
        return [loss for loss in self._losses if loss.last_id > cursor]

    def count_between(self, after: int, until: int) -> int:
        """Return how many marked entries have an id over ``after`` and at most ``until``."""
        first, last = self.seq_at(after), self.seq_at(until)
        return (last or 0) - (first or 0)

    def id_before(self, id_: int) -> int:
        """Return the id of the last marked entry before an id; 0 where there is none."""
        index = bisect_left(self._ids, id_) - 1
        return min(id_, self._ids[index] + self._counts[index]) - 1 if index >= 0 else 0

    def losses_between(self, after: int, until: int) -> tuple[int | None, int]:
        """
        Sum the losses that left with an id greater than ``after`` and at most ``until``.

        Returns:
            Count and at least; the count is ``None`` where one of them is, or was forgotten.
        """
        count: int | None = None if after < self.forgotten_loss_id else 0
        at_least = 0
        for loss in reversed(self._losses):
            if loss.last_id <= after:
                break
            if loss.last_id <= until:
                at_least += loss.at_least
                unknown = count is None or loss.count is None
                count = None if unknown else (count or 0) + (loss.count or 0)
        return count, at_least
