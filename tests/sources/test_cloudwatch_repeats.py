"""What AWS pushed lately is known when it comes again."""

from relay.entry import Position
from relay.sources.cloudwatch_events import Event, unpack_keys
from relay.sources.cloudwatch_repeats import Repeats

NOW_MS = 1_795_255_350_000
DAY_MS = 86_400_000


def events(*numbers: int) -> list[Event]:
    """Return numbered events."""
    return [(NOW_MS, 0, n, "a", str(n)) for n in numbers]


def test_events_are_known_for_a_day() -> None:
    """Then AWS has given up."""
    repeats = Repeats()
    repeats.settle(events(1, 2), NOW_MS)
    assert repeats.new(events(1, 3, 3)) == events(3)
    repeats.settle(events(3), NOW_MS + DAY_MS)
    assert repeats.new(events(1, 2, 3)) == []
    repeats.settle(events(4), NOW_MS + DAY_MS + 1)
    assert repeats.new(events(1, 2, 3)) == events(1, 2)


def test_the_newest_events_are_known_however_many_come() -> None:
    """Memory is bounded."""
    repeats = Repeats()
    repeats.settle(events(*range(300_000)), NOW_MS)
    assert len(repeats) == 262_144
    assert repeats.new(events(0, 299_999)) == events(0)


def test_nothing_is_over_before_a_day_is() -> None:
    """Then the channel itself need not be known."""
    repeats = Repeats()
    repeats.settle(events(1), NOW_MS)
    repeats.settle(events(2), NOW_MS + 5)
    assert not repeats.is_over(NOW_MS + DAY_MS + 5)
    assert repeats.is_over(NOW_MS + DAY_MS + 6)
    assert Repeats().is_over(NOW_MS)


def test_a_clock_that_is_set_back_lets_no_key_be_forgotten() -> None:
    """What comes then has an earlier time than what came before."""
    repeats = Repeats()
    repeats.settle(events(1), NOW_MS)
    assert repeats.position(events(2), NOW_MS - 60_000).keys_from == NOW_MS - 60_000


def test_a_position_keeps_the_keys_that_are_known() -> None:
    """And lets the store forget the others."""
    repeats = Repeats()
    repeats.settle(events(1), NOW_MS)
    position = repeats.position(events(2, 3), NOW_MS + 5)
    assert unpack_keys(position.record_keys) == {2: NOW_MS + 5, 3: NOW_MS + 5}
    assert (position.value, position.keys_from) == ("pushed", NOW_MS)
    assert Repeats(Position("", position.record_keys).record_keys).new(events(1, 2)) == events(1)
