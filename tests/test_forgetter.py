"""Channels that are silent and read from nowhere are dropped, and come again."""

import asyncio
from array import array

from relay.channel import Channel
from relay.config.model import ChannelOptions
from relay.entry import Gap, Loss, Origin, Reason, RunEnded, RunStarted
from relay.forgetter import Forgetter, Silence
from relay.hub import MAX_FORGOTTEN, Hub
from relay.query import Query
from relay.restart import restart_gaps
from relay.run import Ending
from relay.subscription import Subscription
from tests.building import batch
from tests.slow_store import SlowStore

BOUNDS = ChannelOptions(lines=100)
WEB = Query(channels=("web",))


class World:
    """A hub, and a forgetter with a clock that is set by hand."""

    def __init__(self) -> None:
        self.hub = Hub(lambda name: BOUNDS)
        self.fed: set[str] = set()
        self.after = {"never": 0.0}
        self.forgetter = Forgetter(
            self.hub, lambda name: self.after.get(name, 10.0), lambda: self.fed
        )

    def sweep(self, *times: float) -> list[str]:
        """Look at all channels at these times, and return those that are left."""
        for time in times:
            self.forgetter.sweep(time)
        return list(self.hub.channels)

    def channel(self, name: str = "web") -> Channel:
        return self.hub.channels[name]


async def given(subscription: Subscription) -> list[object]:
    """Return what a subscription gives: lines, counts of gaps and names of runs."""
    found: list[object] = []
    while subscription.has_news:
        for one in await subscription.read():
            if isinstance(one, Gap):
                found.append((one.channel, one.count, one.at_least))
            elif isinstance(one, Ending):
                found.append(one.run)
            else:
                found += one.block.lines.slice(one.start, one.stop).strings()
    return found


async def test_a_silent_channel_that_nobody_feeds_is_dropped() -> None:
    """Not before its time, and not while there is news or somebody to feed it."""
    world = World()
    await world.hub.publish([batch("web", "a"), batch("fed", "a"), batch("never", "a")])
    world.fed = {"fed"}
    assert world.sweep(0.0, 9.0) == ["web", "fed", "never"]
    await world.hub.publish([batch("web", "b")])
    assert world.sweep(10.0, 19.0) == ["web", "fed", "never"]
    assert world.sweep(20.0) == ["fed", "never"]
    world.fed = set()
    assert world.sweep(29.0) == ["fed", "never"]
    assert world.sweep(30.0, 1000.0) == ["never"]


async def test_a_channel_that_comes_again_goes_on_counting() -> None:
    """Whoever follows it by name, by glob or all misses nothing, and is told of no gap."""
    world = World()
    await world.hub.publish([batch("web", "a b")])
    with (
        world.hub.subscribe(WEB, world.hub.start_id) as by_name,
        world.hub.subscribe(Query(channels=("w*",)), world.hub.start_id) as by_glob,
        world.hub.subscribe(Query(), world.hub.start_id) as everywhere,
    ):
        followers = [by_name, by_glob, everywhere]
        assert [await given(one) for one in followers] == [["a", "b"]] * 3
        assert world.sweep(0.0, 10.0) == []
        await world.hub.publish([batch("web", "c")])
        assert (world.channel().last_seq, world.channel().ring.lines) == (3, 1)
        assert [await given(one) for one in followers] == [["c"]] * 3
        await world.hub.publish([batch("web", "d")])
        assert [await given(one) for one in followers] == [["d"]] * 3


async def test_a_reader_with_an_old_cursor_is_told_what_is_gone() -> None:
    """By the count where it had nothing, or all; else that nobody can count it."""
    world = World()
    start = world.hub.start_id
    last = await world.hub.publish([batch("web", "a b c")])
    other = await world.hub.publish([batch("db", "x")])
    world.fed = {"db"}
    world.sweep(0.0, 10.0)
    cursors: dict[int, list[object]] = {
        start: [("web", 3, 3)],
        last - 1: [("web", None, 1)],
        last: [],
        other: [],
    }
    for cursor, expected in cursors.items():
        assert restart_gaps(world.hub, WEB, cursor) == []
        with world.hub.subscribe(WEB, cursor) as before:
            assert await given(before) == expected
            assert (await before.read(), before.cursor) == ([], other)
    await world.hub.publish([batch("web", "d e")])
    for cursor, expected in cursors.items():
        with world.hub.subscribe(WEB, cursor) as after:
            assert await given(after) == [*expected, "d", "e"]
        with world.hub.subscribe(Query(), cursor) as all_:
            told = await given(all_)
            assert told == [*expected, *(["x"] if cursor < other else []), "d", "e"]


async def test_who_asks_for_later_times_has_lost_nothing() -> None:
    """What was forgotten is older than what is wanted."""
    world = World()
    await world.hub.publish([batch("web", "a b", timestamps=array("q", [5, 7]))])
    world.sweep(0.0, 10.0)
    for since_ns, expected in ((8, []), (7, [("web", 2, 2)])):
        with world.hub.subscribe(WEB, world.hub.start_id, since_ns) as subscription:
            assert await given(subscription) == expected


async def test_what_is_evicted_later_is_counted_with_it() -> None:
    """The gap of a second life follows that of the first, and no entry is passed over."""
    world = World()
    await world.hub.publish([batch("web", "a b c")])
    world.sweep(0.0, 10.0)
    for number in range(120):
        await world.hub.publish([batch("web", [str(number)])])
    with world.hub.subscribe(WEB, world.hub.start_id) as subscription:
        found = await given(subscription)
    gaps = [one for one in found if isinstance(one, tuple)]
    assert sum(count for _, count, _ in gaps) + len(found) - len(gaps) == 123
    assert found[-1] == "119"


