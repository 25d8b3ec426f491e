"""
What of a channel is visible and not stored, as the records that are to be written.

Pure: a channel in, records out.
"""

from collections.abc import Iterable, Iterator

from relay.block import Block, DeclaredLoss
from relay.channel import Channel
from relay.entry import Loss, Reason
from relay.marks import Missing
from relay.run import Ending
from relay.span import Span
from relay.store.segment import Record, hole

__all__ = ["unstored"]


def unstored(channel: Channel) -> list[Record]:
    """Return what of a channel is visible and not stored, with holes for what has left."""
    stored_id = channel.stored_id
    held: Iterable[Record] = (
        Span(item, item.index_after(stored_id), item.count) if isinstance(item, Block) else item
        for item in channel.ring.after(stored_id)
    )
    return [*_lost(channel), *_merged(held, channel.endings_after(stored_id))]


def _lost(channel: Channel) -> Iterator[Record]:
    """Give what left before it could be stored: holes, and the losses that stood between."""
    start, left = channel.stored_id + 1, channel.ring.left
    assert left is not None
    if left.left_id < start:
        return
    count, losses = max(0, left.last_seq - channel.stored_seq), left.losses_after(start - 1)
    cuts: list[Missing | Ending] = [*losses, *channel.endings_after(start - 1)]
    if not left.knows_from(start):
        # Where they stood among the others is forgotten.
        cuts = []
        if losses:
            at_least = sum(loss.at_least for loss in losses)
            reasons = {loss.reason for loss in losses}
            reason = reasons.pop() if len(reasons) == 1 else Reason.STORAGE
            yield DeclaredLoss(start, channel.name, Loss(reason, None, at_least))
            start += 1
    for cut in sorted(cuts, key=lambda one: one.last_id):
        if before := left.count_between(start - 1, cut.last_id):
            yield hole(channel.name, start, left.id_before(cut.last_id), before, Reason.STORAGE)
        if isinstance(cut, Missing):
            loss = Loss(cut.reason, cut.count, cut.at_least)
            yield DeclaredLoss(cut.last_id, channel.name, loss)
        start, count = cut.last_id + 1, count - before
    if count:
        yield hole(channel.name, start, left.last_id, count, Reason.STORAGE)


def _merged(held: Iterable[Record], endings: list[Ending]) -> list[Record]:
    """Put endings between spans by their ids; a packed block is cut where one lies inside."""
    merged: list[Record] = []
    waiting = iter(endings)
    ending = next(waiting, None)
    for record in held:
        piece = record
        while ending is not None and ending.id < piece.last_id:  # type: ignore[union-attr]
            if isinstance(piece, Span) and piece.first_id < ending.id:
                middle = piece.block.index_after(ending.id)
                merged.append(Span(piece.block, piece.start, middle))
                piece = Span(piece.block, middle, piece.stop)
            merged.append(ending)
            ending = next(waiting, None)
        merged.append(piece)
    if ending is not None:
        merged += [ending, *waiting]
    return merged
