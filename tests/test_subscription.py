"""
What readers are given, held against a model: every entry once and in order, or in a gap.
"""

import asyncio
from collections.abc import Coroutine, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config.model import ChannelOptions
from relay.entry import Batch, Gap, Loss, Origin, Reason, RunEnded
from relay.hub import Hub
from relay.marks import Marks
from relay.query import Query
from relay.run import Ending
from relay.span import Span
from relay.subscription import Delivery, Subscription
from tests.building import batch

T = TypeVar("T")

CHANNELS = ("a", "b", "c")


def now(work: Coroutine[Any, Any, T]) -> T:
    """Run what does not really wait."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    raise AssertionError("it waited")


class Clock:
    """Nanoseconds that go on by a microsecond a look."""

    def __init__(self) -> None:
        self.ns = 1_000_000_000_000

    def __call__(self) -> int:
        self.ns += 1000
        return self.ns


@dataclass
class World:
    """A hub, and the publisher's own record of what it published."""

    hub: Hub
    entries: list[tuple[int, str, int]] = field(default_factory=list)
    """(id, channel, seq)"""
    losses: list[tuple[int, str, int | None, int]] = field(default_factory=list)
    """(id, channel, count, at_least)"""
    endings: list[tuple[int, str]] = field(default_factory=list)
    """(id, run)"""

    @classmethod
    def new(cls, max_lines: int, max_marks: int = 4096) -> "World":
        bounds = ChannelOptions(lines=max_lines)
        world = cls(Hub(lambda name: bounds, clock=Clock()))
        now(world.hub.publish([Batch("app", name) for name in CHANNELS]))
        for channel in world.hub.channels.values():
            channel.ring.marks = Marks(max_marks)
        return world

    def publish(self, channel: str, count: int) -> None:
        seq = self.hub.channels[channel].last_seq
        now(self.hub.publish([batch(channel, ["x" * 50] * count)]))
        first = self.hub.last_id - count + 1
        self.entries += [(first + place, channel, seq + 1 + place) for place in range(count)]

    def lose(self, channel: str, count: int | None) -> None:
        loss = Loss(Reason.SOURCE, count, count or 0)
        now(self.hub.publish([Batch("app", channel, loss=loss)]))
        self.losses.append((self.hub.last_id, channel, count, count or 0))

    def end(self, channel: str, run: str) -> None:
        now(self.hub.publish([Batch("app", channel, runs=(RunEnded(run, 0, "succeeded", 0),))]))
        self.endings.append((self.hub.last_id, run))


