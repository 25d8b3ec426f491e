"""How many lines may pass, and what becomes of the others."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from relay.entry import Batch, Loss, Position, Reason, RunCounted
from relay.sources.rate import Bucket, limited, portions
from tests.building import batch

LOSS = Loss(Reason.SOURCE, 3, 3)


def test_a_bucket_holds_one_second() -> None:
    """It is full at the beginning, and after any pause."""
    bucket = Bucket(10, now=100.0)
    assert bucket.take(25, 100.0) == 10
    assert bucket.take(1, 100.0) == 0
    assert bucket.take(25, 100.5) == 5
    assert bucket.take(25, 500.0) == 10


def test_who_waits_is_told_for_how_long() -> None:
    """What passed too early is paid for by what comes."""
    bucket = Bucket(10, now=0.0)
    assert bucket.wait(10, 0.0) == 0.0
    bucket.spend(10, 0.0)
    assert bucket.wait(5, 0.0) == 0.5
    bucket.spend(5, 0.25)
    assert bucket.wait(5, 0.25) == 0.75
    assert bucket.wait(5, 0.125) == 0.75


def test_a_batch_is_cut_where_there_is_no_room() -> None:
    """What stands after the batch's last line stands after the last piece's."""
    whole = batch("web", "a b c d e", reader="r", loss=LOSS)
    last = batch("web", "f", reader="r")
    cut = list(portions([whole, batch("web", []), last], 2))
    assert [[each.lines.strings() for each in portion] for portion in cut] == [
        [["a", "b"]],
        [["c", "d"]],
        [["e"], [], ["f"]],
    ]
    assert [each.loss for portion in cut for each in portion] == [None, None, LOSS, None, None]


def test_lines_are_not_parted_from_what_covers_them() -> None:
    """Published without it, they would come again after a crash."""
    covered = batch("web", "a b c", reader="r", position=Position("3"))
    piece = batch("web", "d", reader="r")
    of_other_channel = batch("db", "e f", reader="r", position=Position("6"))
    counted = batch("web", "g h i", runs=(RunCounted("job", 9),))
    cut = list(portions([covered, piece, of_other_channel, piece, counted], 2))
    assert cut == [[covered], [piece, of_other_channel], [piece], [counted]]


BATCHES = st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=8)


@given(BATCHES, st.integers(1, 12))
def test_portions_hold_all_lines_in_order(batches: list[tuple[int, bool]], most: int) -> None:
    """None is larger than it may be, but for lines that one position covers."""
    given_ = [
        batch(
            "web",
            [f"{number}.{line}" for line in range(size)],
            reader=str(number),
            position=Position(str(number)) if covered else None,
        )
        for number, (size, covered) in enumerate(batches)
    ]
    cut = list(portions(given_, most))
    flat = [each for portion in cut for each in portion]
    assert [text for each in flat for text in each.lines.strings()] == [
        text for each in given_ for text in each.lines.strings()
    ]
    assert [each for each in flat if each.position] == [each for each in given_ if each.position]
    over = [each for each in cut if sum(one.lines.count for one in each) > most]
    assert all(len([one for one in portion if one.lines.count]) == 1 for portion in over)
    assert all(one.position for each in over for one in each if one.lines.count)


def test_what_is_over_the_rate_is_declared() -> None:
    """At its place, before what the batch itself says."""
    bucket = Bucket(3, now=0.0)
    first = batch("web", "a b", reader="r", position=Position("2"))
    second = batch("web", "c d e", reader="r", position=Position("5"), loss=LOSS)
    third = batch("web", "f", reader="r")
    empty = Batch("app", "web", reader="r")
    passed = limited([first, second, third], bucket, 0.0)
    assert passed == [
        first,
        replace(second, lines=second.lines.slice(0, 1), position=None, loss=None),
        replace(empty, loss=Loss(Reason.RATE, 2, 2)),
        replace(empty, position=Position("5"), loss=LOSS),
        replace(empty, loss=Loss(Reason.RATE, 1, 1)),
        empty,
    ]
    assert limited([third], bucket, 1.0) == [third]
