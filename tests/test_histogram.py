"""Counts over time by level."""

from hypothesis import given
from hypothesis import strategies as st

from relay.entry import Level
from relay.histogram import Buckets, Histogram, divide
from relay.selection import ALL, NONE, indexes, of
from tests.building import block

SECOND = 1_000_000_000
LEVELS = bytes([Level.INFO, Level.ERROR, Level.ERROR, Level.UNKNOWN])


def test_a_block_without_times_of_its_own_falls_into_one_bucket() -> None:
    """The time of its arrival is that of all of its entries."""
    histogram = Histogram(Buckets(0, SECOND, 3))
    histogram.add(block("a b c d", levels=LEVELS, arrival_ns=SECOND), 0, 4, ALL)
    assert histogram.levels() == [
        {},
        {Level.UNKNOWN: 1, Level.INFO: 1, Level.ERROR: 2},
        {},
    ]


def test_entries_are_counted_one_by_one_where_their_times_differ() -> None:
    """Those that lie outside of all buckets are not counted."""
    histogram = Histogram(Buckets(SECOND, SECOND, 2))
    times = [0, SECOND, 2 * SECOND, 3 * SECOND]
    histogram.add(block("a b c d", levels=LEVELS, timestamps=times), 0, 4, ALL)
    assert histogram.levels() == [{Level.ERROR: 1}, {Level.ERROR: 1}]


def test_only_what_is_selected_is_counted() -> None:
    """Of whole blocks and of single entries, and from where to where it is asked for."""
    for times in (None, [0, 0, SECOND, SECOND]):
        histogram = Histogram(Buckets(0, SECOND, 2))
        one = block("a b c d", levels=LEVELS, timestamps=times, arrival_ns=0)
        histogram.add(one, 0, 4, NONE)
        histogram.add(one, 2, 2, ALL)
        histogram.add(one, 0, 3, of(bytes([1, 1, 0, 1])))
        assert histogram.levels() == [{Level.INFO: 1, Level.ERROR: 1}, {}]


def test_a_time_is_divided() -> None:
    """Into so many parts, or into parts of a length that begin at its multiples."""
    assert divide(0, 60 * SECOND, 60, None) == Buckets(0, SECOND, 60)
    assert divide(5, 6, 60, None) == Buckets(5, 1_000_000, 1)
    assert divide(5, 5, 60, None) == Buckets(5, 1_000_000, 0)
    assert divide(15 * SECOND, 31 * SECOND, 60, 10 * SECOND) == Buckets(
        10 * SECOND, 10 * SECOND, 3
    )


@given(
    times=st.lists(st.integers(0, 5000), min_size=1, max_size=30),
    data=st.data(),
    start=st.integers(0, 2000),
    interval=st.integers(1, 3000),
)
def test_it_counts_as_one_would_by_hand(
    times: list[int], data: st.DataObject, start: int, interval: int
) -> None:
    """Every selected entry is counted in the bucket of its time, or is outside."""
    mask = bytes(data.draw(st.lists(st.integers(0, 1), min_size=len(times), max_size=len(times))))
    levels = bytes(
        data.draw(st.lists(st.integers(0, 6), min_size=len(times), max_size=len(times)))
    )
    buckets = Buckets(start, interval, 4)
    histogram = Histogram(buckets)
    selection = of(mask)
    histogram.add(
        block(["x"] * len(times), levels=levels, timestamps=times), 0, len(times), selection
    )
    expected: list[dict[Level, int]] = [{} for _ in range(4)]
    for index in indexes(selection, 0, len(times)):
        place = (times[index] - start) // interval
        if 0 <= place < 4:
            level = Level(levels[index])
            expected[place][level] = expected[place].get(level, 0) + 1
    assert histogram.levels() == expected
