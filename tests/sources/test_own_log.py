"""The relay's own log as a channel."""

import asyncio
import logging
from collections.abc import AsyncGenerator

from relay.entry import Batch, Level, Loss, Reason, Stream
from relay.sources.own_log import MAX_WAITING, OwnLogOptions, OwnLogSource
from relay.status import SourceStatus

LOG = logging.getLogger("relay.test")


def new_source() -> OwnLogSource:
    options = OwnLogOptions.model_validate({"type": "relay"})
    return OwnLogSource("relay", options, SourceStatus("relay", "relay"))


async def following(batches: AsyncGenerator[list[Batch], None]) -> Batch:
    async with asyncio.timeout(5):
        (batch,) = await anext(batches)
    return batch


async def test_records_are_lines_with_their_level() -> None:
    """Of stream system, at the record's own time."""
    batches = new_source().batches({})
    await following(batches)
    LOG.warning("disk %s", "full")
    LOG.error("two\nlines")
    batch = await following(batches)
    assert batch.lines.strings() == ["relay.test: disk full", "relay.test: two\nlines"]
    assert batch.origin_index is not None
    origins = [batch.origins[place] for place in batch.origin_index]
    assert [(one.level, one.stream) for one in origins] == [
        (Level.WARN, Stream.SYSTEM),
        (Level.ERROR, Stream.SYSTEM),
    ]
    assert batch.timestamps is not None
    await batches.aclose()
    assert logging.getLogger("relay").handlers == []


async def test_what_finds_no_room_is_counted() -> None:
    """A fault that logs in a loop does not fill memory."""
    batches = new_source().batches({})
    await following(batches)
    for number in range(MAX_WAITING + 3):
        LOG.error("%d", number)
    batch = await following(batches)
    assert batch.lines.count == MAX_WAITING
    assert batch.loss == Loss(Reason.SOURCE, 3, 3)
    await batches.aclose()


async def test_a_thread_may_log() -> None:
    """The loop is woken."""
    batches = new_source().batches({})
    await following(batches)
    reading = asyncio.create_task(following(batches))
    await asyncio.to_thread(LOG.error, "from a thread")
    assert (await reading).lines.strings() == ["relay.test: from a thread"]
    await batches.aclose()
