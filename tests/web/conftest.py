"""A hub served over real HTTP, for the tests of its routes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession, web

from relay.config.model import ChannelOptions
from relay.entry import Batch
from relay.hub import Hub
from relay.web.app import create_app
from relay.web.keys import CONNECTIONS, MATCHES, RENDERER, Settings

PATIENCE_SECONDS = 10.0
"""How long a test waits for what must happen."""


@dataclass
class Served:
    """A served hub and a client of it."""

    hub: Hub
    app: web.Application
    base: str
    session: ClientSession
    port: int

    async def publish(self, *batches: Batch) -> int:
        """Publish, and return the last id."""
        return await self.hub.publish(batches)

    async def get(self, path: str, **options: Any) -> tuple[int, Any]:
        """Return status and JSON of a path."""
        async with self.session.get(self.base + path, **options) as response:
            return response.status, await response.json()

    async def text(self, path: str, **options: Any) -> str:
        """Return the whole body of a stream that ends."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            async with self.session.get(self.base + path, **options) as response:
                return await response.text()

    async def read_until(self, response: ClientResponse, wanted: bytes) -> bytes:
        """Read a stream until it has ``wanted``."""
        body = b""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while wanted not in body:
                body += await response.content.readany()
        return body

    async def connected(self, count: int) -> None:
        """Wait until so many streams are open."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while len(self.app[CONNECTIONS]) != count:
                await asyncio.sleep(0.005)

    @property
    def renderings(self) -> int:
        """How often an encoder ran."""
        return self.app[RENDERER].renderings

    @property
    def match_runs(self) -> int:
        """How often a matcher ran."""
        return self.app[MATCHES].runs


Serve = Callable[..., "asyncio.Future[Served]"]


@pytest.fixture
async def serve() -> AsyncIterator[Any]:
    """Return a function that serves a hub with settings, or one with a ring of so many lines."""
    runners: list[tuple[web.AppRunner, ClientSession, asyncio.Task[None]]] = []

    async def start(
        lines: int = 1000, size: str = "16MiB", hub: Hub | None = None, **settings: Any
    ) -> Served:
        bounds = ChannelOptions.model_validate({"lines": lines, "bytes": size})
        hub = hub or Hub(lambda name: bounds)
        app = create_app(hub, Settings(**settings))
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        session = ClientSession()
        heartbeats = asyncio.create_task(app[CONNECTIONS].run())
        runners.append((runner, session, heartbeats))
        base = f"http://127.0.0.1:{port}" + settings.get("base_path", "")
        return Served(hub, app, base, session, port)

    yield start
    for runner, session, heartbeats in runners:
        heartbeats.cancel()
        runner.app[CONNECTIONS].stop()
        await session.close()
        await runner.cleanup()
