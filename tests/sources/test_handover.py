"""From tasks that read or receive to the generator of their source."""

import asyncio

import pytest

from relay.entry import Batch
from relay.errors import SourceError
from relay.inlet import RefusedPushError
from relay.lines import Lines
from relay.sources.handover import Handover


async def test_what_nobody_waits_for_any_more_is_not_begun() -> None:
    """And what was begun calls what is to follow, though who waited has left."""
    handover, done = Handover(), list[str]()
    batch = Batch("aws", "web")
    first = asyncio.create_task(handover.publish([batch], lambda: done.append("first")))
    second = asyncio.create_task(handover.publish([batch], lambda: done.append("second")))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    given = handover.batches(list, 10.0)
    assert await anext(given) == [batch]
    first.cancel()
    await asyncio.sleep(0)
    assert done == []
    third = asyncio.create_task(handover.publish([batch], lambda: done.append("third")))
    assert await anext(given) == [batch]
    assert done == ["first"]
    await given.aclose()
    await asyncio.gather(first, second, third, return_exceptions=True)
    assert done == ["first"]


async def test_what_comes_from_many_sides_is_given_in_one_go() -> None:
    """Up to about a megabyte; the rest is the next."""
    handover = Handover()
    small = Batch("aws", "web")
    large = Batch("aws", "web", Lines(b"x" * 1_100_000 + b"\n"))
    tasks = [asyncio.create_task(handover.publish([one])) for one in (small, large, small)]
    await asyncio.sleep(0)
    given = handover.batches(list, 10.0)
    assert [await anext(given), await anext(given)] == [[small, large], [small]]
    await given.aclose()
    await asyncio.gather(*tasks[:2])
    with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
        await tasks[2]


async def test_while_nothing_comes_it_is_asked_what_else_there_is() -> None:
    """As often as is said."""
    batch, asked = Batch("aws", "web"), list[int]()

    def idle() -> list[Batch]:
        asked.append(1)
        return [batch] if len(asked) == 3 else []

    given = Handover().batches(idle, 0.01)
    assert await anext(given) == [batch]
    assert len(asked) == 3
    await given.aclose()


async def test_an_error_ends_the_generator_and_what_waits_stays() -> None:
    """Until the source has begun anew."""
    handover, batch = Handover(), Batch("aws", "web")
    handover.fail(SourceError("no credentials"))
    task = asyncio.create_task(handover.publish([batch]))
    await asyncio.sleep(0)
    with pytest.raises(SourceError, match=r"^no credentials$"):
        await anext(handover.batches(list, 10.0))
    handover.open()
    given = handover.batches(list, 10.0)
    assert await anext(given) == [batch]
    handover.close()
    await given.aclose()
    with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
        await task
    with pytest.raises(RefusedPushError, match=r"^the relay is stopping$"):
        await handover.publish([batch])
