"""What goes from the disk, and by which clock."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.errors import StoreError
from relay.store import index
from relay.store.index import ChannelRow, SegmentRow
from relay.store.retention import (
    FRAME_BYTES,
    MAX_CHOSEN,
    AgeClock,
    Keeping,
    Retention,
    Sums,
    free_bytes,
    oldest,
    spare,
)

SECOND = 1_000_000_000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
BIG = 1 << 60

ARCHIVED = Keeping(archive=True, age_ns=7 * DAY, stored_bytes=BIG, lines=1, bytes=1)
PLAIN = Keeping(archive=False, age_ns=7 * DAY, stored_bytes=BIG, lines=100, bytes=BIG)


class Clocks:
    """A wall clock and a monotonic clock that are moved by hand."""

    def __init__(self, wall_ns: int = 1000 * DAY) -> None:
        self.wall_ns = wall_ns
        self.monotonic_ns = 5 * SECOND

    def pass_by(self, ns: int) -> None:
        """Let time go by for both."""
        self.wall_ns += ns
        self.monotonic_ns += ns

    def age(self, kept_ns: int | None = None) -> AgeClock:
        """Return an age clock that looks at these."""
        return AgeClock(kept_ns, lambda: self.wall_ns, lambda: self.monotonic_ns)


def segment(number: int, **more: object) -> SegmentRow:
    """Return the sealed segment of ten entries that ends with id 10 * number."""
    row = SegmentRow(
        channel="web",
        last_id=10 * number,
        first_id=10 * number - 9,
        first_seq=10 * number - 9,
        last_seq=10 * number,
        length=10_000,
        entries=10,
        oldest_ns=0,
        newest_ns=0,
        date="2026-11-21",
        written_ns=number * HOUR,
        stored_bytes=1000,
        compressed=False,
    )
    return replace(row, **more)  # type: ignore[arg-type]


def sums(rows: list[SegmentRow]) -> Sums:
    """Add up what segments hold."""
    return Sums(
        len(rows),
        sum(row.entries for row in rows),
        sum(row.length for row in rows),
        sum(row.stored_bytes for row in rows),
    )


def gone(rows: list[SegmentRow], keeping: Keeping, now_ns: int = 0) -> list[int]:
    """Return the numbers of the segments that go."""
    return [row.last_id // 10 for row in spare(rows, sums(rows), keeping, now_ns)]


def test_age_is_the_wall_clock_while_nobody_steps_it() -> None:
    """To the nanosecond."""
    clocks = Clocks()
    age = clocks.age()
    for ns in (0, 1, SECOND, 30 * DAY):
        clocks.pass_by(ns)
        assert age.now_ns() == clocks.wall_ns


def test_a_step_ahead_takes_as_long_as_it_is() -> None:
    """Nothing is old at once: the clock runs at twice the speed until it is there."""
    clocks = Clocks()
    age = clocks.age()
    began = clocks.wall_ns
    clocks.wall_ns += 10 * HOUR
    assert age.now_ns() == began
    clocks.pass_by(4 * HOUR)
    assert age.now_ns() == began + 8 * HOUR
    clocks.pass_by(6 * HOUR)
    assert age.now_ns() == began + 20 * HOUR == clocks.wall_ns
    clocks.pass_by(HOUR)
    assert age.now_ns() == clocks.wall_ns


def test_after_a_step_back_age_goes_on_at_half_the_speed() -> None:
    """It never goes back, and lets the wall clock come near."""
    clocks = Clocks()
    age = clocks.age()
    began = clocks.wall_ns
    clocks.wall_ns -= 10 * HOUR
    clocks.pass_by(4 * HOUR)
    assert age.now_ns() == began + 2 * HOUR
    clocks.pass_by(16 * HOUR)
    assert age.now_ns() == began + 10 * HOUR == clocks.wall_ns
    clocks.pass_by(HOUR)
    assert age.now_ns() == clocks.wall_ns


def test_a_clock_that_was_years_ahead_once_does_not_stop_pruning() -> None:
    """What is kept for seven days goes in fourteen, not when the wall clock is there again."""
    clocks = Clocks()
    age = clocks.age(kept_ns=clocks.wall_ns + 3650 * DAY)
    rows = [segment(1, written_ns=age.now_ns())]
    clocks.pass_by(14 * DAY)
    assert gone(rows, ARCHIVED, age.now_ns()) == []
    clocks.pass_by(2)
    assert gone(rows, ARCHIVED, age.now_ns()) == [1]


def test_age_goes_on_where_an_earlier_life_left_it() -> None:
    """What was written before a long rest does not become old by it at once."""
    clocks = Clocks()
    age = clocks.age(kept_ns=clocks.wall_ns - 30 * DAY)
    assert age.now_ns() == clocks.wall_ns - 30 * DAY
    clocks.pass_by(10 * DAY)
    assert age.now_ns() == clocks.wall_ns - 20 * DAY


@given(
    st.integers(-100 * HOUR, 100 * HOUR),
    st.lists(st.tuples(st.integers(0, 20 * HOUR), st.booleans()), min_size=1),
)
def test_it_does_not_matter_how_often_age_is_asked_for(
    step_ns: int, spans: list[tuple[int, bool]]
) -> None:
    """After a step, asked often or once: the same."""
    clocks = Clocks()
    often, once = clocks.age(), clocks.age()
    clocks.wall_ns += step_ns
    for ns, asks in spans:
        clocks.pass_by(ns)
        if asks:
            often.now_ns()
    assert often.now_ns() == once.now_ns()


@given(
    st.lists(
        st.tuples(st.integers(0, 20 * HOUR), st.integers(-100 * HOUR, 100 * HOUR)), min_size=1
    )
)
def test_age_runs_at_half_to_twice_the_speed(moves: list[tuple[int, int]]) -> None:
    """Whatever the wall clock does."""
    clocks = Clocks()
    age = clocks.age()
    for elapsed_ns, step_ns in moves:
        before = age.now_ns()
        clocks.wall_ns += step_ns
        clocks.pass_by(elapsed_ns)
        assert elapsed_ns // 2 <= age.now_ns() - before <= 2 * elapsed_ns


@pytest.mark.parametrize("step_ns", [30 * DAY, -30 * DAY])
def test_no_step_of_the_clock_prunes_anything_at_once(step_ns: int) -> None:
    """What is kept for seven days is there, and goes no sooner than in half of them."""
    clocks = Clocks()
    age = clocks.age()
    rows = [segment(1, written_ns=age.now_ns())]
    clocks.wall_ns += step_ns
    assert gone(rows, ARCHIVED, age.now_ns()) == []
    clocks.pass_by(3 * DAY)
    assert gone(rows, ARCHIVED, age.now_ns()) == []
    clocks.pass_by(35 * DAY)
    assert gone(rows, ARCHIVED, age.now_ns()) == [1]


def test_archived_segments_go_by_age() -> None:
    """Those that were last written to more than so long ago."""
    rows = [segment(number) for number in (1, 2, 3, 4)]
    assert gone(rows, ARCHIVED, 7 * DAY + 3 * HOUR) == [1, 2]


def test_a_younger_segment_holds_back_what_comes_after_it() -> None:
    """What is held stays in one piece, also where times are out of order."""
    rows = [segment(1), segment(2, written_ns=9 * HOUR), segment(3), segment(4)]
    assert gone(rows, ARCHIVED, 7 * DAY + 5 * HOUR) == [1]


def test_archived_segments_go_by_what_they_take_on_disk() -> None:
    """The oldest, until the rest takes no more than is allowed."""
    rows = [segment(number) for number in (1, 2, 3, 4)]
    for allowed, expected in ((4000, []), (3999, [1]), (2000, [1, 2]), (999, [1, 2, 3, 4])):
        assert gone(rows, replace(ARCHIVED, stored_bytes=allowed)) == expected


def test_age_and_size_add_up() -> None:
    """What is old goes first, and counts for what is too much."""
    rows = [segment(number) for number in (1, 2, 3, 4)]
    keeping = replace(ARCHIVED, stored_bytes=2000)
    assert gone(rows, keeping, 7 * DAY + 2 * HOUR) == [1, 2]
    assert gone(rows, keeping, 7 * DAY + 4 * HOUR) == [1, 2, 3]


def test_without_an_archive_what_the_ring_covers_is_kept() -> None:
    """A segment goes where the rest still holds as many lines."""
    rows = [segment(number) for number in range(1, 13)]
    assert gone(rows, PLAIN) == [1, 2]
    assert gone(rows[:10], PLAIN) == []
    assert gone(rows, replace(PLAIN, lines=101)) == [1]


def test_without_an_archive_what_the_ring_has_room_for_is_kept() -> None:
    """A segment goes where the rest still holds as much text, without what surrounds it."""
    rows = [segment(number) for number in range(1, 6)]
    text_bytes = 10_000 - 10 * FRAME_BYTES
    for allowed, expected in ((3 * text_bytes, [1, 2]), (3 * text_bytes + 1, [1])):
        assert gone(rows, replace(PLAIN, bytes=allowed)) == expected


def test_what_was_archived_stays_when_the_channel_is_archived_no_more() -> None:
    """A key that is turned off deletes nothing at once; after the archive the ring counts."""
    rows = [segment(number, compressed=number <= 3) for number in range(1, 23)]
    assert gone(rows, PLAIN) == []
    assert gone(rows, PLAIN, 7 * DAY + 3 * HOUR) == [1, 2]
    assert gone(rows, PLAIN, 7 * DAY + 4 * HOUR) == list(range(1, 13))
    assert gone(rows, replace(PLAIN, stored_bytes=20_000)) == [1, 2]


def test_what_was_plain_is_kept_once_the_channel_is_archived() -> None:
    """From then on it is age and size that count."""
    rows = [segment(number) for number in range(1, 23)]
    assert gone(rows, PLAIN) == list(range(1, 13))
    assert gone(rows, ARCHIVED) == []


def test_room_is_made_from_the_oldest_of_all_channels() -> None:
    """No more of them than are needed."""
    web = [segment(number) for number in (1, 4, 5)]
    db = [segment(number, channel="db", stored_bytes=300) for number in (2, 3, 6)]
    for lacking, expected in (
        (0, []),
        (1, [1]),
        (1000, [1]),
        (1600, [1, 2, 3]),
        (1601, [1, 2, 3, 4]),
    ):
        assert [row.last_id // 10 for row in oldest([web, db], lacking)] == expected
    assert len(list(oldest([web, db], BIG))) == 6


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 3000), st.booleans())),
    st.integers(0, 60),
    st.integers(1, 20_000),
    st.booleans(),
)
def test_what_goes_is_the_beginning_and_what_stays_is_in_bounds(
    shapes: list[tuple[int, int, bool]], age_hours: int, allowed: int, archive: bool
) -> None:
    """For any segments: never one from the middle, and none that had to stay."""
    rows = [
        segment(number, entries=entries, stored_bytes=stored, compressed=compressed)
        for number, (entries, stored, compressed) in enumerate(shapes, 1)
    ]
    keeping = Keeping(archive, age_hours * HOUR, allowed, lines=100, bytes=BIG)
    now_ns = len(rows) * HOUR
    left = list(spare(rows, sums(rows), keeping, now_ns))
    assert left == rows[: len(left)]
    stays = rows[len(left) :]
    if archive:
        assert sums(stays).stored_bytes <= allowed
        assert not stays or stays[0].written_ns >= now_ns - age_hours * HOUR
    elif not any(row.compressed for row in left):
        assert not left or sums(stays).entries >= 100


def test_the_room_of_a_file_system_is_told(tmp_path: Path) -> None:
    """In bytes; of what is not there nobody can say."""
    room = free_bytes(tmp_path)
    assert room is not None
    assert room > 0
    assert free_bytes(tmp_path / "nowhere") is None


class Kept:
    """An index with channels, and what chooses from it."""

    def __init__(
        self,
        folder: Path,
        keeping: Callable[[str], Keeping],
        min_free: int = 0,
        may_go: Callable[[SegmentRow], bool] = lambda row: True,
    ) -> None:
        self.connection = index.connect(folder / "index.db", create=True)
        index.create(self.connection)
        self._arguments = folder, keeping, min_free, may_go
        self.retention = self.open()

    def open(self) -> Retention:
        """Return what a relay that starts now has."""
        return Retention(*self._arguments)

    def add(self, *rows: SegmentRow) -> None:
        """Seal segments."""
        for row in rows:
            index.put_channels(self.connection, [ChannelRow(row.channel, 0, row.last_id, 1)])
            self.retention.touch(row.channel)
        index.add_segments(self.connection, rows)

    def prune(self, now_ns: int = 0, free: int | None = None) -> list[tuple[str, int]]:
        """Let go of what is chosen, and return it."""
        rows = self.retention.choose(now_ns, free)
        index.delete_segments(self.connection, rows, [])
        for row in rows:
            self.retention.touch(row.channel)
        return [(row.channel, row.last_id // 10) for row in rows]


def test_each_channel_is_kept_by_its_own_rule(tmp_path: Path) -> None:
    """Those that hold nothing are nothing to choose from."""
    rules = {"web": replace(ARCHIVED, stored_bytes=2000), "db": PLAIN}
    kept = Kept(tmp_path, rules.__getitem__)
    assert kept.prune() == []
    kept.add(*[segment(number) for number in range(1, 5)])
    kept.add(*[segment(number, channel="db") for number in range(5, 16)])
    assert kept.prune() == [("web", 1), ("web", 2), ("db", 5)]
    assert kept.prune() == []
    assert (kept.retention.segments, kept.retention.stored_bytes) == (12, 12_000)
    kept.add(segment(20))
    assert kept.prune() == [("web", 3)]


def test_a_compressed_segment_takes_less(tmp_path: Path) -> None:
    """Once it is told, what it takes now counts."""
    kept = Kept(tmp_path, lambda name: replace(ARCHIVED, stored_bytes=2000))
    rows = [segment(number) for number in (1, 2, 3)]
    kept.add(*rows)
    for row in rows:
        index.mark_compressed(kept.connection, row, 100)
        kept.retention.touch("web")
    assert kept.prune() == []
    assert kept.retention.stored_bytes == 300


def test_a_relay_that_starts_looks_at_what_is_there(tmp_path: Path) -> None:
    """Also at channels that nobody has touched since."""
    kept = Kept(tmp_path, lambda name: ARCHIVED)
    kept.add(segment(1))
    kept.retention = kept.open()
    assert kept.prune(8 * DAY) == [("web", 1)]


def test_where_anything_may_have_changed_all_is_looked_at(tmp_path: Path) -> None:
    """As when the directory was gone, and is made again from what is known."""
    kept = Kept(tmp_path, lambda name: ARCHIVED)
    kept.add(segment(1), segment(2, channel="db"))
    assert kept.prune() == []
    index.delete_segments(kept.connection, [segment(1)], [])
    kept.retention.touch()
    assert kept.prune(8 * DAY) == [("db", 2)]


def test_what_cannot_go_now_keeps_nothing_else_from_going(tmp_path: Path) -> None:
    """Of its own channel all that comes after it stays; other channels do not wait."""
    kept = Kept(tmp_path, lambda name: ARCHIVED, 5000, lambda row: row.last_id != 20)
    kept.add(*[segment(number) for number in (1, 2, 3)])
    kept.add(*[segment(number, channel="db") for number in (4, 5)])
    assert kept.prune(7 * DAY + 5 * HOUR) == [("web", 1), ("db", 4)]
    assert kept.prune(0, 0) == [("db", 5)]
    assert kept.prune(100 * DAY, 0) == []


def test_what_could_not_be_looked_at_is_looked_at_again(tmp_path: Path) -> None:
    """It has changed all the same."""
    kept = Kept(tmp_path, lambda name: ARCHIVED)
    kept.add(segment(1))
    kept.connection.execute("ALTER TABLE segments RENAME TO away")
    with pytest.raises(StoreError):
        kept.prune(8 * DAY)
    kept.connection.execute("ALTER TABLE away RENAME TO segments")
    assert kept.prune(8 * DAY) == [("web", 1)]


def test_an_index_that_is_gone_is_told_in_words(tmp_path: Path) -> None:
    """With the directory that was asked."""
    retention = Retention(tmp_path / "gone", lambda name: ARCHIVED)
    with pytest.raises(StoreError) as caught:
        retention.choose(0, None)
    assert str(caught.value) == (
        f"state.directory {tmp_path}/gone cannot be read: unable to open database file"
    )


def test_only_so_many_go_at_once(tmp_path: Path) -> None:
    """What is left goes with the next call."""
    kept = Kept(tmp_path, lambda name: ARCHIVED)
    kept.add(*[segment(number) for number in range(1, MAX_CHOSEN + 3)])
    assert len(kept.prune(100 * DAY)) == MAX_CHOSEN
    assert kept.prune(100 * DAY) == [("web", MAX_CHOSEN + 1), ("web", MAX_CHOSEN + 2)]
    assert kept.prune(100 * DAY) == []


def test_a_full_disk_takes_the_oldest_of_all(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Only after what is not to be kept anyway; it is told once an hour."""
    kept = Kept(tmp_path, lambda name: ARCHIVED, min_free=5000)
    kept.add(*[segment(number) for number in (1, 2, 5)])
    kept.add(*[segment(number, channel="db") for number in (3, 4)])
    now_ns = 7 * DAY + 2 * HOUR
    with caplog.at_level(logging.WARNING, "relay.store.retention"):
        assert kept.prune(now_ns, 0) == [("web", 1)]
        assert kept.prune(now_ns, 3500) == [("web", 2), ("db", 3)]
        assert kept.prune(now_ns, 4500) == [("db", 4)]
        assert kept.prune(now_ns, 5000) == []
        assert kept.prune(now_ns, None) == []
    assert caplog.messages == [
        "the file system has less than min_free = 5KB left: the oldest lines on disk go"
    ]
    with caplog.at_level(logging.WARNING, "relay.store.retention"):
        assert kept.prune(now_ns + HOUR, 0) == [("web", 5)]
        assert kept.prune(now_ns + 2 * HOUR, 0) == []
    assert len(caplog.messages) == 2
