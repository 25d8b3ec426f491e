"""Large deliveries of Firehose, to the real relay, which is killed in the middle of them."""

import asyncio
import json
import random
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path

import aiohttp

from tests.e2e.conftest import PATIENCE_SECONDS, StartRelay
from tests.fakes.subscription import Firehose, event, packed, payload

RECORDS = 60
EVENTS = 1000
"""Of a record."""

DELIVERIES = 5
"""More events than are known by themselves: 300,000."""

Deliver = Callable[[str, list[bytes], float], Awaitable[bool]]


def records(delivery: int) -> list[bytes]:
    """Return the records of a delivery: numbered events."""
    first = delivery * RECORDS * EVENTS
    starts = range(first, first + RECORDS * EVENTS, EVENTS)
    return [
        packed(payload(*[event(n, f"event {n}") for n in range(start, start + EVENTS)]))
        for start in starts
    ]


def deliverer(url: Callable[[], str]) -> Deliver:
    """Return what delivers, and tells whether it was acknowledged within seconds."""

    async def deliver(name: str, some: list[bytes], seconds: float) -> bool:
        limit = aiohttp.ClientTimeout(total=seconds)
        try:
            async with aiohttp.ClientSession(timeout=limit) as session:
                return (await Firehose(session, url()).deliver(name, some))[0] == 200
        except (aiohttp.ClientError, TimeoutError):
            return False

    return deliver


async def test_large_deliveries_are_taken_once_though_the_relay_is_killed(
    start_relay: StartRelay, tmp_path: Path
) -> None:
    """Several at once, given up by their sender and sent again, and all of them twice at last."""
    config = f"""
[state]
directory = "{tmp_path / "state"}"
[channel]
archive = true
[sources.push]
type = "cloudwatch-push"
channels = "aws"
"""
    chance, relay = random.Random(5), start_relay(config)
    deliver = deliverer(lambda: f"{relay.url}api/v1/push/firehose/aws")
    packages = {f"id-{number}": records(number) for number in range(DELIVERIES)}
    acknowledged: Counter[str] = Counter()

    async def insist(name: str) -> None:
        while acknowledged[name] < 2 or not is_last:
            # Now and then its sender does not wait for the answer.
            seconds = chance.choice([0.2, PATIENCE_SECONDS])
            acknowledged[name] += await deliver(name, packages[name], seconds)
            await asyncio.sleep(0.05)

    is_last = False
    tasks = [asyncio.create_task(insist(name)) for name in packages]
    for _ in range(3):
        await asyncio.sleep(chance.uniform(0.3, 1.0))
        relay.process.kill()
        await asyncio.to_thread(relay.process.wait)
        relay = await asyncio.to_thread(start_relay, config)
    is_last = True
    await asyncio.gather(*tasks)
    url = f"{relay.url}api/v1/channels/aws/logs/download?format=ndjson"
    with await asyncio.to_thread(urllib.request.urlopen, url, None, 60) as response:
        counts = Counter(json.loads(line)["message"] for line in response)
    assert (len(counts), max(counts.values())) == (DELIVERIES * RECORDS * EVENTS, 1)
