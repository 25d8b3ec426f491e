"""Pushes as the source takes them: counted, skipped, resumed inside of lines, stopped."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from relay.config.model import ChannelOptions
from relay.entry import RunEnded
from relay.hub import Hub
from relay.inlet import Delivery, Push, RefusedPushError
from relay.sources.push import PushOptions, PushSource
from relay.sources.supervisor import Supervisor
from relay.status import SourceState, SourceStatus
from tests.sources.committed import Committed


@asynccontextmanager
async def running(**options: Any) -> AsyncIterator[PushSource]:
    """Run a push source."""
    hub = Hub(lambda name: ChannelOptions(lines=100_000))
    made = PushOptions.model_validate({"type": "push", "channels": "*"} | options)
    source = PushSource("push", made, SourceStatus("push", "push"))
    source.connect(hub)
    task = asyncio.create_task(Supervisor(source, hub).run())
    try:
        yield source
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def started(store: Committed, **options: Any) -> tuple[Hub, PushSource, "asyncio.Task[None]"]:
    """Begin a new life of the relay."""
    hub = store.new_hub()
    made = PushOptions.model_validate({"type": "push", "channels": "*"} | options)
    source = PushSource("push", made, SourceStatus("push", "push"))
    source.connect(hub)
    return hub, source, asyncio.create_task(Supervisor(source, hub).run())


@asynccontextmanager
async def life(store: Committed, **options: Any) -> AsyncIterator[tuple[Hub, PushSource]]:
    """Live once, and be killed."""
    hub, source, task = started(store, **options)
    try:
        yield hub, source
    finally:
        await store.kill(task)


def messages(source: PushSource) -> list[bytes]:
    """Return what the channel web holds."""
    assert source.hub is not None
    channel = source.hub.channels["web"]
    blocks = [*channel.blocks_before(source.hub.last_id + 1)]
    return [line for block in reversed(blocks) for line in block.lines.split()]


LINES = st.lists(st.binary(max_size=700).map(lambda data: data.hex().encode()), max_size=6)
STEPS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 900), st.booleans(), st.booleans()), max_size=12
)


@given(LINES, STEPS)
@settings(deadline=None, max_examples=60)
def test_a_run_that_is_cut_and_resumed_anywhere_is_whole(
    lines: list[bytes], steps: list[tuple[int, int, bool, bool]]
) -> None:
    """Also inside a line of which a part was given out: no byte is lost or comes again."""

    async def push() -> tuple[list[bytes], int | None]:
        async with running(max_line_bytes="256B") as source:
            assert source.hub is not None
            delivery = await source.open(Push("web", run="r", offset=0))
            run = source.hub.runs["r"]
            at = 0
            for back, size, pauses, breaks in steps:
                await delivery.feed(data[at : at + size])
                at = min(at + size, len(data))
                if pauses:
                    await delivery.pause()
                if breaks:
                    delivery.close()
                    assert run.offset is not None
                    start = max(0, run.offset - back)
                    at = sum(len(line) + 1 for line in lines[:start])
                    delivery = await source.open(Push("web", run="r", offset=start))
            await delivery.feed(data[at:])
            await delivery.finish()
            return messages(source) if lines else [], run.offset

    data = b"".join(line + b"\n" for line in lines)
    got, offset = asyncio.run(push())
    assert offset == len(lines)
    assert b"".join(got) == b"".join(lines)
    if all(len(line) <= 256 for line in lines) and not any(step[2] for step in steps):
        assert got == lines


async def turns() -> None:
    """Let the loop go round some times."""
    for _ in range(10):
        await asyncio.sleep(0)


KILLS = st.lists(st.tuples(st.integers(1, 900), st.integers(0, 12), st.booleans()), max_size=6)


@given(LINES, KILLS)
@settings(deadline=None, max_examples=80)
def test_a_relay_that_is_killed_anywhere_loses_and_repeats_nothing(
    lines: list[bytes], kills: list[tuple[int, int, bool]]
) -> None:
    """Its client asks for the offset and sends the rest; what is counted was committed."""

    async def push() -> Committed:
        store = Committed()
        for size, turns, pauses in [*kills, (len(data), 0, False)]:
            hub, source, task = started(store, max_line_bytes="256B")
            offset = (hub.runs["r"].offset or 0) if "r" in hub.runs else 0
            rest = data[sum(len(line) + 1 for line in lines[:offset]) :]
            delivery = await source.open(Push("web", run="r", offset=offset))
            pushing = asyncio.create_task(send(delivery, rest[:size], pauses))
            if turns:
                for _ in range(turns):
                    await asyncio.sleep(0)
            else:
                assert await pushing == hub.runs["r"].offset
            pushing.cancel()
            await store.kill(task)
        return store

    async def send(delivery: Delivery, text: bytes, pauses: bool) -> int | None:
        await delivery.feed(text)
        if pauses:
            await delivery.pause()
        return (await delivery.finish() if text.endswith(b"\n") else delivery.receipt).offset

    data = b"".join(line + b"\n" for line in lines)
    store = asyncio.run(push())
    assert store.runs["r"].offset == len(lines)
    assert "".join(map(str, store.held("web"))).encode() == b"".join(lines)


async def test_lines_are_counted_as_they_become_visible() -> None:
    """No receipt and no run counts what is still on its way."""
    async with life(store := Committed()) as (hub, source):
        delivery = await source.open(Push("web", run="r", offset=0))
        assert hub.runs["r"].offset == 0
        again = await source.open(Push("web", run="r"))
        store.let.clear()
        feeding = asyncio.create_task(delivery.feed(b"x\ny\n"))
        await turns()
        finishing = asyncio.create_task(again.finish())
        await turns()
        assert (hub.runs["r"].offset, delivery.receipt.offset, again.receipt.offset) == (0, 0, 0)
        assert not finishing.done()
        store.let.set()
        await feeding
        assert (await finishing).offset == hub.runs["r"].offset == delivery.receipt.offset == 2


async def test_lines_that_are_on_their_way_are_skipped() -> None:
    """A push that begins meanwhile need not wait for them."""
    async with life(store := Committed()) as (_, source):
        delivery = await source.open(Push("web", run="r", offset=0))
        store.let.clear()
        opening = asyncio.create_task(source.open(Push("web", run="r", offset=0)))
        await turns()
        feeding = asyncio.create_task(delivery.feed(b"x\n"))
        await turns()
        store.let.set()
        again = await opening
        await again.feed(b"x\ny\n")
        assert again.receipt.skipped == 1
        assert store.held("web") == ["x", "y"]
        with pytest.raises(RefusedPushError):
            await feeding


async def test_bad_lines_are_counted() -> None:
    """Also where nothing else was sent: they are not asked for again."""
    async with life(Committed()) as (hub, source):
        delivery = await source.open(Push("web", run="r", offset=0, ndjson=True))
        await delivery.feed(b"{\n[\n")
        assert hub.runs["r"].offset == 2
        assert delivery.receipt.offset == 2


async def test_lines_that_are_held_back_are_not_counted() -> None:
    """Those that passed are, with them; whoever goes on from there repeats none."""
    async with life(store := Committed(), max_lines_per_second=2) as (hub, source):
        delivery = await source.open(Push("web", run="r", offset=0))
        feeding = asyncio.create_task(delivery.feed(b"a\nb\nc\nd\n"))
        async with asyncio.timeout(5):
            while not hub.runs["r"].offset:
                await asyncio.sleep(0.001)
    feeding.cancel()
    assert (store.held("web"), store.runs["r"].offset) == (["a", "b"], 2)


async def test_what_waits_when_the_source_is_stopped_is_answered_once_it_is_visible() -> None:
    """Whoever is told that lines were taken will find them, whatever happens then."""
    store = Committed()
    _, source, task = started(store)
    delivery = await source.open(Push("web", run="r"))
    store.let.clear()
    feeding = asyncio.create_task(delivery.feed(b"a\n"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.sleep(0.05)
    was_answered = feeding.done()
    store.let.set()
    with suppress(asyncio.CancelledError):
        await task
    with suppress(RefusedPushError):
        await feeding
    assert not was_answered
    assert delivery.receipt.offset == 1
    assert store.held("web") == ["a"]


async def test_small_pushes_are_published_together() -> None:
    """Those that wait for one another cost one publishing."""
    async with running() as source:
        deliveries = [await source.open(Push("web")) for _ in range(20)]
        await asyncio.gather(*(delivery.feed(b"x\n") for delivery in deliveries))
        assert len(messages(source)) == 20
        assert source.status.lines == 20


async def test_who_leaves_does_not_interrupt_publishing() -> None:
    """What was handed on is published, and counted."""
    async with running() as source:
        delivery = await source.open(Push("web", run="r", offset=0))
        feeding = asyncio.create_task(delivery.feed(b"x\n"))
        await asyncio.sleep(0)
        feeding.cancel()
        with suppress(asyncio.CancelledError):
            await feeding
        delivery.close()
        again = await source.open(Push("web", run="r", offset=0))
        await again.feed(b"x\ny\n")
        assert messages(source) == [b"x", b"y"]
        assert again.receipt.skipped == 1


async def test_a_source_that_is_stopped_takes_no_more() -> None:
    """Pushes under way are told."""
    async with running() as source:
        delivery = await source.open(Push("web"))
        await delivery.feed(b"x\n")
    assert source.status.state is SourceState.STOPPED
    for late in (delivery.feed(b"x\n"), delivery.pause(), delivery.finish()):
        with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
            await late
    with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
        await source.open(Push("web"))
    with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
        await source.complete("web", RunEnded("r", 1, "ended"))


async def test_more_origins_than_a_batch_has() -> None:
    """Lines of many runs come in several batches, each run started."""
    async with running() as source:
        assert source.hub is not None
        delivery = await source.open(Push("web", ndjson=True))
        lines = [b'{"message":"%d","run":"r%d"}\n' % (n, n) for n in range(600)]
        await delivery.feed(b"".join(lines))
        assert messages(source) == [b"%d" % n for n in range(600)]
        assert len(source.hub.runs) == 600


@pytest.mark.parametrize(
    "options",
    [{"channels": []}, {"channels": ["a/b"]}, {}, {"channels": ["a"], "channel": "b"}],
)
def test_options_that_cannot_be_used(options: dict[str, Any]) -> None:
    """Which channels may be pushed to has to be said, and each push names its own."""
    with pytest.raises(ValidationError):
        PushOptions.model_validate({"type": "push"} | options)
