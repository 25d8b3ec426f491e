"""
What is missing between what is read: seqs have no holes, so every jump of theirs tells.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from relay.block import Block, DeclaredLoss
from relay.entry import Reason
from relay.marks import Missing
from relay.store.parsing import Item

__all__ = ["Continuity"]


@dataclass(slots=True)
class Continuity:
    """
    Finds what is missing between items, over chunks and segments.

    Losses and holes are held until it is known whether something is missing beside them, since
    then nobody can say on which side: one ``Missing`` covers all of it.

    Args:
        last_id: everything up to this id has been given.
        last_seq: of the last entry that was; ``None``: not known, and nothing is missing
            before the next entry.
        held: losses and holes that are not given yet.
        is_uncertain: whether behind all that was joined losses may be missing, which nobody can
            count: they take no seq.
    """

    last_id: int
    last_seq: int | None = None
    held: list[DeclaredLoss | Missing] = field(default_factory=list)
    is_uncertain: bool = False

    def join_pieces(self, pieces: Sequence[Sequence[Item]]) -> list[Item]:
        """Join pieces of a text, between which declared losses may be missing."""
        joined: list[Item] = []
        for number, piece in enumerate(pieces):
            self.is_uncertain = self.is_uncertain or number > 0
            joined += self.join(piece)
        return joined

    def join(self, items: Sequence[Item]) -> list[Item]:
        """
        Put a :class:`~relay.marks.Missing` before each entry whose seq does not follow.

        Args:
            items: what comes next, as it was read; what does not is left out.
        """
        joined: list[Item] = []
        last_id = self.held[-1].last_id if self.held else self.last_id
        for item in items:
            if item.first_id <= last_id:
                continue
            last_id = item.last_id
            if isinstance(item, Block):
                joined.extend(self.reach(item.first_id - 1, item.first_seq - 1))
                joined.append(item)
                self.last_id, self.last_seq = item.last_id, item.last_seq
            else:
                self.held.append(item)
        return joined

    def reach(self, last_id: int, last_seq: int) -> list[Item]:
        """
        Go on to where something is known to end, and return what lies up to there.

        Args:
            last_id: no entry behind is looked at.
            last_seq: of the last entry up to this id, stored or not.
        """
        held, self.held = self.held, []
        items: list[Item] = list(held)
        if self.last_seq is not None:
            self.last_seq += sum(item.at_least for item in held if isinstance(item, Missing))
            lost = max(0, last_seq - self.last_seq)
            if (lost or self.is_uncertain) and last_id > self.last_id:
                covering = _covering(held, self.last_id + 1, last_id, lost)
                items = [replace(covering, count=None) if self.is_uncertain else covering]
        self.is_uncertain = False
        self.last_id = max(self.last_id, last_id)
        self.last_seq = max(self.last_seq or 0, last_seq)
        return items


def _covering(
    held: list[DeclaredLoss | Missing], first: int, last: int, count: int | None
) -> Missing:
    """Return what is missing together with the losses and holes between."""
    at_least = count or 0
    for item in held:
        loss = item if isinstance(item, Missing) else item.loss
        count = None if count is None or loss.count is None else count + loss.count
        at_least += loss.at_least
    return Missing(first, last, count, at_least, Reason.STORAGE, is_placed=False)
