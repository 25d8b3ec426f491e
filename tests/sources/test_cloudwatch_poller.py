"""One log group, poll after poll, from a server that refuses, forgets and leaves out."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from relay.sources import cloudwatch_poller
from tests.fakes.aws_logs import FakeLogs, Refusal, until
from tests.sources.cloudwatch_running import Running, environment
from tests.sources.committed import Committed

EVENTS = 4000

WRITING_SECONDS = 4.0

LATE_MS = 1500
"""How old an event may be when it is written; the lookback is twice that."""

REFUSALS: list[Refusal | bytes] = [
    Refusal("ThrottlingException", "Rate exceeded"),
    Refusal("InternalFailure", "trouble", 500),
    b"<html>",
]


async def write(fake: FakeLogs, chance: random.Random) -> None:
    """Write numbered events in bursts of one millisecond, late ones, and ones out of order."""
    began, number = time.monotonic(), 0
    while number < EVENTS:
        late_ms = chance.choice([0, 0, chance.randrange(LATE_MS)])
        at = time.time_ns() // 1_000_000 - late_ms
        for _ in range(min(chance.choice([1, 5, 60]), EVENTS - number)):
            fake.put("/app", f"stream-{chance.randrange(30)}", (at, f"{number}"))
            number += 1
        due = began + WRITING_SECONDS * number / EVENTS
        await asyncio.sleep(max(0.0, due - time.monotonic()))


async def trouble(fake: FakeLogs, chance: random.Random) -> None:
    """Refuse requests, forget tokens, and give pages without events, one after the other."""
    while True:
        fake.empty_pages = chance.choice([0, 0, 2])
        match chance.randrange(4):
            case 0:
                fake.lost_tokens = 1
            case 1:
                fake.refused_lists = 1
            case _:
                fake.instead.append(chance.choice(REFUSALS))
        await until(lambda: not (fake.instead or fake.lost_tokens or fake.refused_lists))
        await asyncio.sleep(chance.uniform(0.2, 0.6))


@pytest.fixture
async def fake() -> AsyncIterator[FakeLogs]:
    """Return a server with a log group that has many pages soon."""
    server = FakeLogs(page_size=200, groups={"/app": []})
    await server.start()
    yield server
    await server.close()


@pytest.mark.parametrize("seed", range(2))
async def test_each_event_is_read_once_whatever_aws_answers(
    seed: int, fake: FakeLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Late, in bursts, over many pages, between refusals and lost tokens."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    chance = random.Random(seed)
    async with Running(fake.url) as running:
        running.start(lookback="3s", start="1m")
        await until(lambda: fake.asked)
        making = asyncio.create_task(trouble(fake, chance))
        await write(fake, chance)
        making.cancel()
        fake.instead.clear()
        status = running.statuses["aws"]
        await until(lambda: status.lines >= EVENTS)
        # What comes twice comes with the next sweeps.
        count = len(fake.asked)
        await until(lambda: len(fake.asked) > count + 30)
        read = Counter(running.texts())
    assert set(map(str, range(EVENTS))) - read.keys() == set()
    assert {text: times for text, times in read.items() if times > 1} == {}


async def test_a_list_ends_where_its_token_comes_again(
    fake: FakeLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As servers do that are not AWS: the next poll begins anew."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    fake.page_size, fake.repeats_tokens = 2, True
    fake.put("/app", "s", *[(time.time_ns() // 1_000_000, text) for text in "abc"])
    async with Running(fake.url) as running:
        running.start()
        await running.until_texts(list("abc"))
        await until(lambda: sum("nextToken" not in one.body for one in fake.pages()) >= 3)
        assert running.texts() == list("abc")


async def test_where_reading_stands_is_noted_while_nothing_comes(
    fake: FakeLogs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A relay that comes back need not ask for all that time again."""
    for name, value in environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(cloudwatch_poller, "POSITION_SECONDS", 0.1)
    store, key = Committed(), ("aws", "eu-central-1:/app")
    async with Running(fake.url, store) as running:
        running.start()
        await until(lambda: key in store.positions)
        store.positions.clear()
        await until(lambda: key in store.positions)