@dataclass
class Reader:
    """A client that comes and goes, and what it was given."""

    world: World
    query: Query
    cursor: int
    subscription: Subscription | None = None
    delivered: list[tuple[int, str, int]] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    endings: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.began = self.cursor

    def connect(self) -> None:
        self.subscription = self.world.hub.subscribe(self.query, self.cursor)
        self.subscription.__enter__()

    def read(self, max_bytes: int) -> bool:
        if self.subscription is None:
            self.connect()
        assert self.subscription is not None
        deliveries = now(self.subscription.read(max_bytes))
        for delivery in deliveries:
            self.take(delivery)
        if not deliveries:
            self.cursor = max(self.cursor, self.subscription.cursor)
        return bool(deliveries)

    def drop(self) -> None:
        """Lose the connection: only what was delivered is known."""
        if self.subscription is not None:
            self.subscription.close()
            self.subscription = None

    def drop_inside_read(self, max_bytes: int, kept: int) -> None:
        """Lose the connection when only some of what was sent had arrived."""
        if self.subscription is None:
            self.connect()
        assert self.subscription is not None
        for delivery in now(self.subscription.read(max_bytes))[:kept]:
            self.take(delivery)
        self.drop()

    def take(self, delivery: Delivery) -> None:
        if isinstance(delivery, Span):
            block = delivery.block
            self.delivered += [
                (block.id_at(index), block.channel, block.first_seq + index)
                for index in range(delivery.start, delivery.stop)
            ]
            self.resume_at(delivery.last_id)
        elif isinstance(delivery, Gap):
            self.gaps.append(delivery)
            self.resume_at(delivery.id)
        else:
            assert isinstance(delivery, Ending)
            self.endings.append(delivery.id)
            self.resume_at(delivery.id)
        self.check_all_below(self.cursor)

    def resume_at(self, id_: int) -> None:
        assert id_ >= self.cursor, "ids never go back"
        self.cursor = id_

    def mine(self, items: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [item for item in items if self.query.selects(item[1])]

    def is_declared(self, id_: int, channel: str) -> bool:
        return any(gap.channel == channel and gap.after < id_ <= gap.until for gap in self.gaps)

    def check_all_below(self, id_: int) -> None:
        """Whatever lies at or below an id that was delivered, was delivered or declared."""
        delivered = {entry[0] for entry in self.delivered}
        for entry_id, channel, _ in self.mine(self.world.entries):
            if self.began < entry_id <= id_ and entry_id not in delivered:
                assert self.is_declared(entry_id, channel), (entry_id, id_)
        for loss_id, channel, _, _ in self.mine(self.world.losses):
            if self.began < loss_id <= id_:
                assert self.is_declared(loss_id, channel)

    def check(self, *, counted: bool) -> None:
        """Check what was given against the world's record, once all was read."""
        ids = [entry[0] for entry in self.delivered]
        assert ids == sorted(set(ids)), "once and in order"
        assert set(self.delivered) <= set(self.world.entries)
        self.check_all_below(self.world.hub.last_id)
        for gap in self.gaps:
            count, at_least, uncounted = self.missing(gap)
            inside = [id_ for id_, channel, _ in self.delivered if channel == gap.channel]
            assert not [id_ for id_ in inside if gap.after < id_ <= gap.until]
            if gap.count is None:
                assert uncounted or not counted
                assert gap.at_least <= at_least
            else:
                assert (gap.count, uncounted) == (count, False)
            assert gap.count is None or type(gap.count) is int
            assert type(gap.at_least) is int
        # An ending is kept until it has left itself; what is held now was given.
        held = {
            ending.id
            for channel in self.world.hub.selected(self.query)
            for ending in channel.endings_after(self.began)
        }
        assert held <= set(self.endings)
        assert self.endings == sorted(set(self.endings))
        assert set(self.endings) <= {id_ for id_, _ in self.world.endings}

    def missing(self, gap: Gap) -> tuple[int, int, bool]:
        """Return what the record has between the gap's ends."""
        entries = sum(
            channel == gap.channel and gap.after < id_ <= gap.until
            for id_, channel, _ in self.world.entries
        )
        losses = [
            (count, at_least)
            for id_, channel, count, at_least in self.world.losses
            if channel == gap.channel and gap.after < id_ <= gap.until
        ]
        counts = [count or 0 for count, _ in losses]
        at_least = entries + sum(at_least for _, at_least in losses)
        return entries + sum(counts), at_least, any(count is None for count, _ in losses)


channel_names = st.sampled_from(CHANNELS)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("publish"), channel_names, st.integers(1, 4)),
        st.tuples(st.just("publish"), channel_names, st.integers(1, 4)),
        st.tuples(st.just("lose"), channel_names, st.one_of(st.none(), st.integers(1, 3))),
        st.tuples(st.just("end"), channel_names, st.integers(1, 99)),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(1, 400)),
        st.tuples(st.just("alternate"), st.integers(1, 3), st.integers(1, 150)),
        st.tuples(st.just("read"), st.integers(0, 3), st.integers(1, 400)),
        st.tuples(st.just("drop"), st.integers(0, 3), st.integers(0, 3)),
    ),
    max_size=120,
)


def play(world: World, readers: list[Reader], story: list[tuple[Any, ...]]) -> None:
    for reader in readers:
        reader.connect()
    for what, who, number in story:
        if what == "publish":
            world.publish(who, number)
        elif what == "alternate":
            # Many blocks of a line each: they are packed, and their ids lie between others.
            for turn in range(number):
                world.publish(CHANNELS[turn % who], 1)
        elif what == "lose":
            world.lose(who, number)
        elif what == "end":
            world.end(who, f"run-{number}")
        elif what == "read":
            readers[who].read(number)
        else:
            readers[who].drop_inside_read(200, number)
    for reader in readers:
        while reader.read(100):
            pass


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 7, 12, 100, 1000]), steps)
def test_everything_is_given_once_or_counted_in_a_gap(
    max_lines: int, story: list[tuple[Any, ...]]
) -> None:
    """Any interleaving of publishing, reading, dropping and resuming."""
    world = World.new(max_lines)
    start = world.hub.last_id
    queries = [
        Query(),
        Query(channels=("a",)),
        Query(channels=("a", "c")),
        Query(channels=("?", "b*")),
    ]
    readers = [Reader(world, query, start) for query in queries]
    play(world, readers, story)
    for reader in readers:
        reader.check(counted=True)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([1, 2, 6, 50]), st.integers(1, 4), steps)
def test_what_cannot_be_counted_is_declared_first_and_never_too_high(
    max_lines: int, max_marks: int, story: list[tuple[Any, ...]]
) -> None:
    """With so few marks that readers who come back fall behind them."""
    world = World.new(max_lines, max_marks)
    start = world.hub.last_id
    readers = [Reader(world, Query(), start), Reader(world, Query(channels=("b", "c")), start)]
    play(world, readers * 2, story)
    for reader in readers:
        reader.check(counted=False)


def spans_of(deliveries: Sequence[Delivery]) -> list[tuple[str, int, int]]:
    return [
        (one.block.channel, one.block.first_seq + one.start, one.block.first_seq + one.stop - 1)
        for one in deliveries
        if isinstance(one, Span)
    ]


