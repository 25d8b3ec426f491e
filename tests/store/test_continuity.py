"""What is missing between what is read."""

import pytest

from relay.block import Block, DeclaredLoss
from relay.entry import Loss, Reason
from relay.marks import Missing
from relay.store.continuity import Continuity
from relay.store.parsing import parse
from relay.store.segment import Record, hole, render
from tests.store.texts import joined, lines, missing, placed


def test_jumps_are_found_between_chunks() -> None:
    """What a hole explains is no jump; a loss takes no seq."""
    continuity = Continuity(99, 0)
    assert continuity.join(parse("web", lines(2, 103, 3)))[0] == missing(100, 102, 2)
    explained = render([hole("web", 105, 110, 3, Reason.RESTART)]) + lines(1, 111, 8)
    assert [type(item) for item in continuity.join(parse("web", explained))] == [Missing, Block]
    assert continuity.join(parse("web", lines(1, 120, 11)))[0] == missing(112, 119, 2)
    assert continuity.reach(130, 15) == [missing(121, 130, 4)]
    assert continuity == Continuity(130, 15)


@pytest.mark.parametrize(
    ("loss", "count"), [(Loss(Reason.RATE, 9, 9), 14), (Loss(Reason.RATE, None, 9), None)]
)
def test_what_is_missing_beside_a_loss_covers_it(loss: Loss, count: int | None) -> None:
    """Nobody knows on which side of it the entries were, so both are told as one."""
    around: list[Record] = [
        DeclaredLoss(112, "web", loss),
        hole("web", 113, 115, 2, Reason.RESTART),
    ]
    text = lines(1, 110, 1) + render(around)
    _, gap, *_ = joined(parse("web", text + lines(1, 120, 7)), (109, 0))
    assert gap == Missing(111, 119, count, 14, Reason.STORAGE, is_placed=False)
    _, *between, _ = joined(parse("web", text + lines(1, 120, 4)), (109, 0))
    assert between == [around[0], missing(113, 115, 2, Reason.RESTART)]


def test_losses_are_held_until_something_follows() -> None:
    """At the end of what is known they are given as they are."""
    continuity = Continuity(99, 0)
    loss = DeclaredLoss(112, "web", Loss(Reason.RATE, 9, 9))
    assert continuity.join([loss]) == continuity.join([loss]) == []
    assert continuity.last_id == 99
    assert continuity.reach(115, 0) == [loss]
    assert continuity == Continuity(115, 0)


def test_before_the_first_entry_nothing_is_missing() -> None:
    """Where the seq before is not known, no jump can be."""
    continuity = Continuity(50)
    assert placed(continuity.join(parse("web", lines(1, 100, 7)))) == [(100, 7, "7")]
    assert continuity == Continuity(100, 7)


def test_what_was_seen_is_not_given_again() -> None:
    """Lines that stand twice are read once."""
    continuity = Continuity(0, 0)
    items = parse("web", lines(3))
    assert continuity.join(items) == items
    assert continuity.join(items) == []
    assert placed(parse("web", lines(2) + lines(2))) == [(100, 1, "1"), (101, 2, "2")]
