"""What AWS pushed lately is known when it comes again."""

import time

from relay.inlet import LogRecord
from relay.sources.cloudwatch_events import unpack_keys
from relay.sources.cloudwatch_repeats import RECORDS, Known, Repeats, record_key, restored

NOW_MS = 1_795_255_350_000
DAY_MS = 86_400_000
PLENTY = 1 << 20


def known(repeats: Repeats, *keys: int) -> list[int]:
    """Return which of these are known."""
    return [key for key in keys if key in repeats]


def test_keys_are_known_for_a_day() -> None:
    """Then AWS has given up."""
    repeats = Repeats(PLENTY)
    repeats.settle([1, 2], NOW_MS)
    repeats.settle([3], NOW_MS + DAY_MS)
    assert known(repeats, 1, 2, 3, 4) == [1, 2, 3]
    repeats.settle([4], NOW_MS + DAY_MS + 1)
    assert known(repeats, 1, 2, 3, 4) == [3, 4]


def test_the_newest_keys_are_known_however_many_come() -> None:
    """Memory is bounded."""
    repeats = Repeats(3)
    for key in range(5):
        repeats.settle([key], NOW_MS)
    assert (len(repeats), known(repeats, *range(5))) == (3, [2, 3, 4])
    repeats.settle(range(10, 20), NOW_MS)
    assert (len(repeats), known(repeats, *range(20))) == (3, [17, 18, 19])


def test_forgetting_costs_no_more_than_what_is_forgotten() -> None:
    """However much is known: ten of these turns would take a second if all were looked through."""
    repeats = Repeats(262_144)
    repeats.settle(range(262_144), NOW_MS)
    begun = time.process_time()
    for first in range(300_000, 400_000, 1000):
        repeats.settle(range(first, first + 1000), NOW_MS)
    assert time.process_time() - begun < 1


def test_nothing_is_over_before_a_day_is() -> None:
    """Then the channel itself need not be known."""
    channel = Known()
    channel.settle([1], [], NOW_MS)
    channel.settle([2], [], NOW_MS + 5)
    assert not channel.is_over(NOW_MS + DAY_MS + 5)
    assert channel.is_over(NOW_MS + DAY_MS + 6)
    assert Known().is_over(NOW_MS)


def test_a_clock_that_is_set_back_lets_no_key_be_forgotten() -> None:
    """What comes then has an earlier time than what came before."""
    repeats = Repeats(PLENTY)
    repeats.settle([1], NOW_MS)
    assert repeats.position([2], NOW_MS - 60_000).keys_from == NOW_MS - 60_000


def test_a_position_keeps_the_keys_that_are_known() -> None:
    """And lets the store forget the others."""
    repeats = Repeats(PLENTY)
    repeats.settle([1], NOW_MS)
    position = repeats.position([2, 3], NOW_MS + 5)
    assert unpack_keys(position.record_keys) == {2: NOW_MS + 5, 3: NOW_MS + 5}
    assert (position.value, position.keys_from) == ("pushed", NOW_MS)
    assert known(Repeats(PLENTY, position.record_keys), 1, 2, 3) == [2, 3]


def test_what_an_earlier_life_knew_is_known_again() -> None:
    """Of each channel its events and records; the one that was silent for longest comes first."""
    one, two = Known(), Known()
    positions = {
        "late": two.events.position([1], NOW_MS + 1),
        "early": one.events.position([2], NOW_MS),
        RECORDS + "early": one.records.position([3], NOW_MS),
    }
    found = list(restored(positions))
    assert [channel for channel, _ in found] == ["early", "late"]
    early, late = found[0][1], found[1][1]
    assert (known(early.events, 1, 2), known(early.records, 3), len(early)) == ([2], [3], 2)
    assert (known(late.events, 1, 2), len(late)) == ([1], 1)


def test_a_record_is_told_by_all_of_its_events() -> None:
    """Not by one more or less, nor by what else stands in it."""

    def key(*names: str, text: str = "x") -> int:
        return record_key(LogRecord("/app", "a", [(1, name, text) for name in names]))

    assert key("1", "2") == key("1", "2", text="y")
    assert len({key(), key("1"), key("1", "2"), key("12"), key("2", "1")}) == 5