def test_channels_are_merged_in_the_order_of_ids() -> None:
    """What was published later comes later, whatever its channel."""
    world = World.new(100)
    reader = Reader(world, Query(), world.hub.last_id)
    reader.connect()
    world.publish("b", 2)
    world.publish("a", 1)
    world.publish("b", 1)
    assert reader.subscription is not None
    assert spans_of(now(reader.subscription.read())) == [("b", 1, 2), ("a", 1, 1), ("b", 3, 3)]


def test_readers_at_the_tail_share_one_delivery() -> None:
    """What all are given at once is made once."""
    world = World.new(100)
    one = world.hub.subscribe(Query(), world.hub.last_id)
    other = world.hub.subscribe(Query(channels=("a",)), world.hub.last_id)
    with one, other:
        world.publish("a", 3)
        assert now(one.read()) is now(other.read())


def test_a_connected_reader_is_told_the_exact_count_without_marks() -> None:
    """It kept the seq that it passed."""
    world = World.new(1, max_marks=1)
    reader = Reader(world, Query(channels=("a",)), world.hub.last_id)
    reader.connect()
    for _ in range(10):
        world.publish("a", 2)
    reader.read(10_000)
    assert sum(gap.count or 0 for gap in reader.gaps) == 18
    assert [entry[2] for entry in reader.delivered] == [19, 20]


def test_a_gap_is_cut_where_another_channels_entry_lies() -> None:
    """Before an entry is given all that was lost below it has been declared."""
    world = World.new(1)
    start = world.hub.last_id
    world.publish("a", 1)
    world.publish("b", 1)
    world.publish("a", 1)
    world.publish("a", 1)
    with world.hub.subscribe(Query(), start) as subscription:
        kinds = [
            (one.channel, one.count) if isinstance(one, Gap) else one.block.channel  # type: ignore[union-attr]
            for one in now(subscription.read())
        ]
    assert kinds == [("a", 1), "b", ("a", 1), "a"]


async def test_waiting_ends_with_news() -> None:
    """A reader sleeps until something of its channels is published."""
    world = World.new(10)
    with world.hub.subscribe(Query(channels=("a",)), world.hub.last_id) as subscription:
        waiter = asyncio.create_task(subscription.wait())
        await asyncio.sleep(0)
        await world.hub.publish([batch("b", "x")])
        await asyncio.sleep(0)
        assert not waiter.done()
        await world.hub.publish([batch("a", "x")])
        await asyncio.wait_for(waiter, 5)


def test_a_glob_takes_in_channels_that_appear_later() -> None:
    """From their first entry on."""
    world = World.new(10)
    with world.hub.subscribe(Query(channels=("web-*",)), world.hub.last_id) as subscription:
        now(world.hub.publish([batch("web-1", "x y")]))
        assert spans_of(now(subscription.read())) == [("web-1", 1, 2)]


@pytest.mark.parametrize("channels", [(), ("a", "b")])
def test_an_ending_of_two_channels_is_told_once(channels: tuple[str, ...]) -> None:
    """A run may span channels; it ends once."""
    world = World.new(10)
    start = world.hub.last_id
    world.end("a", "r")
    now(world.hub.publish([Batch("app", "b", runs=(RunEnded("r", 0, "failed", 1),))]))
    with world.hub.subscribe(Query(channels=channels), start) as subscription:
        endings = [one.id for one in now(subscription.read()) if isinstance(one, Ending)]
    assert endings == [world.endings[0][0], world.hub.last_id]


def run_lines(text: str) -> Batch:
    return batch("a", text.split(), Origin("app", run="job"))


def test_a_reader_of_a_run_that_falls_behind_is_told_its_end() -> None:
    """The ending is kept for it, though the run's entries have left."""
    world = World.new(1)
    now(world.hub.publish([run_lines("one")]))
    with world.hub.subscribe(Query(runs=("job",)), world.hub.last_id) as subscription:
        now(world.hub.publish([run_lines("two three")]))
        world.end("a", "job")
        for _ in range(3):
            world.publish("a", 2)
        given = now(subscription.read())
        assert [one.count for one in given if isinstance(one, Gap)] == [2, 4]
        assert [one.run for one in given if isinstance(one, Ending)] == ["job"]
    world.publish("a", 2)
    assert "job" not in world.hub.runs


def test_a_reader_of_a_run_that_is_forgotten_is_told_what_left() -> None:
    """It comes back when nothing of its run is held or known any more."""
    world = World.new(1)
    now(world.hub.publish([run_lines("one two")]))
    cursor = world.hub.last_id - 1
    world.end("a", "job")
    for _ in range(3):
        world.publish("a", 2)
    assert "job" not in world.hub.runs
    with world.hub.subscribe(Query(runs=("job",)), cursor) as subscription:
        gaps = [one for one in now(subscription.read()) if isinstance(one, Gap)]
    assert sum(gap.count or 0 for gap in gaps) == 5
