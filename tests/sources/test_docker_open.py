"""Which records are of long lines that were not ended."""

from relay.sources.docker_open import OpenLines
from relay.sources.docker_records import Records

LINE = Records([5, 9, 5], b"\1\0\0", [b"long\n", b"x\n", b"short\n"])


def piece(offset: int) -> Records:
    """Return a piece of ten bytes of an endless line."""
    return Records([5], b"\1", [b"0123456789\n"], {0: offset})


def test_the_end_of_an_open_line_is_late() -> None:
    """By its stream and its time; once it was taken, it is as any other."""
    lines = OpenLines()
    assert lines.late(LINE) == frozenset()
    lines.see([(1, 5)], lo=0)
    assert lines.late(LINE) == {0}
    lines.take(LINE)
    assert lines.late(LINE) == frozenset()
    assert lines.oldest_ns is None


def test_pieces_are_late_from_where_they_were_taken_to() -> None:
    """Also where they are cut otherwise, in another life of the relay."""
    lines = OpenLines()
    lines.see([(1, 5)], lo=5)
    lines.take(piece(0))
    lines.take(piece(10))
    again = OpenLines(lines.values())
    assert [len(again.late(piece(offset))) for offset in (0, 10, 15, 20)] == [0, 0, 1, 1]
    assert again.oldest_ns == 5


def test_a_log_that_is_read_again_opens_no_line_again() -> None:
    """Neither one that was taken, nor one that is not wanted."""
    lines = OpenLines()
    lines.see([(1, 5)], lo=6)
    assert lines.values() == []
    lines.see([(1, 5)], lo=5)
    lines.take(LINE)
    lines.see([(1, 4), (1, 5)], lo=0)
    assert lines.oldest_ns is None
