"""Ids, groups, channels and runs."""

import asyncio

import pytest

from relay.block import Block
from relay.config.model import ChannelOptions
from relay.entry import UNSAID, Batch, Level, Origin, Position, RunEnded, RunStarted
from relay.errors import ChannelLimitError, NotFoundError
from relay.hub import Hub
from relay.query import Query
from relay.run import Ending
from relay.storage import Group
from tests.building import batch
from tests.slow_store import SlowStore

BOUNDS = ChannelOptions(lines=100)


class Clock:
    """A clock that is set by hand, in microseconds."""

    def __init__(self, us: int) -> None:
        self.us = us

    def __call__(self) -> int:
        return self.us * 1000


def new_hub(clock: Clock | None = None, store: "SlowStore | None" = None) -> Hub:
    return Hub(lambda name: BOUNDS, store, clock or Clock(1_000_000))


def blocks(hub: Hub, channel: str) -> list[Block]:
    return [item for item in hub.channels[channel].ring.after(0) if isinstance(item, Block)]


async def test_ids_are_the_time_or_the_next() -> None:
    """The greater of last id + 1 and the arrival time in microseconds."""
    clock = Clock(1_000_000)
    hub = new_hub(clock)
    await hub.publish([batch("web", "a b"), batch("db", "c")])
    clock.us = 2_000_000
    await hub.publish([batch("web", "d")])
    assert [(one.first_id, one.last_id) for one in blocks(hub, "web")] == [
        (1_000_001, 1_000_002),
        (2_000_000, 2_000_000),
    ]
    assert blocks(hub, "db")[0].first_id == 1_000_003


async def test_a_clock_that_steps_back_repeats_no_id() -> None:
    """Ids go on after the last."""
    clock = Clock(5_000_000)
    hub = new_hub(clock)
    await hub.publish([batch("web", "a")])
    clock.us = 1_000_000
    await hub.publish([batch("web", "b")])
    assert [one.first_id for one in blocks(hub, "web")] == [5_000_001, 5_000_002]


async def test_seqs_have_no_holes() -> None:
    """Each channel counts its own entries from 1."""
    hub = new_hub()
    await hub.publish([batch("web", "a b"), batch("db", "x"), batch("web", "c")])
    assert [(one.first_seq, one.last_seq) for one in blocks(hub, "web")] == [(1, 2), (3, 3)]
    assert hub.channels["db"].last_seq == 1


async def test_a_channel_is_there_before_its_first_line() -> None:
    """Its source's first position makes it."""
    hub = new_hub()
    await hub.publish([Batch("app", "web", reader="r", position=Position("0"))])
    assert hub.channel("web").last_seq == 0


async def test_a_position_may_be_of_no_channel() -> None:
    """It is stored, and no channel is made for it."""
    store = SlowStore()
    store.let.set()
    hub = Hub(lambda name: ChannelOptions(), store)
    await hub.publish([Batch("app", "", reader="*.log", position=Position("seen"))])
    assert [group.positions for group in store.groups] == [{("app", "*.log"): Position("seen")}]
    assert not hub.channels


async def test_unknown_names_come_with_near_ones() -> None:
    """Who mistypes is told what there is."""
    hub = new_hub()
    await hub.publish([batch("worker", "a")])
    with pytest.raises(NotFoundError) as caught:
        hub.channel("workr")
    assert str(caught.value) == "no channel 'workr'; did you mean 'worker'?"


def run_batch(text: str, run: str, *changes: RunStarted | RunEnded, channel: str = "web") -> Batch:
    return batch(channel, text, Origin("app", run=run), runs=changes)


async def test_a_run_from_its_start_to_its_end() -> None:
    """Started, lines counted, ended with its status, and its ending has an id."""
    hub = new_hub()
    await hub.publish([Batch("app", "web", runs=(RunStarted("job", 7, pid=4),))])
    assert (hub.run("job").status, hub.run("job").pid) == ("running", 4)
    await hub.publish([run_batch("a b", "job", RunEnded("job", 9, "failed", 3))])
    run = hub.run("job")
    assert (run.status, run.exit_code, run.lines, run.ended_ns) == ("failed", 3, 2, 9)
    assert run.ending_id == hub.last_id
    assert run.last_ids == {"web": hub.last_id - 1}


async def test_a_name_that_comes_again_reopens_its_run() -> None:
    """The old ending is taken back."""
    hub = new_hub()
    await hub.publish([run_batch("a", "job", RunEnded("job", 9, "failed", 3))])
    await hub.publish([Batch("app", "web", runs=(RunStarted("job", 10),))])
    assert (hub.run("job").status, hub.run("job").ending_id) == ("running", None)
    with hub.subscribe(Query(runs=("job",)), hub.start_id) as subscription:
        assert not [one for one in await subscription.read() if isinstance(one, Ending)]


async def test_an_ended_run_is_forgotten_with_its_last_entry() -> None:
    """And one that is under way is kept whatever the ring holds."""
    hub = Hub(lambda name: ChannelOptions(lines=1), clock=Clock(1_000_000))
    await hub.publish([run_batch("a", "old", RunEnded("old", 1, "succeeded", 0))])
    await hub.publish([run_batch("a", "open")])
    assert sorted(hub.runs) == ["old", "open"]
    await hub.publish([batch("web", "b"), batch("web", "c")])
    assert sorted(hub.runs) == ["open"]


