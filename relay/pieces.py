"""
What one channel still has for a reader, piece by piece in the order of ids.

A piece may be cut where another channel's id falls between. What is missing becomes a gap: of
what can be counted and placed one that goes on over pieces, of anything else one of its own.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from relay.block import Block, DeclaredLoss
from relay.channel import Channel
from relay.entry import Gap
from relay.marks import Missing
from relay.run import Ending
from relay.span import Span
from relay.storage import Stretch

__all__ = [
    "Behind",
    "Head",
    "Piece",
    "cut",
    "declared",
    "extended",
    "goes_on",
    "is_all",
    "is_whole",
    "whole",
]

Piece = Missing | Span | DeclaredLoss | Ending
"""What is merged with that of other channels."""


@dataclass(slots=True)
class Behind:
    """Where a subscription stands in a channel with news."""

    passed: int | None
    """Seq of the last entry that it passed; ``None``: nobody knows."""
    told: int
    """Everything of this channel at or below this id was delivered or declared."""


class Head:
    """One channel in a merge: its next piece, and what follows."""

    __slots__ = ("behind", "channel", "id", "name", "piece", "pieces")

    def __init__(
        self, channel: Channel, behind: Behind, cursor: int, stretch: Stretch | None
    ) -> None:
        self.channel = channel
        self.name = channel.name
        self.behind = behind
        self.pieces = _pieces(channel, max(behind.told, cursor), cursor, stretch)
        self.piece: Piece
        self.id = 0

    def advance(self, rest: Piece | None) -> bool:
        """Go on with ``rest`` or the next piece; tell whether there is one."""
        piece = rest if rest is not None else next(self.pieces, None)
        if piece is None:
            return False
        self.piece, self.id = piece, piece.first_id
        return True

    def pass_by(self, piece: Piece) -> None:
        """Note that the reader has had ``piece``."""
        self.behind.told = max(self.behind.told, piece.last_id)
        if isinstance(piece, Span):
            self.behind.passed = piece.block.first_seq + piece.stop - 1
        elif isinstance(piece, Missing):
            passed, count = self.behind.passed, piece.count
            known = self.channel.seq_at(piece.last_id)
            if known is None and passed is not None and count is not None:
                known = passed + count
            self.behind.passed = known

    def __lt__(self, other: "Head") -> bool:
        if self.id == other.id:
            # A hole begins where it may at the earliest: before what has that id.
            return isinstance(self.piece, Missing)
        return self.id < other.id


def _pieces(
    channel: Channel, cursor: int, endings_cursor: int, stretch: Stretch | None
) -> Iterator[Piece]:
    """
    Give everything of a channel after ``cursor``, in the order of ids.

    Endings count from a cursor of their own: a loss that was declared as a whole may reach
    beyond one that is still held.
    """
    entries = _held(channel, cursor) if stretch is None else _stored(channel, cursor, stretch)
    endings = channel.endings_after(endings_cursor)
    if not endings:
        yield from entries
        return
    ending = iter(endings)
    next_ending = next(ending, None)
    for entry in entries:
        piece: Piece | None = entry
        while piece is not None and next_ending is not None and next_ending.id < piece.last_id:
            # Only a packed block or a hole spans the id of an ending.
            if piece.first_id < next_ending.id:
                if isinstance(piece, Missing) and not piece.is_placed:
                    break
                before, piece = cut(piece, next_ending.id)
                yield before
            yield next_ending
            next_ending = next(ending, None)
        if piece is not None:
            yield piece
    if next_ending is not None:
        yield next_ending
        yield from ending


def _held(channel: Channel, cursor: int) -> Iterator[Piece]:
    """Give what is gone after ``cursor``, and what the ring holds."""
    if channel.lost_until > cursor:
        yield from channel.missing_after(cursor)
    yield from channel.unstored_after(cursor)
    for item in channel.ring.after(cursor):
        if isinstance(item, Block):
            yield Span(item, item.index_after(cursor), item.count)
        else:
            yield item


def _stored(channel: Channel, cursor: int, stretch: Stretch) -> Iterator[Piece]:
    """Give what is gone after ``cursor``, what was read from the store, and what follows that."""
    if channel.lost_until > cursor:
        yield from channel.missing_after(cursor)
        cursor = max(cursor, channel.lost_until)
    told = max(cursor, stretch.reach)
    for item in stretch.items:
        if item.last_id <= cursor:
            continue
        if isinstance(item, Block):
            yield Span(item, item.index_after(cursor), item.count)
        elif isinstance(item, Missing):
            for piece in channel.refined(item):
                if piece.last_id > cursor:
                    told = max(told, piece.last_id)
                    yield piece if piece.first_id > cursor else cut(piece, cursor + 1)[1] or piece
        else:
            yield item
    if is_all(channel, stretch):
        yield from _held(channel, told)


def is_all(channel: Channel, stretch: Stretch) -> bool:
    """Tell whether nothing that comes after a stretch is only in the store."""
    return not channel.stored_until(stretch.reach)


def cut(piece: Piece, limit: int) -> tuple[Piece, Piece | None]:
    """Split a piece before the id ``limit``: another channel's next, or the end."""
    if piece.last_id < limit:
        return piece, None
    if isinstance(piece, Missing):
        return piece.cut(limit) if piece.is_placed else (piece, None)
    if isinstance(piece, Span):
        middle = piece.block.index_after(limit - 1)
        return Span(piece.block, piece.start, middle), Span(piece.block, middle, piece.stop)
    return piece, None


def is_whole(piece: Missing, limit: int) -> bool:
    """Tell whether it cannot be cut: where in it another channel's entries lie is not known."""
    return piece.count is None or piece.last_id >= limit


def goes_on(gap: Gap, head: Head, piece: Piece) -> bool:
    """Tell whether a gap goes on with a piece of the same channel and reason."""
    return isinstance(piece, Missing) and gap.channel == head.name and gap.reason is piece.reason


def whole(piece: Missing, head: Head, cursor: int) -> Gap:
    """Return a loss that cannot be placed: a reader that resumes inside is told again."""
    return Gap(
        id=cursor,
        channel=head.name,
        after=max(head.behind.told, cursor),
        until=piece.last_id,
        count=piece.count,
        at_least=piece.at_least,
        reason=piece.reason,
    )


def extended(gap: Gap | None, piece: Missing, channel: str, after: int) -> Gap:
    """Return the gap that covers ``piece`` too, or a new one of it."""
    count: int | None = piece.count
    at_least = piece.at_least
    if gap is not None:
        count = None if gap.count is None or count is None else gap.count + count
        at_least += gap.at_least
        after = gap.after
    return Gap(
        id=piece.last_id,
        channel=channel,
        after=after,
        until=piece.last_id,
        count=count,
        at_least=at_least,
        reason=piece.reason,
    )


def declared(item: DeclaredLoss) -> Gap:
    """Return the gap of a loss that never had entries."""
    return Gap(
        id=item.id,
        channel=item.channel,
        after=item.id - 1,
        until=item.id,
        count=item.loss.count,
        at_least=item.loss.at_least,
        reason=item.loss.reason,
    )
