"""What was read is recognised, what was not is new: however a log is cut, repeated and resumed."""

import random
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.sources.docker_position import (
    LEAST_NS,
    LEAST_RECORDS,
    ContainerPosition,
    Window,
    hashes,
    packed,
    requests,
)
from relay.sources.docker_records import Records

SECOND = 1_000_000_000
START = 1_795_262_400_000_000_000


def log_of(size: int, seed: int, step_ns: int = 50_000) -> Records:
    """Return a log of two streams that overtake one another, as the engine has it."""
    chance = random.Random(seed)
    times = [START + number * step_ns for number in range(size)]
    for index in range(1, size):
        if chance.random() < 0.1:
            back = min(index, chance.randrange(1, 40))
            times[index], times[index - back] = times[index - back], times[index]
    streams = bytes(chance.randrange(2) for _ in range(size))
    return Records(times, streams, [b"line %d\n" % number for number in range(size)])


SLOW_NS = 100_000_000
"""A record is read so much later than it was written."""


class Reader:
    """Reads a log as a container's reader does, and is killed."""

    def __init__(self, log: Records, lo: int = 0) -> None:
        self.log = log
        self.keys = hashes(log)
        self.window = Window(lo)
        self.given: list[int] = []
        self.stored = b""
        self.farthest = 0

    def now_ns(self, index: int) -> int:
        """Return the clock's time when a record is read, maybe again."""
        self.farthest = max(self.farthest, index)
        return self.log.times[self.farthest] + SLOW_NS

    def read(self, start: int, stop: int, size: int) -> None:
        """Take a stretch of the log, some records at a time."""
        for first in range(start, stop, size):
            indexes = range(first, min(first + size, stop))
            times = [self.log.times[index] for index in indexes]
            keys = [self.keys[index] for index in indexes]
            taken = self.window.take(times, keys, self.now_ns(indexes[-1]))
            self.given += [first + index for index in taken]
            self.stored += packed([times[one] for one in taken], [keys[one] for one in taken])

    def resume(self, stop: int, size: int) -> None:
        """Begin again from what was stored, as :func:`requests` says."""
        self.window = Window(self.window.lo, self.window.hi, self.stored)
        for parameters in requests(self.window):
            tail = parameters["tail"]
            since = parameters.get("since")
            start = 0 if tail == "all" else max(0, stop - int(tail))
            if since is not None:
                at = int(since.replace(".", ""))
                start = next((i for i in range(stop) if self.log.times[i] >= at), stop)
            if start == stop or self.window.reaches(self.log.times[start], self.keys[start]):
                break
        self.window.begin()
        self.read(start, stop, size)


@settings(deadline=None, max_examples=15)
@given(
    st.integers(0, 1000),
    st.lists(st.integers(1, 5000), min_size=1, max_size=6),
    st.integers(1, 700),
    st.sampled_from([1_000, 50_000, 1_000_000]),
)
def test_kills_lose_and_repeat_nothing(
    seed: int, reads: list[int], size: int, step_ns: int
) -> None:
    """Each life reads on where the last one left its keys, at any rate, in the log's order."""
    reader = Reader(log_of(sum(reads), seed, step_ns))
    stop = 0
    for more in reads:
        stop += more
        reader.resume(stop, size)
    assert reader.given == list(range(stop))


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 1000), st.integers(1, 300), st.integers(1, 4000))
def test_what_a_rotation_repeats_is_recognised(seed: int, size: int, back: int) -> None:
    """The engine begins again some records before, inside one answer."""
    reader = Reader(log_of(12000, seed))
    reader.read(0, 8000, size)
    reader.read(8000 - back, 12000, size)
    assert reader.given == list(range(12000))


def test_a_whole_file_that_is_repeated_is_recognised() -> None:
    """Also what the window has forgotten of it: no clock was set back."""
    reader = Reader(log_of(12000, 1, 1_000_000))
    reader.read(0, 8000, 100)
    assert reader.window.count < 8000
    reader.read(0, 12000, 100)
    assert reader.given == list(range(12000))


def test_records_in_order_are_taken_whole() -> None:
    """The usual case costs no look at single records."""
    window = Window()
    assert window.take([1, 2, 3], [7, 7, 7]) == range(3)
    assert window.take([4, 5], [7, 7]) == range(2)


def test_equal_times_of_different_lines_are_both_new() -> None:
    """A coarse clock loses nothing."""
    window = Window()
    assert list(window.take([5, 5], [1, 2])) == [0, 1]
    assert list(window.take([5, 5], [2, 3])) == [1]


