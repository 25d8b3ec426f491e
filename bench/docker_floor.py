"""
The floor of containers: read their raw logs, and throw them away.

Imports nothing from ``relay``. A program of its own, ``python -m bench.docker_floor SOCKET BYTES
ID...``: it prints ``ready`` once all logs are followed, reads what comes by the client library
that the relay uses, and prints the processor time that it has used once so many bytes have come.
"""

import asyncio
import sys
import time
from collections.abc import Sequence

import aiohttp

SETTLING_SECONDS = 0.5


async def read_and_throw_away(socket: str, most_bytes: int, containers: Sequence[str]) -> None:
    """Follow logs until so many bytes have come."""
    came, enough = 0, asyncio.Event()
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.UnixConnector(socket, limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def follow(container: str) -> None:
            nonlocal came
            parameters = {"stdout": "1", "stderr": "1", "timestamps": "1", "follow": "1"}
            url = f"http://docker/v1.41/containers/{container}/logs"
            async with session.get(url, params=parameters) as response:
                async for data in response.content.iter_any():
                    came += len(data)
                    if came >= most_bytes:
                        enough.set()

        tasks = [asyncio.create_task(follow(container)) for container in containers]
        await asyncio.sleep(SETTLING_SECONDS)
        before = time.process_time()
        print("ready", flush=True)
        await enough.wait()
        print(time.process_time() - before, flush=True)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    import uvloop

    uvloop.run(read_and_throw_away(sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