async def test_a_slow_reader_is_told_what_it_had_not_read() -> None:
    """It was connected when the channel was dropped."""
    world = World()
    last = await world.hub.publish([batch("web", "a b c", loss=Loss(Reason.RATE, 5, 5))])
    with world.hub.subscribe(WEB, last - 2) as subscription:
        world.sweep(0.0, 10.0)
        await world.hub.publish([batch("web", "d")])
        assert await given(subscription) == [("web", None, 1), "d"]


async def test_runs_go_with_their_channel() -> None:
    """A run that another channel still holds stays."""
    world = World()
    one, both = Origin("app", run="one"), Origin("app", run="both")
    await world.hub.publish(
        [
            batch("web", "a", one, runs=(RunStarted("one", 1), RunEnded("one", 2, "ended"))),
            batch("web", "b", both),
            batch("db", "c", both),
        ]
    )
    world.fed = {"db"}
    world.sweep(0.0, 10.0)
    assert list(world.hub.runs) == ["both"]
    assert list(world.hub.runs["both"].last_ids) == ["db"]
    query = Query(runs=("one",))
    with world.hub.subscribe(query, world.hub.last_id) as subscription:
        await world.hub.publish([batch("web", "d", one)])
        assert await given(subscription) == ["d"]


async def test_forgotten_channels_leave_room_and_are_forgotten_themselves() -> None:
    """Memory is bounded, whatever names come."""
    hub = Hub(lambda name: BOUNDS, max_channels=1)
    for number in range(MAX_FORGOTTEN + 1):
        await hub.publish([batch(f"job-{number}", "a")])
        hub.forget(f"job-{number}")
    await hub.publish([batch("job-1", "b")])
    assert hub.channels["job-1"].last_seq == 2
    hub.forget("job-1")
    await hub.publish([batch("job-0", "b")])
    assert hub.channels["job-0"].last_seq == 1


async def test_lines_on_their_way_keep_a_channel() -> None:
    """What was numbered becomes visible in the channel that numbered it."""
    store = SlowStore()
    hub = Hub(lambda name: BOUNDS, store)
    publishing = asyncio.create_task(hub.publish([batch("web", "a")]))
    while not hub.channels or not hub.channels["web"].numbered_seq:
        await asyncio.sleep(0)
    hub.forget("web")
    store.let.set()
    await publishing
    assert hub.channels["web"].ring.lines == 1


async def test_how_long_a_channel_was_silent_before_a_restart_counts() -> None:
    """But it is not dropped within an hour; news make what was before count no more."""
    hub = Hub(lambda name: BOUNDS)
    for name in ("long", "short", "news", "fed"):
        await hub.publish([batch(name, "a")])
    before = {"long": 1e9, "short": 1000.0, "news": 1e9, "fed": 1e9}
    silence = {
        name: Silence(hub.channels[name].last_id, seconds) for name, seconds in before.items()
    }
    await hub.publish([batch("news", "b")])
    fed = {"fed"}
    forgetter = Forgetter(hub, lambda name: 10_000.0, lambda: fed, silence)
    left = {}
    for now in (0.0, 3599.0, 3600.0, 8999.0, 9000.0, 9999.0):
        forgetter.sweep(now)
        left[now] = list(hub.channels)
    assert left == {
        0.0: ["long", "short", "news", "fed"],
        3599.0: ["long", "short", "news", "fed"],
        3600.0: ["short", "news", "fed"],
        8999.0: ["short", "news", "fed"],
        9000.0: ["news", "fed"],
        9999.0: ["news", "fed"],
    }
    forgetter.sweep(10_000.0)
    assert list(hub.channels) == ["fed"]


async def test_lives_that_are_shorter_than_an_hour_count_together() -> None:
    """Else a relay that is restarted more often would keep all channels for ever."""
    hub = Hub(lambda name: BOUNDS)
    for name in ("silent", "fed"):
        await hub.publish([batch(name, "a")])
    last_ids = {name: channel.last_id for name, channel in hub.channels.items()}
    counted: dict[str, int] = {}
    left = []
    for fed in ({"fed"}, {"fed"}, set(), set(), set()):
        silence = {name: Silence(id_, 1e9, counted.get(name, 0)) for name, id_ in last_ids.items()}
        forgetter = Forgetter(hub, lambda name: 10_000.0, lambda fed=fed: fed, silence)  # type: ignore[misc]
        assert forgetter.counted() == counted
        for now in (0.0, 1500.0):
            forgetter.sweep(now)
        counted = forgetter.counted()
        left.append((list(hub.channels), counted))
    assert left == [
        (["silent", "fed"], {"silent": 7900}),
        (["silent", "fed"], {"silent": 9400}),
        (["fed"], {"silent": 10_900, "fed": 7900}),
        (["fed"], {"fed": 9400}),
        ([], {"fed": 10_900}),
    ]


async def test_silence_that_was_counted_is_not_more_than_there_was() -> None:
    """News that came just before a restart end it."""
    hub = Hub(lambda name: BOUNDS)
    await hub.publish([batch("web", "a")])
    silence = {"web": Silence(hub.last_id, 5.0, 9000)}
    forgetter = Forgetter(hub, lambda name: 10_000.0, set, silence)
    for now in (0.0, 9994.0):
        forgetter.sweep(now)
    assert list(hub.channels) == ["web"]
    forgetter.sweep(9995.0)
    assert list(hub.channels) == []
