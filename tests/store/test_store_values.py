"""Whatever a source yields can be stored: no value fails the commits of all."""

import asyncio
import os
import shutil
from array import array
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.encode.ndjson import NdjsonEncoder
from relay.entry import (
    Batch,
    Gap,
    Level,
    Loss,
    Origin,
    Position,
    Reason,
    RunCounted,
    RunEnded,
    RunStarted,
    Stream,
)
from relay.errors import StoreError
from relay.lines import Lines
from relay.query import Query
from relay.selection import ALL
from relay.span import Span
from relay.status import StoreState
from tests.building import batch
from tests.kept import Kept

texts = st.one_of(
    st.text(st.characters(exclude_categories=()), max_size=5),
    st.sampled_from(["", "a", "a\0b", "\ud800", "../x", "é", "x" * 300]),
)
numbers = st.one_of(
    st.integers(-9, 9), st.integers(), st.sampled_from([1 << 63, -(1 << 63), 1 << 53, 1 << 70])
)
optional_numbers = st.none() | numbers
origins = st.builds(
    Origin,
    texts,
    st.none() | texts,
    st.none() | texts,
    st.sampled_from(Stream),
    st.sampled_from(Level),
)
positions = st.builds(Position, texts, st.binary(max_size=40), numbers)
changes = st.one_of(
    st.builds(RunStarted, texts, numbers, st.none() | texts, optional_numbers, st.booleans()),
    st.builds(RunCounted, texts, numbers, numbers),
    st.builds(RunEnded, texts, numbers, texts, optional_numbers, st.none() | texts),
)
losses = st.builds(Loss, st.sampled_from(Reason), optional_numbers, numbers)


@st.composite
def batches(draw: st.DrawFn) -> Batch:
    """Return any batch whose lines are as a decoder makes them."""
    lines = draw(st.lists(st.text(max_size=5), max_size=3))
    times = st.lists(st.integers(-(1 << 63), MAX_NS), min_size=len(lines), max_size=len(lines))
    return Batch(
        draw(texts),
        draw(texts),
        Lines.of([line.encode() for line in lines]),
        (draw(origins),),
        timestamps=draw(st.none() | times.map(lambda values: array("q", values))),
        reader=draw(texts),
        position=draw(st.none() | positions),
        runs=tuple(draw(st.lists(changes, max_size=3))),
        loss=draw(st.none() | losses),
    )


MAX_NS = (1 << 63) - 1


async def published(kept: Kept, given: list[list[Batch]]) -> None:
    for some in given:
        await kept.hub.publish(some)
        assert (kept.status.state, kept.status.reason) == (StoreState.OK, None)


async def rendered(kept: Kept) -> bytes:
    """Return what a reader is given, as it goes over the wire; endings may be of any channel."""
    encoder, texts = NdjsonEncoder(), list[bytes]()
    with kept.hub.subscribe(Query(), 0) as subscription:
        while subscription.has_news:
            for one in await subscription.read():
                if isinstance(one, Span):
                    texts.append(encoder.entries(one, ALL))
                elif isinstance(one, Gap):
                    texts.append(encoder.gap(one))
                else:
                    assert encoder.ending(one)
    return b"".join(texts)


@settings(max_examples=int(os.environ.get("VALUE_EXAMPLES", "40")), deadline=None)
@given(st.lists(st.lists(batches(), min_size=1, max_size=3), max_size=4))
def test_no_batch_fails_the_store(
    tmp_path_factory: pytest.TempPathFactory, given: list[list[Batch]]
) -> None:
    """What was published is stored, is read by all, and comes back the same after a restart."""
    directory = tmp_path_factory.mktemp("kept")

    async def story() -> None:
        kept = Kept.begin(directory / "state")
        await published(kept, given)
        before, runs = await rendered(kept), set(kept.hub.runs)
        await kept.close()
        again = Kept.begin(directory / "state")
        assert again.durable.stored.news == []
        assert await rendered(again) == before
        assert set(again.hub.runs) == runs
        await again.close()

    asyncio.run(story())
    shutil.rmtree(directory)


async def test_a_block_that_cannot_be_written_holds_up_no_other(tmp_path: Path) -> None:
    """A fault in a decoder: the store fails in words, and all is published."""
    kept = Kept.begin(tmp_path / "state")
    broken = replace(batch("web", ["x"]), lines=Lines(b"\xff\n", 1))
    async with asyncio.timeout(TIMEOUT_SECONDS):
        await kept.hub.publish([broken])
        assert kept.status.state is StoreState.FAILING
        await kept.hub.publish([batch("other", ["fine"])])
    assert kept.hub.channels["other"].last_seq == 1
    with suppress(StoreError):
        await kept.close()


TIMEOUT_SECONDS = 10.0
