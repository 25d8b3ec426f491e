"""Many lines as one run of bytes."""

from hypothesis import given
from hypothesis import strategies as st

from relay.lines import EMPTY, Lines, join

entries = st.lists(st.text("aé\n", max_size=4).map(str.encode), max_size=8)


def test_an_entry_may_hold_a_newline() -> None:
    """Offsets, not newlines, separate."""
    lines = Lines.of([b"a", b"", b"b\nc", b"d"])
    assert lines.text == b"a\n\nb\nc\nd\n"
    assert list(lines.ends) == [1, 2, 6, 8]
    assert lines.entry(2) == b"b\nc"
    assert lines.strings() == ["a", "", "b\nc", "d"]


def test_plain_lines_need_no_offsets() -> None:
    """Where no entry holds a newline the newlines alone say where entries end."""
    lines = Lines(b"one\ntwo\n")
    assert not lines.has_newlines
    assert lines.count == 2
    assert list(lines.ends) == [3, 7]


@given(entries)
def test_splitting_undoes_joining(given_entries: list[bytes]) -> None:
    """What was put in comes out."""
    lines = Lines.of(given_entries)
    assert lines.split() == given_entries
    assert [lines.entry(index) for index in range(lines.count)] == given_entries


@given(entries, st.integers(0, 8), st.integers(0, 8))
def test_a_slice_is_that_of_the_list(given_entries: list[bytes], start: int, stop: int) -> None:
    """Slicing keeps entries and their ends."""
    start, stop = min(start, len(given_entries)), min(stop, len(given_entries))
    piece = Lines.of(given_entries).slice(start, stop)
    assert piece.split() == given_entries[start:stop]
    assert piece == Lines.of(given_entries[start:stop])


@given(st.lists(entries, min_size=1, max_size=4))
def test_joining_is_that_of_lists(several: list[list[bytes]]) -> None:
    """Runs of lines behind one another are the lists behind one another."""
    joined = join([Lines.of(some) for some in several])
    assert joined.split() == [entry for some in several for entry in some]


def test_no_lines_are_one_value() -> None:
    """Nothing splits into nothing."""
    assert Lines.of([]) is EMPTY
    assert EMPTY.split() == []
    assert list(EMPTY.ends) == []


def test_lines_are_something_where_they_have_an_entry() -> None:
    """An empty entry is one; nothing is counted to tell."""
    assert Lines(b"\n")
    assert not EMPTY
