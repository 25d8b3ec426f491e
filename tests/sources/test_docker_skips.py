"""When a silence or a jump may hide a file that the engine has skipped."""

import pytest

from relay.sources.docker_skips import Skips

MILLISECOND = 1_000_000
SECOND = 1_000_000_000
START = 1_795_262_400 * SECOND
FILE_BYTES = 1_000_000


def steady(skips: Skips, step_ns: int, size: int, count: int = 1000) -> int:
    """Have it see records at a rate, one by one, and return the time of the last."""
    time = START
    for number in range(count):
        before = time if number else 0
        time = START + number * step_ns
        assert skips.first_doubt([time], size, before) is None
    return time


def test_a_log_that_is_never_rotated_is_never_in_doubt() -> None:
    """Whatever it does."""
    skips = Skips(None)
    hi = steady(skips, MILLISECOND, 1000)
    assert skips.first_doubt([hi + 3600 * SECOND], 100, hi) is None
    assert skips.quiet_seconds is None


@pytest.mark.parametrize(
    ("jump_ms", "expected"), [(30, None), (120, None), (130, 1), (1000, 1), (60_000, 1)]
)
def test_a_jump_in_which_a_file_could_be_written_is_in_doubt(
    jump_ms: int, expected: int | None
) -> None:
    """At 1 MB/s a file of 1 MB takes a second; at eight times as much an eighth of one."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, MILLISECOND, 1000)
    first = hi + MILLISECOND
    jumped = first + jump_ms * MILLISECOND
    assert skips.first_doubt([first, jumped, jumped + 1], 100, hi) == expected


def test_one_who_says_little_is_not_in_doubt() -> None:
    """A line each second would have to become a hundred thousand."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, SECOND, 100)
    assert skips.first_doubt([hi + 600 * SECOND], 100, hi) is None


def test_a_burst_is_known_by_what_came_after_the_jump() -> None:
    """Before it nothing may have been said."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, SECOND, 100)
    times = [hi + SECOND // 2 + number * 1000 for number in range(1000)]
    assert skips.first_doubt(times, 100_000, hi) == 0


@pytest.mark.parametrize(("before", "after"), [(500, 100), (100, 500)])
def test_a_jump_in_the_midst_of_what_is_read_makes_it_no_slower(before: int, after: int) -> None:
    """It is rated on each side, also where nothing was seen before, as after a restart."""
    skips = Skips(FILE_BYTES)
    first = [START + number * 80_000 for number in range(before)]
    rest = [first[-1] + 800 * MILLISECOND + number * 80_000 for number in range(after)]
    assert skips.first_doubt([*first, *rest], 60 * 600, 0) == before


def test_no_engine_is_faster_than_any() -> None:
    """A pause of 2 ms has no room for a file, however fast was written."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, 10_000, 100_000)
    assert skips.first_doubt([hi + 2 * MILLISECOND], 100, hi) is None
    assert skips.first_doubt([hi + 4 * MILLISECOND], 100, hi) == 0


def test_what_was_read_before_is_in_no_doubt() -> None:
    """An answer begins with it, and with the pauses that it had."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, MILLISECOND, 1000) + 10 * SECOND
    assert skips.first_doubt([hi - 9 * SECOND, hi - SECOND, hi], 100, hi) is None


def test_streams_that_overtake_one_another_make_no_jump() -> None:
    """Nor does a file that is repeated."""
    skips = Skips(FILE_BYTES)
    hi = steady(skips, MILLISECOND, 1000)
    back = [hi - 500 * MILLISECOND, hi + MILLISECOND, hi - 300 * MILLISECOND, hi + 2 * MILLISECOND]
    assert skips.first_doubt(back, 100, hi) is None


def test_a_silence_is_looked_into_once() -> None:
    """A second after the log was opened, and after each that was long enough for a file."""
    skips = Skips(FILE_BYTES)
    assert skips.quiet_seconds == 1.0
    skips.hush()
    assert skips.quiet_seconds is None
    hi = steady(skips, MILLISECOND, 1000)
    assert skips.quiet_seconds == 1.0
    skips.hush()
    assert skips.quiet_seconds is None
    skips.first_doubt([hi + 1], 1, hi)
    assert skips.quiet_seconds == 1.0


def test_a_silence_of_one_who_says_little_may_be_longer() -> None:
    """A second's is nothing to it."""
    skips = Skips(FILE_BYTES)
    steady(skips, 100 * MILLISECOND, 200)
    assert skips.quiet_seconds == pytest.approx(62.5, rel=0.01)
