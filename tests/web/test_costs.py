"""
What the hot path may do how often, by counting: cheap to keep, and dear to lose.

However many clients there are, a block is rendered once for each format and query, and matched
once for each query; and a client gets all news of a wake-up by one write.
"""

import asyncio
import socket
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientWebSocketResponse

from relay.entry import Batch
from tests.building import batch
from tests.web.conftest import PATIENCE_SECONDS, Served

EACH = 5
"""Clients of each kind."""

DATA_SEGMENTS_IN = 152
"""Where struct tcp_info has them (Linux, linux/tcp.h)."""

pytestmark = pytest.mark.skipif(
    not hasattr(socket, "TCP_INFO"), reason="only Linux counts a connection's segments"
)

Client = ClientResponse | ClientWebSocketResponse


async def open_all(served: Served, paths: Sequence[str]) -> list[Client]:
    """Open so many streams of each path; each has had its greeting."""
    clients: list[Client] = []
    for path in [path for path in paths for _ in range(EACH)]:
        if path.partition("?")[0].endswith("/ws"):
            clients.append(await served.session.ws_connect(served.base + path))
        else:
            clients.append(await served.session.get(served.base + path))
    await served.connected(len(clients))
    await until(lambda: all(segments(client) >= 1 for client in clients))
    return clients


async def close_all(served: Served, clients: Sequence[Client]) -> None:
    """Let all clients leave."""
    for client in clients:
        if isinstance(client, ClientWebSocketResponse):
            await client.close()
        else:
            client.close()
    await served.connected(0)


def segments(client: Client) -> int:
    """Return how many pieces with data a client's connection has brought: each a write."""
    if isinstance(client, ClientWebSocketResponse):
        connection = client.get_extra_info("socket")
    else:
        assert client.connection is not None
        assert client.connection.transport is not None
        connection = client.connection.transport.get_extra_info("socket")
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256)
    return int(struct.unpack_from("I", info, DATA_SEGMENTS_IN)[0])


async def until(is_so: Any) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not is_so():
            await asyncio.sleep(0.005)


async def publish(served: Served, clients: Sequence[Client], *batches: Batch) -> list[int]:
    """Publish, wait until every client has got something, and return by how many writes."""
    before = [segments(client) for client in clients]

    def writes() -> list[int]:
        return [segments(c) - n for c, n in zip(clients, before, strict=True)]

    await served.publish(*batches)
    await until(lambda: all(writes()))
    return writes()


PLAIN = ["/web/sse?tail=0", "/web/json?tail=0", "/web/raw?tail=0"]
FRAMES = ["/web/ws?tail=0", "/web/ws?tail=0&batch=5"]


async def test_a_block_is_rendered_once_for_each_format_and_query(serve: Any) -> None:
    """For all clients of five formats, and for those who want only errors."""
    served = await serve()
    await served.publish(batch("web", "start"))
    paths = [*PLAIN, *FRAMES, "/web/sse?tail=0&level=error", "/web/ws?tail=0&level=error"]
    clients = await open_all(served, paths)
    for blocks in (1, 2, 3):
        await publish(served, clients, batch("web", ["INFO a", "ERROR b"]))
        assert served.renderings == blocks * len(paths)
    await close_all(served, clients)


async def test_a_block_is_matched_once_for_each_query(serve: Any) -> None:
    """Whatever the format; a block that nobody's query wants is rendered for nobody."""
    served = await serve()
    await served.publish(batch("web", "start"))
    queries = ["level=error", "q=needle", "regex=nee%2Bdle"]
    paths = [f"/web/{format}?tail=0&{query}" for query in queries for format in ("sse", "ws")]
    clients = await open_all(served, paths)
    runs, renderings = served.match_runs, served.renderings
    for blocks in (1, 2, 3):
        await publish(served, clients, batch("web", ["INFO a", "ERROR needle"]))
        assert served.match_runs - runs == blocks * len(queries)
    await served.publish(batch("web", ["INFO c"]))
    await until(lambda: served.match_runs - runs == 4 * len(queries))
    assert served.renderings - renderings == 3 * len(paths)
    await close_all(served, clients)


async def test_a_client_gets_the_news_of_a_wake_up_by_one_write(serve: Any) -> None:
    """One block, or blocks of several channels that came together."""
    served = await serve()
    await served.publish(batch("web", "start"), batch("worker", "start"))
    paths = ["/sse?tail=0", "/json?tail=0", "/raw?tail=0", "/ws?tail=0", "/sse?tail=0&q=b"]
    clients = await open_all(served, paths)
    before = [segments(client) for client in clients]
    for _ in range(10):
        news = batch("web", "a b c"), batch("worker", "b c d")
        assert await publish(served, clients, *news) == [1] * len(clients)
    # None came late either.
    assert [segments(client) - 10 for client in clients] == before
    await close_all(served, clients)


async def test_an_idle_client_costs_no_task_of_ours(serve: Any) -> None:
    """aiohttp has one for its connection and one for its request: nobody else waits for it."""
    served = await serve()
    await served.publish(batch("web", "start"))
    before = len(asyncio.all_tasks())
    paths = ["/web/sse?tail=0", "/web/ws?tail=0"]
    clients = await open_all(served, paths)
    await until(lambda: len(asyncio.all_tasks()) == before + 2 * EACH * len(paths))
    await close_all(served, clients)
