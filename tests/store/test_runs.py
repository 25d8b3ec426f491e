"""Runs in the index against the hub's."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.block import Block
from relay.entry import Batch, Origin, RunCounted, RunEnded, RunStarted
from relay.hub import Hub
from relay.run import Run
from relay.span import Span
from relay.storage import Group, StoredChannel
from relay.store import index
from relay.store.recovery import open_store
from relay.store.writer import Write, Writer
from tests.building import block, lines_of
from tests.slow_store import SlowStore

NOW_NS = 1_795_255_350_123_456_789

NAMES = ["job-1", "job-2", "job-3"]
CHANNELS = ["web", "api"]


class Bounds(NamedTuple):
    """Of rings that let go of runs soon."""

    lines: int = 8
    bytes: int = 1 << 20


class WritingStore(SlowStore):
    """What the hub hands over goes to a writer at once; nothing is read."""

    def __init__(self, writer: Writer) -> None:
        super().__init__()
        self.writer = writer
        self.forgotten: list[tuple[str, str]] = []

    async def commit(self, group: Group) -> bool:
        """Write a group."""
        records = [
            Span(item, 0, item.count) if isinstance(item, Block) else item for item in group.items
        ]
        forgotten, self.forgotten = self.forgotten, []
        self.writer.commit(Write(records, group.positions, forgotten_runs=forgotten))
        return True

    def forget(self, channel: StoredChannel) -> None:
        """Let go of a channel."""
        self.writer.forget(channel)

    def drop(self, channel: str) -> None:
        """Let go of a channel for good."""
        self.writer.drop(channel)

    def forget_run(self, run: str, channel: str) -> None:
        """Let go of a run with the next group."""
        self.forgotten.append((run, channel))


def runs_of(writer: Writer) -> dict[str, Run]:
    """Return the runs that the index has."""
    connection = index.connect(writer.index_path, readonly=True)
    found = {run.id: run for run in index.runs(connection)}
    connection.close()
    return found


origins = st.builds(
    Origin, st.just("app"), st.none(), st.one_of(st.none(), st.sampled_from(NAMES))
)
changes = st.one_of(
    st.builds(
        RunStarted,
        st.sampled_from(NAMES),
        st.integers(1, 9),
        pid=st.integers(1, 9),
        anew=st.booleans(),
    ),
    st.builds(RunCounted, st.sampled_from(NAMES), st.integers(1, 99), st.integers(0, 9)),
    st.builds(
        RunEnded,
        st.sampled_from(NAMES),
        st.integers(1, 9),
        st.sampled_from(["failed", "ended"]),
        st.one_of(st.none(), st.integers(0, 9)),
    ),
)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Draw lines of one or two runs, and what happens to runs behind them."""
    table = tuple(draw(st.lists(origins, min_size=1, max_size=2, unique=True)))
    count = draw(st.integers(0, 4))
    places = None
    if len(table) > 1:
        places = bytes(draw(st.lists(st.integers(0, 1), min_size=count, max_size=count)))
    return Batch(
        "app",
        draw(st.sampled_from(CHANNELS)),
        lines_of(["line"] * count),
        table,
        places,
        runs=tuple(draw(st.lists(changes, max_size=2))),
    )


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(batches(), min_size=1, max_size=3), min_size=1, max_size=10))
def test_the_index_has_the_runs_that_the_hub_has(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[Batch]]
) -> None:
    """Started, counted, ended, reopened and forgotten in any order."""
    directory = tmp_path_factory.mktemp("runs")
    writer, _ = open_store(directory, "never")
    asyncio.run(_compare(writer, groups))
    writer.close()


async def _compare(writer: Writer, groups: list[list[Batch]]) -> None:
    store = WritingStore(writer)
    hub = Hub(lambda name: Bounds(), store, clock=lambda: NOW_NS)
    # The hub's first id is not the writer's before anything is stored.
    await hub.publish([Batch("app", "web", lines_of("first"), (Origin("app"),))])
    for group in groups:
        await hub.publish(group)
        writer.commit(Write(forgotten_runs=store.forgotten))
        store.forgotten = []
        assert runs_of(writer) == hub.runs


def test_a_run_that_was_forgotten_begins_anew(tmp_path: Path) -> None:
    """Also where it was in use a moment ago."""
    writer, _ = open_store(tmp_path, "never")
    one = block("a b", 1000, 1, origin=Origin("app", run="job-1"))
    two = block("c", 1002, 3, origin=Origin("app", run="job-1"))
    writer.commit(Write([Span(one, 0, 2)]))
    assert runs_of(writer)["job-1"].lines == 2
    writer.commit(Write([Span(two, 0, 1)], forgotten_runs=[("job-1", "web")]))
    assert runs_of(writer) == {
        "job-1": Run("job-1", "app", 1_002_000, lines=1, last_ids={"web": 1002})
    }
    writer.close()


def test_all_runs_may_be_replaced(tmp_path: Path) -> None:
    """After a failure the hub's are taken, with their channels."""
    writer, _ = open_store(tmp_path, "never")
    old = Run("old", "app", 1, last_ids={"web": 5})
    new = Run(
        "new", "app", 1, "web-1", 7, 9, "failed", 3, "SIGKILL", 12, 4, {"a": 5, "b": 6}, 3, 1
    )
    writer.commit(Write(runs=[old]))
    writer.commit(Write(runs=[replace(new)]))
    assert runs_of(writer) == {"new": new}
    writer.commit(Write(forgotten_runs=[("new", "a")]))
    assert runs_of(writer) == {"new": replace(new, last_ids={"b": 6})}
    writer.commit(Write(forgotten_runs=[("new", "b")]))
    assert runs_of(writer) == {}
    writer._state.disconnect()
    writer._state._lock.close()
