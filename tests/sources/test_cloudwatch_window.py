"""What was read of a log group, and what is asked for again."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from relay.entry import Position
from relay.sources.cloudwatch_events import Event, in_order, key_of, unpack_keys
from relay.sources.cloudwatch_window import Poll, Window

LOOKBACK_MS = 120_000
NOW_MS = 1_795_255_350_000


def event(number: int, time_ms: int, stream: str = "a") -> Event:
    """Return an event that says its number."""
    return (time_ms, time_ms + 5, key_of(f"{number:056d}"), stream, str(number))


@dataclass
class Group:
    """A log group: each event is there from a certain time on."""

    events: list[tuple[int, Event]]

    def pages(self, start_ms: int, now_ms: int, size: int) -> list[list[Event]]:
        """Return what a request answers: an empty page too where nothing is there."""
        there = [one for at, one in self.events if at <= now_ms and one[0] >= start_ms]
        there = in_order(there)
        return [there[i : i + size] for i in range(0, len(there), size)] or [[]]


@dataclass
class Kept:
    """What is durable: published texts, and the last position with the keys before it."""

    texts: list[str] = field(default_factory=list)
    value: str = ""
    keys: bytes = b""

    def commit(self, events: list[Event], position: Position) -> None:
        """Take events and their position as one, and let go of old keys, as a store may."""
        self.texts += [one[4] for one in events]
        self.value = position.value
        together = self.keys + position.record_keys
        kept = [together[i : i + 16] for i in range(0, len(together), 16)]
        self.keys = b"".join(key for key in kept if int.from_bytes(key[:8]) >= position.keys_from)

    def window(self, slack_ms: int = 0) -> Window:
        """Return the window of another life."""
        return Window.restored(Position(self.value, self.keys), LOOKBACK_MS, slack_ms)


def run_poll(
    window: Window,
    group: Group,
    kept: Kept,
    now_ms: int,
    size: int,
    cut: int | None = None,
    poll: Poll | None = None,
) -> Poll | None:
    """
    Read page after page as a poller does, with short polls between the pages of a sweep.

    Args:
        window: what was read.
        group: what there is.
        kept: what is durable.
        now_ms: the present.
        size: of a page.
        cut: nothing is committed after so many pages.
        poll: ``None``: what the window says.
    """
    poll = poll or window.begin(now_ms)
    for number, page in enumerate(group.pages(poll.start_ms, now_ms, size)):
        poll = poll.turned()
        new = in_order(window.new(page))
        if number == cut:
            window.unread(new)
            return None
        if new:
            position = window.position(poll, new)
            kept.commit(new, position)
            window.settle(position, new)
        short = window.meanwhile(poll, now_ms + number)
        if short is not None and number % 3 == 1:
            run_poll(window, group, kept, now_ms + number, size, poll=short)
    window.end(poll, now_ms + 5)
    return poll


def started(from_ms: int = NOW_MS, slack_ms: int = 0) -> tuple[Window, Kept]:
    """Return a new window, whose first position is kept."""
    window, kept = Window(from_ms, LOOKBACK_MS, slack_ms), Kept()
    kept.commit([], window.here())
    return window, kept


def test_events_of_the_same_millisecond_are_read_once() -> None:
    """Also where the next poll asks for them again."""
    window, kept = started()
    group = Group([(NOW_MS, event(n, NOW_MS)) for n in range(50)])
    for later in (0, 1000, 2000):
        run_poll(window, group, kept, NOW_MS + later, 7)
    assert kept.texts == [str(n) for n in range(50)]


def test_an_event_that_comes_late_is_read() -> None:
    """As late as the lookback allows, behind others that were read long before."""
    window, kept = started()
    late = event(1, NOW_MS + 10)
    group = Group([(NOW_MS + 10 + LOOKBACK_MS, late), (0, event(2, NOW_MS + LOOKBACK_MS))])
    for second in range(125):
        run_poll(window, group, kept, NOW_MS + second * 1000, 10)
    assert kept.texts == ["2", "1"]


def test_the_window_moves_on_while_nothing_comes() -> None:
    """Else a restart after a silent week would ask for all of it."""
    window, kept = started()
    run_poll(window, Group([]), kept, NOW_MS + 7 * 86_400_000, 10)
    assert window.from_ms == NOW_MS + 7 * 86_400_000 - LOOKBACK_MS


def test_the_lookback_counts_from_the_newest_event_where_the_clock_runs_ahead() -> None:
    """Our clock is five minutes ahead of AWS's, and an event is half a minute late."""
    ahead = NOW_MS + 300_000
    window, kept = started(slack_ms=3_600_000)
    group = Group([(ahead, event(1, NOW_MS + 50)), (ahead + 30_000, event(2, NOW_MS + 10))])
    run_poll(window, group, kept, ahead + 1000, 10)
    run_poll(window, group, kept, ahead + 31_000, 10)
    assert kept.texts == ["1", "2"]


def test_what_is_published_after_all_is_known_again() -> None:
    """Who waited for it was cancelled, and took it back."""
    window, _ = started()
    poll, events = window.begin(NOW_MS), [event(n, NOW_MS + n) for n in range(5)]
    position = window.position(poll, window.new(events))
    window.unread(events)
    window.settle(position, events)
    assert window.new([*events, event(5, NOW_MS)]) == [event(5, NOW_MS)]


