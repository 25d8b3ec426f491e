"""A batch once published."""

from hypothesis import given
from hypothesis import strategies as st

from relay.block import Block, Column
from relay.entry import Entry, Level
from relay.lines import Lines
from tests.building import APP, APP_STDERR, block, lines_of


def test_an_entry_by_itself() -> None:
    """Each column's value for one line."""
    given_block = Block(
        "web",
        100,
        7,
        lines_of("a b"),
        bytes([Level.INFO, Level.ERROR]),
        (APP, APP_STDERR),
        bytes([0, 1]),
        arrival_ns=5,
        parts=frozenset([1]),
        fields=Lines.of([b"", b'{"k":1}']),
    )
    assert given_block.entry(0) == Entry(100, 7, "web", 5, Level.INFO, APP, "a")
    assert given_block.entry(1) == Entry(
        101, 8, "web", 5, Level.ERROR, APP_STDERR, "b", part=True, fields='{"k":1}'
    )


def test_the_first_entry_after_a_cursor() -> None:
    """With consecutive ids, and with an id for each entry."""
    for given_block, ids in (
        (block("a b c", 100), [100, 101, 102]),
        (block("a b c", ids=[100, 105, 300]), [100, 105, 300]),
    ):
        for cursor in range(95, 310):
            expected = sum(id_ <= cursor for id_ in ids)
            assert given_block.index_after(cursor) == expected
        assert list(given_block.id_range(1, 3)) == ids[1:]


def test_times_of_a_block() -> None:
    """Its own, or that of its arrival; least and greatest are known."""
    own = block("a b c", timestamps=[30, 10, 20])
    assert (own.oldest_ns, own.newest_ns, own.timestamp_range(0, 3)) == (10, 30, [30, 10, 20])
    arrived = block("a b", arrival_ns=7)
    assert (arrived.oldest_ns, arrived.newest_ns, arrived.timestamp_range(0, 2)) == (7, 7, [7, 7])


@given(st.lists(st.integers(0, 1 << 62), min_size=1, max_size=20))
def test_a_column_gives_back_its_values(values: list[int]) -> None:
    """In the narrowest array that holds them."""
    column = Column(values)
    assert column.range(0, len(values)) == values
    assert [column[index] for index in range(len(values))] == values
    narrow = max(values) - min(values) < 1 << 32
    assert column.size_bytes == len(values) * (4 if narrow else 8)