def test_the_window_keeps_the_newest_and_the_last_second() -> None:
    """Whichever is more, and not much more than that."""
    window = Window()
    for number in count():
        window.take([START + number * 1_000_000], [number])
        if number == 20_000:
            break
    assert LEAST_RECORDS <= window.count <= LEAST_RECORDS + 1024
    assert window.lo > START
    window = Window()
    for number in range(20_000):
        window.take([START + number * (LEAST_NS // 10_000)], [number])
    assert 10_000 <= window.count <= 11_024


def set_back(size: int, at: int, back_ns: int) -> Records:
    """Return a log in whose midst the engine's clock was set back."""
    log = log_of(size, 1, 1_000_000)
    times = [time - back_ns * (index >= at) for index, time in enumerate(log.times)]
    return Records(times, log.streams, log.texts)


@pytest.mark.parametrize("stop", [6000, 11_500, 12_001, 12_500, 14_000, 19_000])
@pytest.mark.parametrize("back_seconds", [2, 5, 3600])
def test_a_clock_that_is_set_back_loses_and_repeats_nothing(back_seconds: int, stop: int) -> None:
    """Neither while an answer goes on, nor where it is asked for again."""
    reader = Reader(set_back(20_000, 12_000, back_seconds * SECOND))
    reader.window.begin()
    reader.read(0, stop, 70)
    reader.resume(stop + 600, 70)
    reader.read(stop + 600, 20_000, 70)
    assert reader.given == list(range(20_000))


def test_what_is_read_after_the_clock_was_set_back_is_bounded() -> None:
    """What was known before is forgotten as ever."""
    reader = Reader(set_back(40_000, 8_000, 3600 * SECOND))
    reader.read(0, 40_000, 100)
    assert reader.given == list(range(40_000))
    assert reader.window.count <= LEAST_RECORDS + 1024
    assert reader.log.times[35_000] < reader.window.lo < reader.window.hi == reader.log.times[-1]


def test_older_than_the_window_is_not_new() -> None:
    """It was read, or was not wanted."""
    window = Window(lo=100)
    assert list(window.take([90, 100, 110], [1, 2, 3])) == [1, 2]


def test_a_log_is_asked_for_a_little_first_and_by_time_last() -> None:
    """A question by time has the engine decode it from its beginning."""
    window = Window(START, START + 5, packed([START + 5], [1]))
    assert list(requests(window)) == [
        {"tail": "1024"},
        {"tail": "8192"},
        {"tail": "65536"},
        {"tail": "524288"},
        {"tail": "4194304"},
        {"tail": "all", "since": "1795262400.000000000"},
    ]
    assert list(requests(Window())) == [{"tail": "all"}]


def test_by_time_a_log_is_asked_for_from_an_open_line_on() -> None:
    """All of its parts have the time of the first."""
    window = Window(START, START + 5, packed([START + 5], [1]), [(1, START - SECOND, 0)])
    assert list(requests(window))[-1] == {"tail": "all", "since": "1795262399.000000000"}


def test_an_answer_that_begins_with_something_new_does_not_reach_back() -> None:
    """Something may lie between."""
    window = Window(100, 200, packed([150, 200], [1, 2]))
    assert window.reaches(99, 7)
    assert window.reaches(150, 1)
    assert not window.reaches(150, 2)
    assert not window.reaches(300, 3)


def test_a_known_record_may_come_after_one_that_was_held() -> None:
    """Till all was read again, or what comes is far later."""
    stored = packed([START, START + 5], [1, 2])
    window = Window(START, START + 5, stored, unsure_ns=START + 3)
    assert window.reaches(START, 1)
    assert not window.reaches(START + 5, 2)
    assert window.reaches(START + 5, 2, is_last=True)
    window.take([START + 2 * SECOND], [3])
    assert window.reaches(START + 5, 2)
    window = Window(START, START + 5, stored, unsure_ns=START + 3)
    window.settle()
    assert window.reaches(START + 5, 2)


def test_pieces_of_an_endless_line_differ_by_their_place() -> None:
    """They have one time, and may have one text."""
    piece = b"x" * 100 + b"\n"
    records = Records([5, 5, 5], bytes(3), [piece] * 3, {0: 0, 1: 100, 2: 200})
    assert len(set(hashes(records))) == 3


def test_streams_with_one_text_differ() -> None:
    """At the same time too."""
    records = Records([5, 5], b"\0\1", [b"same\n", b"same\n"])
    assert len(set(hashes(records))) == 2


def test_a_position_is_read_as_it_was_written() -> None:
    """What is no position is none."""
    position = ContainerPosition(1, 2, "web-1", "web", "web-1.abc", 3, True, [(1, 7, 9)], 5)
    assert ContainerPosition.parse(position.dump()) == position
    for text in ("", "7", "{}", '{"lo": 1}', "[]", '{"lo": "x"}'):
        assert ContainerPosition.parse(text) is None