def test_a_poll_began_when_it_did_by_awss_clock() -> None:
    """Its first page tells how far ours is ahead."""
    poll = Poll(NOW_MS, NOW_MS + 5000, True).turned(3000).turned(9000)
    assert poll == Poll(NOW_MS, NOW_MS + 2000, True, 2)


def test_now_is_when_it_is_by_awss_clock() -> None:
    """Ours is five minutes ahead, as the first answer tells; what happened before is not read."""
    window = Window(NOW_MS + 300_000, LOOKBACK_MS, is_now=True)
    poll = window.begin(NOW_MS + 300_050).turned(300_000)
    window.note_clock(300_000)
    window.end(poll, NOW_MS + 100)
    window.note_clock(400_000)
    assert window.begin(NOW_MS + 1000).start_ms == NOW_MS
    at_a_time = Window(NOW_MS, LOOKBACK_MS)
    at_a_time.note_clock(300_000)
    assert at_a_time.from_ms == NOW_MS


def test_an_event_from_the_future_costs_no_other() -> None:
    """A writer's clock is an hour ahead: what others write now is still read."""
    window, kept = started(slack_ms=3_600_000)
    ahead = event(1, NOW_MS + 3_600_000)
    group = Group([(NOW_MS, ahead), (NOW_MS + 5000, event(2, NOW_MS + 4000))])
    for second in range(10):
        run_poll(window, group, kept, NOW_MS + second * 1000, 10)
    assert kept.texts == ["1", "2"]


def test_keys_before_the_window_are_forgotten() -> None:
    """Memory is bounded by the lookback."""
    window, kept = started()
    group = Group([(0, event(n, NOW_MS + n * 1000)) for n in range(1000)])
    run_poll(window, group, kept, NOW_MS + 1_000_000, 100)
    run_poll(window, group, kept, NOW_MS + 1_001_000, 100)
    assert 119 <= len(window) <= 119 + 15  # What is of a slot is forgotten together.
    assert min(unpack_keys(kept.keys).values()) >= window.from_ms - LOOKBACK_MS


def test_between_sweeps_of_many_pages_only_the_last_seconds_are_asked_for() -> None:
    """New events need not wait until old ones are read again."""
    window, kept = started()
    group = Group([(0, event(n, NOW_MS + n * 100)) for n in range(1000)])
    now_ms = NOW_MS + 100_000
    assert run_poll(window, group, kept, now_ms, 100) == Poll(NOW_MS, now_ms, True, 10)
    short = window.begin(now_ms + 1000)
    assert short == Poll(now_ms - 10_000, now_ms + 1000, False)
    assert window.begin(now_ms + 6000).is_sweep


def test_so_they_are_between_the_pages_of_a_sweep() -> None:
    """But for one that catches up, first or after a while: it gives the newest at its end."""
    window, kept = started()
    group = Group([(0, event(n, NOW_MS + n * 100)) for n in range(1000)])
    now_ms = NOW_MS + 100_000
    assert window.meanwhile(window.begin(now_ms), now_ms) is None
    run_poll(window, group, kept, now_ms, 100)
    sweep = window.begin(now_ms + 6000)
    assert window.meanwhile(sweep, now_ms + 7000) == Poll(now_ms - 10_000, now_ms + 7000, False)
    assert window.meanwhile(window.begin(now_ms + 1000), now_ms + 1000) is None
    late = window.begin(now_ms + 20_000)
    assert late.is_sweep
    assert window.meanwhile(late, now_ms + 21_000) is None


def test_a_sweep_that_breaks_off_is_gone_on_with() -> None:
    """From the last page that was published, not from the beginning."""
    window, kept = started()
    group = Group([(0, event(n, NOW_MS + n * 1000)) for n in range(1000)])
    run_poll(window, group, kept, NOW_MS + 1_000_000, 100, cut=5)
    assert window.from_ms == NOW_MS + 499_000 - LOOKBACK_MS
    run_poll(window, group, kept, NOW_MS + 1_001_000, 100)
    assert kept.texts == [str(n) for n in range(1000)]


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_each_event_is_read_once_whatever_happens(data: st.DataObject) -> None:
    """Late by up to the lookback, in bursts, with polls that break off and with restarts."""
    bursts = data.draw(
        st.lists(st.tuples(st.integers(0, 200_000), st.integers(1, 12)), max_size=8)
    )
    lateness = st.integers(0, LOOKBACK_MS - 1)
    events: list[tuple[int, Event]] = []
    for offset, count in bursts:
        for _ in range(count):
            made = event(
                len(events), NOW_MS + offset + data.draw(st.sampled_from([0, 0, 0, 1, 40]))
            )
            events.append((made[0] + data.draw(st.sampled_from([0, 500]) | lateness), made))
    group = Group(events)
    slack_ms = data.draw(st.sampled_from([0, 3_600_000]))
    window, kept = started(slack_ms=slack_ms)
    size = data.draw(st.integers(1, 20))
    now_ms = NOW_MS
    while now_ms < NOW_MS + 400_000:
        cut = data.draw(st.none() | st.integers(0, 3))
        run_poll(window, group, kept, now_ms, size, cut)
        if data.draw(st.integers(0, 4)) == 0:
            window = kept.window(slack_ms)
        now_ms += data.draw(st.sampled_from([1000, 5000, 40_000, 90_000]))
    for _ in range(3):
        now_ms += 60_000
        run_poll(window, group, kept, now_ms, size)
    assert sorted(kept.texts, key=int) == [str(n) for n in range(len(events))]
