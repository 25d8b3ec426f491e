"""What is remembered of entries that left."""

from relay.block import DeclaredLoss
from relay.entry import Loss, Reason
from relay.marks import Marks, Missing
from tests.building import block


def loss(id_: int, count: int | None) -> DeclaredLoss:
    return DeclaredLoss(id_, "web", Loss(Reason.SOURCE, count, count or 0))


def test_seqs_inside_between_and_after_marks() -> None:
    """A cursor inside a mark counts exactly."""
    marks = Marks()
    marks.add(block("a b c", 100, 1))
    marks.add(block("d", 200, 4))
    assert [marks.seq_at(cursor) for cursor in (99, 100, 101, 102, 150, 200, 900)] == [
        0, 1, 2, 3, 3, 4, 4,
    ]  # fmt: skip


def test_a_packed_block_is_marked_as_it_was_published() -> None:
    """By its runs of consecutive ids."""
    marks = Marks()
    marks.add(block("a b c", 100, 1, ids=[100, 101, 200]))
    assert list(marks.after(0)) == [Missing(100, 101, 2, 2), Missing(200, 200, 1, 1)]
    assert list(marks.after(100)) == [Missing(101, 101, 1, 1), Missing(200, 200, 1, 1)]


def test_the_oldest_are_forgotten() -> None:
    """A cursor before what is kept cannot be counted."""
    marks = Marks(most=4)
    for number in range(10):
        marks.add(block("x", 100 + 10 * number, 1 + number))
    assert marks.first_seq is not None
    assert marks.first_seq > 5
    assert marks.seq_at(105) is None
    assert marks.seq_at(190) == 10
    assert marks.last_seq == 10


def test_losses_stand_among_marks() -> None:
    """In the order of ids; a sum with an unknown one is unknown."""
    marks = Marks()
    marks.add(block("a", 100, 1))
    marks.add(loss(150, 5))
    marks.add(block("b", 200, 2))
    marks.add(loss(250, None))
    assert [one.first_id for one in marks.after(0)] == [100, 150, 200, 250]
    assert marks.losses_between(0, 200) == (5, 5)
    assert marks.losses_between(0, 900) == (None, 5)
    assert marks.losses_between(150, 200) == (0, 0)
    assert marks.left_id == 250


def test_forgotten_losses_are_unknown() -> None:
    """Nobody can say how many a cursor before them missed."""
    marks = Marks(most=2)
    for number in range(6):
        marks.add(loss(100 + number, 1))
    assert marks.losses_between(0, 900)[0] is None
    assert marks.losses_between(marks.forgotten_loss_id, 900) == (2, 2)


def test_a_missing_run_is_cut() -> None:
    """Before an id that lies within."""
    assert Missing(100, 109, 10, 10).cut(103) == (
        Missing(100, 102, 3, 3),
        Missing(103, 109, 7, 7),
    )


def test_behind_a_hole_the_seq_is_known() -> None:
    """It is a loss of untold size among the ids, and a jump among the seqs."""
    marks = Marks()
    marks.add_loss(150, None, 0)
    marks.add(block("a b", 200, 4))
    assert marks.seq_at(149) == 0
    assert marks.seq_at(150) == 3
    assert marks.seq_at(200) == 4
