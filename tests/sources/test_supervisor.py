"""Publish, count, retry, stop."""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any

import pytest

from relay.block import DeclaredLoss
from relay.config.model import ChannelOptions
from relay.entry import Batch, Gap, Loss, Origin, Position, Reason
from relay.errors import SourceError
from relay.hub import MAX_GROUP_BYTES, Hub
from relay.query import Query
from relay.run import Ending
from relay.sources.base import Source, SourceOptions
from relay.sources.supervisor import AHEAD_BYTES, Supervisor
from relay.status import SourceState, SourceStatus
from tests.building import batch, lines_of
from tests.slow_store import SlowStore
from tests.sources.committed import Committed

Life = Callable[[Mapping[str, Position]], AsyncGenerator[list[Batch], None]]


class Lives(Source):
    """A source that lives as it is told, once for each start."""

    def __init__(self, *lives: Life, **keys: Any) -> None:
        options = SourceOptions.model_validate({"type": "lives", **keys})
        super().__init__("app", options, SourceStatus("app", "lives"))
        self.lives = list(lives)
        self.last_words: list[Batch] = []

    def batches(self, positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        """Live the next life."""
        return self.lives.pop(0)(positions)

    async def stop(self) -> list[Batch]:
        """Say the last words."""
        return self.last_words


async def ends(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
    yield [batch("web", "a b", reader="r", position=Position("2"))]


async def fails(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
    yield [batch("web", "a", reader="r", position=Position("1"))]
    raise SourceError("no route to it")


async def breaks(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
    raise ZeroDivisionError("oops")
    yield []


async def waits(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
    yield [batch("web", "a")]
    await asyncio.Event().wait()


def new_hub(max_channels: int | None = None) -> Hub:
    bounds = ChannelOptions()
    return Hub(lambda name: bounds, max_channels=max_channels)


def supervise(source: Source, hub: Hub) -> Supervisor:
    return Supervisor(source, hub, jitter=lambda: 0.0)


async def test_a_source_that_ends_is_not_started_again() -> None:
    """Its lines were counted and published."""
    source, hub = Lives(ends), new_hub()
    await supervise(source, hub).run()
    status = source.status
    assert (status.state, status.lines, status.bytes, status.restarts) == (
        SourceState.ENDED,
        2,
        4,
        0,
    )
    assert hub.channels["web"].last_seq == 2


async def test_a_failure_is_a_status_and_another_try(caplog: pytest.LogCaptureFixture) -> None:
    """With the positions that were published."""
    seen: list[Mapping[str, Position]] = []

    async def resumes(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        seen.append(dict(positions))
        yield []

    source = Lives(fails, resumes)
    with caplog.at_level(logging.WARNING):
        await supervise(source, new_hub()).run()
    assert seen == [{"r": Position("1")}]
    assert (source.status.last_error, source.status.restarts) == ("no route to it", 1)
    assert [record.getMessage() for record in caplog.records] == ["source app: no route to it"]


async def test_a_fault_in_a_source_ends_nothing_else(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged whole, and told in a sentence."""
    source = Lives(breaks, ends)
    with caplog.at_level(logging.ERROR):
        await supervise(source, new_hub()).run()
    assert source.status.last_error == "a fault in the relay: ZeroDivisionError: oops"
    assert source.status.state is SourceState.ENDED
    assert caplog.records[0].exc_info is not None


async def test_waiting_grows_until_something_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """From 0.1 s, doubled each time; back to it once something was read."""
    waits_: list[float] = []
    real = asyncio.sleep

    async def note(seconds: float, *more: Any) -> None:
        waits_.append(seconds)
        await real(0)

    monkeypatch.setattr(asyncio, "sleep", note)
    await supervise(Lives(breaks, breaks, fails, breaks, ends), new_hub()).run()
    assert waits_ == [0.05, 0.1, 0.05, 0.1]


async def test_a_stopped_source_has_its_last_words_published() -> None:
    """What a cancelled generator cannot yield any more."""
    source, hub = Lives(waits), new_hub()
    source.last_words = [batch("web", "bye")]
    task = asyncio.create_task(supervise(source, hub).run())
    async with asyncio.timeout(5):
        while "web" not in hub.channels:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hub.channels["web"].last_seq == 2
    assert source.status.state is SourceState.STOPPED


class Ahead(Lives):
    """One that may read on while lines are committed; it notes how far it came."""

    reads_ahead = True

    def __init__(self, *given: list[Batch]) -> None:
        super().__init__(self.give)
        self.given = given
        self.read = 0

    async def give(self, positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        for batches in self.given:
            self.read += 1
            yield batches


def text(channel: str = "web") -> list[Batch]:
    """Return lines of which three are more than may be on their way."""
    return [batch(channel, ["x" * (AHEAD_BYTES // 2 - 9)])]


def kept_hub(store: SlowStore) -> Hub:
    bounds = ChannelOptions()
    return Hub(lambda name: bounds, store)


async def read_until_it_waits(source: Source, hub: Hub) -> "asyncio.Task[None]":
    task = asyncio.create_task(supervise(source, hub).run())
    for _ in range(100):
        await asyncio.sleep(0)
    return task


async def test_what_a_source_gives_is_made_to_fit() -> None:
    """One value that no store can have would fail the commits of all."""
    given = [Batch("app", "w\ud800b", lines_of("a"), (Origin("app"),))]

    async def life(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield given

    hub = kept_hub(store := SlowStore())
    store.let.set()
    await supervise(Lives(life), hub).run()
    assert list(hub.channels) == ["w-b"]


async def test_a_source_reads_ahead_of_what_is_committed_by_some_text() -> None:
    """All of it is visible, in its order, when the source has ended."""
    store = SlowStore()
    source, hub = Ahead(text(), text(), text(), text(), [batch("web", "last")]), kept_hub(store)
    task = await read_until_it_waits(source, hub)
    assert (source.read, len(store.groups), hub.last_id) == (3, 1, hub.start_id)
    store.let.set()
    await task
    assert (source.read, hub.channels["web"].last_seq) == (5, 5)
    assert source.status.state is SourceState.ENDED


async def test_a_source_reads_less_far_ahead_where_more_waits_than_a_commit_takes() -> None:
    """Else the lines of a quiet channel waited for what each of many has on its way."""
    store = SlowStore()
    source, hub = Ahead(text(), text(), [batch("web", "last")]), kept_hub(store)
    for _ in range(2):
        hub.hand_over([batch("other", ["x" * MAX_GROUP_BYTES])])
    task = await read_until_it_waits(source, hub)
    assert (source.read, len(store.groups)) == (1, 1)
    store.let.set()
    await task
    assert (source.read, hub.channels["web"].last_seq) == (3, 3)
    assert not hub.is_crowded


async def test_a_position_alone_is_committed_before_its_source_reads_on() -> None:
    """So is all that came before it."""
    store = SlowStore()
    begins = [Batch("app", "web", reader="r", position=Position("0"))]
    source, hub = Ahead([batch("web", "a")], begins, [batch("web", "b")]), kept_hub(store)
    task = await read_until_it_waits(source, hub)
    assert source.read == 2
    store.let.set()
    await task
    assert hub.channels["web"].last_seq == 2


async def test_what_a_stopped_source_had_read_ahead_is_published() -> None:
    """Before it has stopped."""
    store = SlowStore()
    source, hub = Ahead(text(), text(), text(), text()), kept_hub(store)
    task = await read_until_it_waits(source, hub)
    task.cancel()
    await asyncio.sleep(0)
    store.let.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert hub.channels["web"].last_seq == 3


async def test_what_is_visible_is_not_remembered() -> None:
    """However many quiet lines a source has given."""
    store = SlowStore()
    store.let.set()

    def futures() -> int:
        return sum(isinstance(one, asyncio.Future) for one in gc.get_objects())

    async def life(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        before = futures()
        for _ in range(500):
            yield [batch("web", "a")]
            await asyncio.sleep(0)
        assert futures() < before + 50

    source = Lives(life)
    source.reads_ahead = True  # type: ignore[misc]
    await supervise(source, kept_hub(store)).run()
    assert (source.status.lines, source.status.last_error) == (500, None)


async def test_a_channel_over_the_limit_whose_name_is_made_to_fit() -> None:
    """It is left out as any other, and nothing else with it."""

    async def life(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield [batch("web", "a"), batch("my app", "b")]

    hub, source = new_hub(1), Lives(life)
    await supervise(source, hub).run()
    assert (hub.channels["web"].last_seq, source.status.lost_lines) == (1, 1)
    assert source.status.last_error == "channel limit of 1 reached: 'my-app' not made"


async def test_channels_over_the_limit_are_counted_and_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the source reads for other channels is published, and nothing is read again."""

    async def reads(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        for text in ("a b", "c"):
            yield [
                batch("web", text, reader="w", position=Position("1")),
                batch("db", text, reader="d", position=Position("2")),
                batch("mail", text),
            ]

    seen: list[Mapping[str, Position]] = []

    async def resumes(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        seen.append(dict(positions))
        raise SourceError("gone")
        yield []

    hub, source = new_hub(1), Lives(reads, ends)
    supervisor = supervise(source, hub)
    with caplog.at_level(logging.WARNING):
        await supervisor.run()
    assert list(hub.channels) == ["web"]
    assert hub.channels["web"].last_seq == 3
    status = source.status
    assert status.last_error == "channel limit of 1 reached: 'db' and 1 more not made"
    assert (status.lines, status.lost_lines) == (3, 6)
    assert len(caplog.records) == 1, "each name is told once"
    source.lives = [resumes, ends]
    await supervisor.run()
    assert seen == [{"w": Position("1"), "d": Position("2")}]


async def test_a_source_begins_where_an_earlier_life_of_the_relay_ended() -> None:
    """With the positions that were committed; one that has ended is not handed back."""
    seen: list[dict[str, Position]] = []

    async def resumes(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        seen.append(dict(positions))
        yield [
            batch("web", "a", reader="r", position=Position("")),
            batch("web", "b", reader="s", position=Position("2")),
        ]
        raise SourceError("once more")

    source, hub = Lives(resumes, resumes, ends), new_hub()
    kept = {"r": Position("7"), "q": Position("8")}
    await Supervisor(source, hub, lambda: 0.0, kept).run()
    assert seen == [kept, {"q": Position("8"), "s": Position("2")}]


async def test_lines_that_one_position_covers_are_published_at_once() -> None:
    """However few may pass in a second: held back, they would come again after a crash."""

    async def reads(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield [batch("web", "a b c", reader="r", position=Position("3"))]

    store = Committed()
    await supervise(Patient(reads, max_lines_per_second=1), store.new_hub()).run()
    assert [len(group.items) for group in store.groups] == [1]
    assert store.held("web") == ["a", "b", "c"]


async def test_the_position_of_refused_lines_goes_with_the_others() -> None:
    """Else those of the other channels would be read again after a crash."""
    store = Committed()

    async def reads(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield [batch("web", "a", reader="r")]
        yield [
            batch("web", "b", reader="r"),
            batch("db", "c", reader="r", position=Position("3")),
        ]

    await supervise(Lives(reads), store.new_hub(max_channels=1)).run()
    assert [group.positions for group in store.groups] == [{}, {("app", "r"): Position("3")}]


async def test_a_channel_that_finds_room_begins_with_what_was_lost() -> None:
    """Its readers are told how many lines were dropped before."""
    hub = new_hub(1)

    async def reads(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield [batch("web", "a")]
        yield [batch("db", "a b", loss=Loss(Reason.RATE, 4, 4))]
        yield [batch("db", "c")]
        del hub.channels["web"]
        yield [batch("db", "d"), batch("db", "e")]
        yield [batch("db", "f")]

    await supervise(Lives(reads), hub).run()
    with hub.subscribe(Query(), hub.start_id) as subscription:
        found = [
            (one.count, one.reason)
            if isinstance(one, Gap)
            else one.block.lines.slice(one.start, one.stop).strings()
            for one in await subscription.read()
            if not isinstance(one, Ending)
        ]
    assert found == [(7, Reason.SOURCE), ["d"], ["e"], ["f"]]


class Patient(Lives):
    """One whose input waits."""

    can_wait = True


async def gives_six(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
    yield [batch("web", "a b c d"), batch("web", "e f", reader="r", position=Position("6"))]


async def test_lines_are_refined_before_they_are_published() -> None:
    """The last words of a source that is stopped too."""

    async def says(positions: Mapping[str, Position]) -> AsyncGenerator[list[Batch], None]:
        yield [batch("web", ["mail a@b.org"])]
        await asyncio.Event().wait()

    source, hub = Lives(says, redact=["email"]), new_hub()
    source.last_words = [batch("web", ["c@d.org"])]
    await stop_once_published(source, hub)
    assert held(hub) == ["mail ***", "***"]


async def test_what_can_wait_is_held_back() -> None:
    """Six lines at four a second: two of them half a second later."""
    source, hub = Patient(gives_six, max_lines_per_second=4), new_hub()
    began = asyncio.get_running_loop().time()
    await supervise(source, hub).run()
    assert 0.4 < asyncio.get_running_loop().time() - began < 5
    assert held(hub) == ["a", "b", "c", "d", "e", "f"]
    assert source.status.lines == 6


async def test_what_is_held_back_is_published_when_the_source_is_stopped() -> None:
    """It was read, and cannot be read again from a pipe."""
    source, hub = Patient(gives_six, max_lines_per_second=1), new_hub()
    await stop_once_published(source, hub)
    assert held(hub) == ["a", "b", "c", "d", "e", "f"]


async def test_what_cannot_wait_is_dropped_and_declared() -> None:
    """With the position of what was dropped, which is not to be read again."""
    source, hub = Lives(gives_six, max_lines_per_second=3), new_hub()
    await supervise(source, hub).run()
    assert held(hub) == ["a", "b", "c", Loss(Reason.RATE, 1, 1), Loss(Reason.RATE, 2, 2)]


async def stop_once_published(source: Source, hub: Hub) -> None:
    """Run a source until its first lines are there, and stop it."""
    task = asyncio.create_task(supervise(source, hub).run())
    async with asyncio.timeout(5):
        while "web" not in hub.channels:
            await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


def held(hub: Hub) -> list[str | Loss]:
    """Return what the channel has, oldest first."""
    items = reversed(list(hub.channels["web"].ring.before(hub.last_id + 1)))
    texts: list[str | Loss] = []
    for item in items:
        texts += [item.loss] if isinstance(item, DeclaredLoss) else item.lines.strings()
    return texts
