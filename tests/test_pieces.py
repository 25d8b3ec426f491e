"""What one channel still has for a reader, piece by piece."""

from relay.block import DeclaredLoss
from relay.channel import Channel
from relay.entry import Gap, Loss, Reason
from relay.marks import Missing
from relay.pieces import Behind, Head, Piece, cut, declared, extended, goes_on, is_whole, whole
from relay.run import Ending
from relay.span import Span
from relay.storage import Stretch
from tests.building import block

HOLE = Missing(1000, 1009, 4, 4, Reason.STORAGE, is_placed=False)
LOSS = DeclaredLoss(1003, "web", Loss(Reason.RATE, 5, 5))


def head_of(channel: Channel, cursor: int = 0, stretch: Stretch | None = None) -> Head:
    return Head(channel, Behind(channel.seq_at(cursor), cursor), cursor, stretch)


def pieces_of(head: Head) -> list[Piece]:
    """Return all that a head gives."""
    pieces = []
    while head.advance(None):
        pieces.append(head.piece)
    return pieces


def test_a_span_is_cut_before_an_id() -> None:
    """Another channel's entry lies there."""
    one = block("a b c", ids=[1000, 1004, 1008])
    assert cut(Span(one, 0, 3), 1005) == (Span(one, 0, 2), Span(one, 2, 3))
    assert cut(Span(one, 1, 3), 1009) == (Span(one, 1, 3), None)


def test_only_what_is_placed_can_be_cut() -> None:
    """Where in a hole its entries lay nobody knows."""
    placed = Missing(1000, 1009, 10, 10, Reason.EVICTED)
    before, rest = cut(placed, 1004)
    assert (before.last_id, rest and rest.first_id) == (1003, 1004)
    assert cut(HOLE, 1004) == (HOLE, None)
    assert cut(LOSS, 1003) == (LOSS, None)
    assert is_whole(HOLE, 1009)
    assert not is_whole(HOLE, 1010)
    assert is_whole(Missing(1000, 1009, None, 3, Reason.EVICTED), 2000)


def test_a_gap_goes_on_over_pieces_of_one_reason() -> None:
    """Its cursor is the last of them; nobody can count it where one cannot be."""
    channel = Channel("web", 10, 10_000, 0)
    head = head_of(channel)
    first = extended(None, HOLE, "web", 990)
    assert first == Gap(1009, "web", 990, 1009, 4, 4, Reason.STORAGE)
    following = Missing(1010, 1020, None, 3, Reason.STORAGE, is_placed=False)
    assert goes_on(first, head, following)
    assert extended(first, following, "web", 1009) == Gap(
        1020, "web", 990, 1020, None, 7, Reason.STORAGE
    )
    assert not goes_on(first, head, Missing(1010, 1020, 3, 3, Reason.EVICTED))
    assert not goes_on(first, head, LOSS)


def test_what_cannot_be_placed_keeps_the_readers_cursor() -> None:
    """Who resumes inside of it is told again."""
    head = head_of(Channel("web", 10, 10_000, 0), 995)
    assert whole(HOLE, head, 995) == Gap(995, "web", 995, 1009, 4, 4, Reason.STORAGE)
    assert declared(LOSS) == Gap(1003, "web", 1002, 1003, 5, 5, Reason.RATE)


def test_an_ending_stands_between_the_entries_of_a_block() -> None:
    """A packed block spans its id."""
    channel = Channel("web", 10, 10_000, 0)
    one = block("a b c", ids=[1000, 1004, 1008])
    channel.append(one)
    inside, behind = Ending(1005, "web", "one", 9, "ended"), Ending(1009, "web", "two", 9, "ended")
    channel.end(inside)
    channel.end(behind)
    assert pieces_of(head_of(channel)) == [Span(one, 0, 2), inside, Span(one, 2, 3), behind]
    assert pieces_of(head_of(channel, 1004)) == [inside, Span(one, 2, 3), behind]


def test_what_was_read_from_the_store_is_given_from_the_cursor_on() -> None:
    """Its first block may begin before."""
    channel = Channel("web", 10, 10_000, 0)
    one = block("a b c", ids=[1000, 1004, 1008])
    hole = Missing(1010, 1019, 4, 4, Reason.STORAGE, is_placed=False)
    stretch = Stretch([one, hole, block("h", 1020, 8)], 1020, 1000)
    first, second, third = pieces_of(head_of(channel, 1000, stretch))
    assert (first, second) == (Span(one, 1, 3), hole)
    assert third.first_id == 1020


def test_a_hole_comes_before_what_has_its_first_id() -> None:
    """It may begin there at the earliest."""
    web, api = Channel("web", 10, 10_000, 0), Channel("api", 10, 10_000, 0)
    api.append(block("x", 1000, 1, channel="api"))
    hole, entry = head_of(web, 0, Stretch([HOLE], 1009)), head_of(api)
    assert hole.advance(None)
    assert entry.advance(None)
    assert hole < entry
    assert not entry < hole


def test_what_was_had_is_noted() -> None:
    """By seq where it is known."""
    channel = Channel("web", 10, 10_000, 0)
    one = block("a b c", 1000, 5)
    channel.append(one)
    head = Head(channel, Behind(4, 999), 999, None)
    head.pass_by(Span(one, 0, 2))
    assert head.behind == Behind(6, 1001)
    head.pass_by(Ending(1005, "web", "job", 9, "ended"))
    assert head.behind == Behind(6, 1005)
