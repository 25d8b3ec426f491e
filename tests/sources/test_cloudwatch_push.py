"""AWS's pushes as the source takes them: repeated, at once, and over restarts."""

import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError

from relay.config.model import ChannelOptions
from relay.hub import Hub
from relay.inlet import LogRecord, RefusedPushError
from relay.sources.cloudwatch_events import unpack_keys
from relay.sources.cloudwatch_push import CloudwatchPushOptions, CloudwatchPushSource
from relay.sources.cloudwatch_repeats import MOST_EVENTS, RECORDS, Known, record_key
from relay.sources.supervisor import Supervisor
from relay.status import SourceStatus
from tests.slow_store import SlowStore
from tests.web.cloudwatch_pushed import messages, pushed

NOW_MS = 1_795_255_350_000


def record(*numbers: int) -> LogRecord:
    """Return a record of numbered events."""
    return LogRecord("/app", "a", [(NOW_MS + n, str(n), f"event {n}") for n in numbers])


def new_hub(store: SlowStore | None = None) -> Hub:
    """Return a hub without a limit that matters."""
    return Hub(lambda name: ChannelOptions(lines=100_000), store)


async def test_what_is_delivered_twice_at_once_is_answered_when_it_is_durable() -> None:
    """The second does not know of the first's events before they are kept."""
    store = SlowStore()
    hub = new_hub(store)
    async with pushed(hub, channels="*") as source:
        first = asyncio.create_task(source.take("web", [record(1, 2)]))
        second = asyncio.create_task(source.take("web", [record(1, 2)]))
        await asyncio.sleep(0.05)
        assert (first.done(), second.done()) == (False, False)
        store.let.set()
        assert ((await first).accepted, (await second).skipped) == (2, 2)
        assert messages(hub, "web") == ["event 1", "event 2"]


async def test_a_client_that_leaves_does_not_undo_its_delivery() -> None:
    """What was handed on becomes visible, and is known when it comes again."""
    store = SlowStore()
    hub = new_hub(store)
    async with pushed(hub, channels="*") as source:
        first = asyncio.create_task(source.take("web", [record(1, 2)]))
        await asyncio.sleep(0.05)
        first.cancel()
        await asyncio.sleep(0)
        store.let.set()
        receipt = await source.take("web", [record(1, 2, 3)])
        assert (receipt.accepted, receipt.skipped) == (1, 2)
        assert messages(hub, "web") == ["event 1", "event 2", "event 3"]


async def test_a_channel_of_its_own_for_what_is_known() -> None:
    """The same events may be pushed to two channels."""
    hub = new_hub()
    async with pushed(hub, channels="*") as source:
        for channel in ("web", "other", "web"):
            await source.take(channel, [record(1)])
        assert (messages(hub, "web"), messages(hub, "other")) == (["event 1"], ["event 1"])


