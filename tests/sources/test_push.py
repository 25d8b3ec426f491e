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
from relay.inlet import Push, RefusedPushError
from relay.sources.push import PushOptions, PushSource
from relay.sources.supervisor import Supervisor
from relay.status import SourceState, SourceStatus


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
