"""Which entries of a block are selected."""

from hypothesis import given
from hypothesis import strategies as st

from relay.selection import ALL, NONE, Selection, both, count, indexes, of, without

masks = st.lists(st.sampled_from([0, 1]), min_size=5, max_size=5).map(bytes)


def flags(selection: Selection) -> list[bool]:
    """Write a selection of five entries out."""
    return [index in indexes(selection, 0, 5) for index in range(5)]


def test_a_mask_of_one_kind_is_all_or_nothing() -> None:
    """A mask that is kept tells entries apart."""
    assert of(b"\1\1") is ALL
    assert of(b"\0\0") is NONE
    assert of(b"\0\1") == b"\0\1"


def test_entries_are_counted_in_a_span() -> None:
    """From the first up to, not with, the last index."""
    assert count(b"\1\0\1\1", 1, 3) == 1
    assert count(ALL, 1, 3) == 2
    assert count(NONE, 1, 3) == 0


def test_indexes_are_those_of_the_block() -> None:
    """A span's indexes are not counted from its start."""
    assert indexes(b"\1\0\1\1", 1, 4) == [2, 3]
    assert indexes(ALL, 1, 3) == [1, 2]
    assert indexes(NONE, 1, 3) == []


@given(masks, masks)
def test_selections_combine_entry_by_entry(first: bytes, second: bytes) -> None:
    """Whatever they are made of, ``both`` is *and*, ``without`` is *and not*."""
    one, other = of(first), of(second)
    pairs = list(zip(first, second, strict=True))
    assert flags(both(one, other)) == [a == b == 1 for a, b in pairs]
    assert flags(without(one, other)) == [a == 1 and b == 0 for a, b in pairs]