async def test_what_an_earlier_life_took_is_known() -> None:
    """By the record keys that are kept beside the position."""
    position = Known().events.position([1], NOW_MS)
    table = {"type": "cloudwatch-push", "channels": "*"}
    hub = new_hub()
    source = CloudwatchPushSource(
        "aws", CloudwatchPushOptions.model_validate(table), SourceStatus("aws", "cloudwatch-push")
    )
    source.connect(hub)
    task = asyncio.create_task(Supervisor(source, hub, positions={"web": position}).run())
    await asyncio.sleep(0.01)
    receipt = await source.take("web", [record(1, 2)])
    assert (receipt.accepted, receipt.skipped) == (1, 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_more_events_than_are_known_are_dropped_when_they_come_again() -> None:
    """By the records that they came in: a delivery may have more than any memory."""
    hub = new_hub()
    size = 10_000
    records = [
        record(*range(first, first + size)) for first in range(0, MOST_EVENTS + 2 * size, size)
    ]
    async with pushed(hub, channels="*") as source:
        first = await source.take("web", records)
        again = await source.take("web", records)
        parts = await source.take("web", [record(*range(MOST_EVENTS, MOST_EVENTS + 100))])
    assert (first.accepted, first.skipped) == (len(records) * size, 0)
    assert (again.accepted, again.skipped) == (0, len(records) * size)
    assert (parts.accepted, parts.skipped) == (0, 100)


async def test_others_have_their_turn_while_a_large_record_is_looked_at() -> None:
    """Also where nothing of it is new, and nothing is waited for."""
    async with pushed(new_hub(), channels="*") as source:
        await source.take("web", [record(*range(20_000))])
        again = asyncio.create_task(source.take("web", [record(*reversed(range(20_000)))]))
        turns = 0
        while not again.done():
            turns += 1
            await asyncio.sleep(0)
        assert again.result().skipped == 20_000
        assert turns >= 20


async def test_whole_records_are_kept_beside_their_events() -> None:
    """In a position of their own, with the last of their events or after them."""
    store = SlowStore()
    store.let.set()
    hub = new_hub(store)
    async with pushed(hub, channels="*") as source:
        big = [(NOW_MS, str(n), "x" * 1000) for n in range(1000)]
        records = [LogRecord("/app", "a", big), record(2000), record(2001)]
        await source.take("web", records)
        kept: dict[str, list[int]] = {}
        for group in store.groups:
            for (name, reader), position in group.positions.items():
                assert name == "aws"
                kept.setdefault(reader, []).extend(unpack_keys(position.record_keys))
    assert sorted(kept) == ["records/web", "web"]
    assert sorted(kept["web"]) == [*range(1000), 2000, 2001]
    assert kept["records/web"] == [record_key(one) for one in records]


async def test_records_that_an_earlier_life_took_whole_are_known() -> None:
    """Also where their events are not any more."""
    taken = record_key(record(1, 2))
    positions = {
        "web": Known().events.position([3], NOW_MS),
        RECORDS + "web": Known().records.position([taken], NOW_MS),
    }
    async with pushed(new_hub(), positions=positions, channels="*") as source:
        receipt = await source.take("web", [record(1, 2), record(3, 4)])
        assert (receipt.accepted, receipt.skipped) == (1, 3)


async def test_before_it_runs_nothing_is_taken() -> None:
    """What came before is not known yet."""
    options = CloudwatchPushOptions.model_validate({"type": "cloudwatch-push", "channels": "*"})
    source = CloudwatchPushSource("aws", options, SourceStatus("aws", "cloudwatch-push"))
    source.connect(new_hub())
    with pytest.raises(RefusedPushError, match=r"^the relay is not ready for pushes$"):
        await source.take("web", [record(1)])


async def test_events_of_a_record_are_in_the_order_of_time() -> None:
    """A large one is published in several pieces."""
    hub = new_hub()
    async with pushed(hub, channels="*") as source:
        big = [(NOW_MS - n, str(n), f"{n:04d}" + "x" * 1000) for n in range(1000)]
        await source.take("web", [LogRecord("/app", "a", big)])
        texts = [text[:4] for text in messages(hub, "web")]
        assert texts == [f"{n:04d}" for n in reversed(range(1000))]
        assert len([*hub.channels["web"].blocks_before(hub.last_id + 1)]) > 1


async def test_what_came_to_the_newest_channels_is_known_however_many_there_are() -> None:
    """Their names come from outside: memory is bounded over all of them."""
    hub = new_hub()
    async with pushed(hub, most_known=6, channels="*") as source:
        for channel in ("a", "b", "c", "b"):
            await source.take(channel, [record(1, 2)])
        skipped = [(await source.take(one, [record(1, 2)])).skipped for one in ("c", "b", "a")]
        assert skipped == [2, 2, 0]


async def test_of_what_an_earlier_life_knew_the_newest_is_known() -> None:
    """Memory is bounded from the start, too."""
    now_ms = time.time_ns() // 1_000_000
    positions = {
        channel: Known().events.position([1, 2, 3], now_ms + age)
        for age, channel in enumerate(("web", "other"))
    }
    hub = new_hub()
    async with pushed(hub, most_known=5, positions=positions, channels="*") as source:
        skipped = [(await source.take(one, [record(1)])).skipped for one in ("web", "other")]
        assert skipped == [0, 1]


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            {"channel": "x"},
            "no channel: a push names its own, `channels` says which it may name",
        ),
        (
            {"multiline": "python"},
            "no multiline: an event of CloudWatch Logs is an entry as it is",
        ),
    ],
)
def test_a_key_that_cannot_be_used_is_told(keys: dict[str, Any], sentence: str) -> None:
    """With what would have been right."""
    table = {"type": "cloudwatch-push", "channels": "*", **keys}
    with pytest.raises(ValidationError) as caught:
        CloudwatchPushOptions.model_validate(table)
    assert [str(one["ctx"]["error"]) for one in caught.value.errors()] == [sentence]


def test_the_access_key_is_not_shown() -> None:
    """Where a value of the configuration is printed by mistake."""
    table = {"type": "cloudwatch-push", "channels": "*", "access_key": "secret"}
    options = CloudwatchPushOptions.model_validate(table)
    assert "secret" not in repr(options) + str(options.model_dump())


def test_an_access_key_is_what_a_header_carries() -> None:
    """Spaces at its ends, or a newline, would never come; one of them alone is no key."""
    table = {"type": "cloudwatch-push", "channels": "*"}
    options = CloudwatchPushOptions.model_validate({**table, "access_key": " a key\n"})
    source = CloudwatchPushSource("aws", options, SourceStatus("aws", "cloudwatch-push"))
    admitted = [key for key in ("a key", " a key\n", "", None) if source.admits(key)]
    assert admitted == ["a key"]
    for key in ("", " \n"):
        with pytest.raises(ValidationError):
            CloudwatchPushOptions.model_validate({**table, "access_key": key})
