"""
A Docker engine that says what a test tells it to, and breaks off where it is told to.

The real one cannot be made to send half a frame, or a size that is a lie.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiohttp import web

__all__ = ["ID", "Answer", "FakeEngine"]

ID = "f" * 64


@dataclass
class Answer:
    """
    What one request for the log is given.

    Args:
        body: bytes, sent as they are.
        status: of the answer.
        hold: keeps the connection open after the body, where the log is followed.
    """

    body: bytes = b""
    status: int = 200
    hold: bool = False


@dataclass
class FakeEngine:
    """
    One container, which runs; the answers are given in turn, the last one again and again.

    Args:
        answers: to requests for the log.
        asked: those requests.
        inspected: what is told of the container otherwise than usual.
        is_listed: whether it is among the containers that are listed.
        events: what is told at once to who follows events.
        inspect_errors: so many times it is not told how the container is.
        is_gone: whether there is no container any more.
        cut: ends the answers that are held.
        told: events for who follows them, later.
    """

    answers: list[Answer]
    asked: list[dict[str, str]] = field(default_factory=list)
    inspected: dict[str, Any] = field(default_factory=dict)
    is_listed: bool = True
    events: list[dict[str, Any]] = field(default_factory=list)
    inspect_errors: int = 0
    is_gone: bool = False
    cut: asyncio.Event = field(default_factory=asyncio.Event)
    told: asyncio.Queue[list[dict[str, Any]]] = field(default_factory=asyncio.Queue)

    @asynccontextmanager
    async def running(self, socket: Path) -> AsyncGenerator[str, None]:
        """Serve on a socket, and give its URL."""
        app = web.Application()
        app.router.add_get("/version", self._version)
        app.router.add_get("/v1.41/version", self._version)
        app.router.add_get("/v1.41/containers/json", self._list)
        app.router.add_get("/v1.41/containers/{id}/json", self._inspect)
        app.router.add_get("/v1.41/containers/{id}/logs", self._log)
        app.router.add_get("/v1.41/events", self._events)
        runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await runner.setup()
        await web.UnixSite(runner, str(socket)).start()
        try:
            yield f"unix://{socket}"
        finally:
            await runner.cleanup()

    async def _version(self, request: web.Request) -> web.Response:
        return web.json_response({"ApiVersion": "1.41"})

    async def _list(self, request: web.Request) -> web.Response:
        listed = {"Id": ID, "Names": ["/app"], "Image": "x", "Labels": {}, "State": "running"}
        return web.json_response([listed | {"Created": 1}] if self.is_listed else [])

    async def _inspect(self, request: web.Request) -> web.Response:
        if self.inspect_errors:
            self.inspect_errors -= 1
            return web.json_response({"message": "an answer of the test's"}, status=500)
        if self.is_gone:
            return web.json_response({"message": "no such container"}, status=404)
        state = {
            "Status": "running",
            "ExitCode": 0,
            "StartedAt": "2026-11-21T09:00:00Z",
            "FinishedAt": "0001-01-01T00:00:00Z",
        }
        values = {
            "Id": ID,
            "Name": "/app",
            "Created": "2026-11-21T08:59:59Z",
            "Config": {"Image": "x", "Tty": False, "Labels": {}},
            "HostConfig": {"LogConfig": {"Type": "json-file"}},
            "State": state,
        }
        return web.json_response(values | self.inspected)

    async def _log(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.query))
        if self.is_gone:
            return web.json_response({"message": "no such container"}, status=404)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer.status != 200:
            text = json.dumps({"message": "an answer of the test's"})
            return web.Response(status=answer.status, text=text)
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(answer.body)
        if answer.hold and request.query["follow"] == "1":
            await self.cut.wait()
        return response

    async def _events(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        events = self.events
        while True:
            await response.write(b"".join(json.dumps(one).encode() + b"\n" for one in events))
            events = await self.told.get()
