"""Texts of segments, and what is read from them."""

from collections.abc import Sequence

from relay.block import Block
from relay.entry import Reason
from relay.marks import Missing
from relay.span import Span
from relay.store.continuity import Continuity
from relay.store.parsing import Item
from relay.store.segment import render
from tests.building import block

__all__ = ["joined", "lines", "missing", "placed", "whole"]


def whole(given_block: Block) -> Span:
    return Span(given_block, 0, given_block.count)


def lines(count: int, id_: int = 100, seq: int = 1, step: int = 1) -> bytes:
    """Return lines whose ids are `step` apart, and whose messages are their seqs."""
    ids = range(id_, id_ + count * step, step)
    texts = [str(seq + index) for index in range(count)]
    return render([whole(block(texts, id_, seq, ids=ids))])


def placed(items: Sequence[Item]) -> list[tuple[int, int, str]]:
    """Return id, seq and message of all entries."""
    entries = [
        item.entry(k) for item in items if isinstance(item, Block) for k in range(len(item.lines))
    ]
    return [(entry.id, entry.seq, entry.message) for entry in entries]


def joined(items: Sequence[Item], before: tuple[int, int] = (0, 0)) -> list[Item]:
    """Return items that follow an id and its seq, with what is missing between."""
    continuity = Continuity(*before)
    return continuity.join(items) + continuity.held


def missing(first: int, last: int, count: int, reason: Reason = Reason.STORAGE) -> Missing:
    return Missing(first, last, count, count, reason, is_placed=False)
