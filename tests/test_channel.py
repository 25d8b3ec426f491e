"""What a channel remembers of what a store holds for it, and lets go of."""

from relay.block import Block, DeclaredLoss
from relay.channel import Channel, Lost
from relay.entry import Loss, Reason
from relay.marks import Missing
from relay.storage import StoredChannel
from tests.building import block

NOW_NS = 1_000_000


def stored_channel(lines: int = 2) -> Channel:
    """Return a channel that rests on a store."""
    channel = Channel("web", lines, 1 << 20, 100)
    channel.back()
    return channel


def missing_seqs(channel: Channel) -> list[tuple[int, int]]:
    """Return for each id that is gone the seq that it had."""
    marks = channel.ring.marks
    return [
        (id_, marks.seq_at(id_) or 0)
        for gone in marks.after(0)
        for id_ in range(gone.first_id, gone.last_id + 1)
    ]


def test_what_leaves_the_ring_is_read_from_the_store() -> None:
    """Up to where both it has left and is stored; what is not stored is missing."""
    channel = stored_channel()
    for number in range(5):
        channel.append(block("a", 200 + number, 1 + number))
    channel.stored_id, channel.stored_seq = 201, 2
    assert channel.left_id == 202
    assert channel.stored_until(0) == 201
    assert channel.stored_until(201) == 0
    (gone,) = channel.unstored_after(0)
    assert gone == Missing(202, 202, 1, 1, Reason.STORAGE)


def test_what_a_store_lets_go_of_is_marked_once() -> None:
    """By what the channel itself knows, or by what went; also if it is told again."""
    channel = stored_channel()
    for number in range(5):
        channel.append(block("a", 200 + number, 1 + number))
    channel.stored_id, channel.stored_seq = 204, 5
    lost = Lost(201, 2, NOW_NS)
    for items in (None, None, [block("a b", 200, 1)]):
        channel.lose(lost, items)
        assert missing_seqs(channel) == [(200, 1), (201, 2)]
    assert channel.lost_until == 201
    assert channel.stored_until(0) == 202


def test_what_was_missing_already_cannot_be_counted_any_more() -> None:
    """Whoever had read so far is told that something is gone, with what is certain."""
    channel = stored_channel()
    hole = Missing(204, 230, 2, 2, Reason.STORAGE, is_placed=False)
    items: list[Block | DeclaredLoss | Missing] = [
        block("a b c", 200, 1),
        DeclaredLoss(203, "web", Loss(Reason.SOURCE, 7, 7)),
        hole,
        block("d", 231, 6),
    ]
    channel.lose(Lost(240, 8, NOW_NS), items)
    marks = channel.ring.marks
    assert [(gone.first_id, gone.last_id) for gone in marks.after(0)] == [
        (200, 202),
        (203, 203),
        (230, 230),
        (231, 231),
    ]
    assert marks.losses_between(0, 229) == (7, 7)
    assert marks.losses_between(0, 240) == (None, 7)
    assert (channel.lost_until, marks.last_seq) == (231, 8)


def test_a_time_is_held_if_nothing_newer_was_let_go_of() -> None:
    """What is held in rings alone does not say it."""
    channel = stored_channel()
    channel.append(block("a", 200, 1))
    channel.stored_id, channel.stored_seq = 200, 1
    assert channel.holds_since(1)
    channel.lose(Lost(200, 1, NOW_NS), [block("a", 200, 1)])
    assert not channel.holds_since(NOW_NS)
    assert channel.holds_since(NOW_NS + 1)


def test_losses_that_are_let_go_of_have_no_time() -> None:
    """They say nothing of how old the entries are that are held."""
    channel = stored_channel()
    channel.append(block("a", 200, 1, arrival_ns=NOW_NS))
    channel.stored_id, channel.stored_seq = 200, 1
    channel.lose(Lost(150, 0, None), [DeclaredLoss(150, "web", Loss(Reason.SOURCE, 7, 7))])
    assert channel.lost_ns is None
    assert channel.oldest_ns == NOW_NS


def test_a_restored_channel_goes_on() -> None:
    """With its seq, and with what was lost before: an entry, or a loss alone."""
    stored = StoredChannel("web", 100, 300, 9, 250, 5, oldest_ns=NOW_NS, lost_id=240)
    channel = stored_channel()
    channel.restore(stored)
    assert (channel.numbered_seq, channel.last_seq, channel.last_id) == (9, 9, 300)
    assert channel.lost_until == 240
    assert channel.seq_at(240) == 4
    assert channel.seq_at(230) is None
    assert channel.stored_until(0) == 300
    only_a_loss = StoredChannel("web", 100, 300, 1, 250, 1, lost_id=240)
    channel = stored_channel()
    channel.restore(only_a_loss)
    assert channel.lost_until == 240
    untouched = StoredChannel("web", 100, 300, 9, 110, 1)
    channel = stored_channel()
    channel.restore(untouched)
    assert channel.lost_until == 0