async def test_a_stream_of_a_run_follows_the_channels_that_it_enters() -> None:
    """And is not told of other channels' news."""
    hub = new_hub()
    with hub.subscribe(Query(runs=("job",)), hub.start_id) as subscription:
        await hub.publish([batch("db", "noise")])
        assert not subscription.has_news
        await hub.publish([run_batch("a", "job", channel="new")])
        assert subscription.has_news
        await subscription.read()
        await hub.publish([run_batch("b", "job", channel="other")])
        assert subscription.has_news


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_nothing_is_visible_before_its_commit() -> None:
    """With a store a block enters its ring only when its group is committed."""
    store = SlowStore()
    hub = new_hub(store=store)
    publishing = asyncio.create_task(hub.publish([batch("web", "a")]))
    await settled()
    assert hub.channel("web").last_seq == 0
    assert hub.last_id == hub.start_id
    store.let.set()
    last_id = await publishing
    assert (hub.channel("web").last_seq, hub.last_id) == (1, last_id)


class FaultyStore(SlowStore):
    """One whose first commit meets a fault that nobody foresaw."""

    async def commit(self, group: Group) -> bool:
        """Raise, once."""
        self.groups.append(group)
        if len(self.groups) == 1:
            raise ValueError("a fault")
        return False


async def test_a_fault_in_a_commit_ends_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """Who published is told, the log too, and what comes later is published."""
    hub = new_hub(store=FaultyStore())
    with pytest.raises(ValueError, match="a fault"):
        await hub.publish([batch("web", "a")])
    async with asyncio.timeout(5):
        await hub.publish([batch("web", "b")])
    assert hub.channels["web"].last_seq == 2
    assert [record.message for record in caplog.records] == ["a group was not published"]


async def test_what_comes_during_a_commit_is_the_next_group() -> None:
    """One group is under way at a time; ids stay in order."""
    store = SlowStore()
    hub = new_hub(store=store)
    publishing = [asyncio.create_task(hub.publish([batch("a", "x")]))]
    await settled()
    publishing += [asyncio.create_task(hub.publish([batch(name, "x")])) for name in ("b", "c")]
    await settled()
    assert [len(group.items) for group in store.groups] == [1]
    store.let.set()
    await asyncio.gather(*publishing)
    assert [len(group.items) for group in store.groups] == [1, 2]
    assert [blocks(hub, name)[0].first_id for name in "abc"] == [1_000_001, 1_000_002, 1_000_003]


async def test_a_publisher_that_leaves_does_not_interrupt() -> None:
    """Publishing belongs to the hub."""
    store = SlowStore()
    hub = new_hub(store=store)
    leaving = asyncio.create_task(hub.publish([batch("web", "a")]))
    await settled()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    store.let.set()
    await hub.publish([batch("web", "b")])
    assert [one.lines.split() for one in blocks(hub, "web")] == [[b"a"], [b"b"]]


async def test_positions_go_with_the_group_that_they_cover() -> None:
    """The last of each reader."""
    store = SlowStore()
    store.let.set()
    hub = new_hub(store=store)
    await hub.publish(
        [
            batch("web", "a", reader="r", position=Position("1")),
            batch("web", "b", reader="r", position=Position("2")),
        ]
    )
    assert store.groups[0].positions == {("app", "r"): Position("2")}


async def test_a_sources_own_word_for_a_level_beats_the_lines() -> None:
    """Where it says nothing the line is searched."""
    hub = new_hub()
    said = bytes([Level.FATAL, UNSAID])
    await hub.publish([batch("web", ["INFO a", "ERROR b"], levels=said)])
    assert blocks(hub, "web")[0].levels == bytes([Level.FATAL, Level.ERROR])


@pytest.mark.parametrize("with_store", [False, True])
async def test_no_more_channels_than_there_may_be(with_store: bool) -> None:
    """What would make another is refused as a whole, before anything of it is numbered."""
    store = SlowStore() if with_store else None
    hub = Hub(lambda name: BOUNDS, store, Clock(1_000_000), max_channels=2)
    if store:
        store.let.set()
    last = await hub.publish([batch("web", "a")])
    with pytest.raises(ChannelLimitError) as caught:
        await hub.publish([batch("web", "b"), batch("db", "x"), batch("c", "y"), batch("d", "z")])
    assert str(caught.value) == "channel limit of 2 reached: 'c' and 1 more not made"
    assert (caught.value.channels, caught.value.limit) == (("c", "d"), 2)
    assert (hub.last_id, list(hub.channels)) == (last, ["web"])
    await hub.publish([batch("web", "b"), batch("db", "x")])
    with pytest.raises(ChannelLimitError) as caught:
        await hub.publish([batch("c", "y")])
    assert str(caught.value) == "channel limit of 2 reached: 'c' not made"
    assert [hub.channels[name].last_seq for name in ("web", "db")] == [2, 1]


async def test_channels_that_wait_for_the_store_count_too() -> None:
    """Room that has been given to one is not given to another."""
    store = SlowStore()
    hub = Hub(lambda name: BOUNDS, store, Clock(1_000_000), max_channels=1)
    first = asyncio.create_task(hub.publish([batch("web", "a")]))
    await asyncio.sleep(0)
    with pytest.raises(ChannelLimitError):
        await hub.publish([batch("db", "a")])
    store.let.set()
    await first


async def test_a_run_that_ends_and_starts_in_one_publishing_is_under_way() -> None:
    """Changes hold in the order in which they were said."""
    hub = new_hub()
    await hub.publish([run_batch("a", "job")])
    await hub.publish(
        [
            Batch("app", "web", runs=(RunEnded("job", 1, "failed", 1), RunStarted("job", 2))),
            run_batch("b", "job"),
        ]
    )
    assert (hub.run("job").status, hub.run("job").ending_id) == ("running", None)


async def test_runs_that_never_end_are_bounded() -> None:
    """Lines may name as many as they like."""
    hub = Hub(lambda name: ChannelOptions(lines=1), clock=Clock(1_000_000))
    for start in range(0, 30_000, 200):
        await hub.publish([run_batch("x", f"run-{start + n}") for n in range(200)])
    assert len(hub.runs) <= 20_200
