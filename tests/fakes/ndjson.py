"""
A relay that says what a test tells it to, and breaks off where it is told to.

The real one cannot be made to end a connection inside a line.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer


@dataclass
class Answer:
    """
    What one connection is given.

    Args:
        body: bytes, sent as they are; each piece is a write of its own.
        cut: breaks the connection after the body, instead of ending the response.
        hold: keeps the connection open after the body.
    """

    body: tuple[bytes, ...] = ()
    status: int = 200
    content_type: str = "application/x-ndjson"
    cut: bool = False
    hold: bool = False


@dataclass
class FakeRelay:
    """Gives the answers in turn, and notes what was asked for."""

    answers: list[Answer]
    asked: list[str] = field(default_factory=list)
    url: str = ""
    held: asyncio.Event = field(default_factory=asyncio.Event)
    runs: dict[str, Answer] = field(default_factory=dict)
    """What is answered to who asks for a run itself; others are running."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Give the next answer; the last one again where there are no more."""
        answer = self._answer(request)
        response = web.StreamResponse(status=answer.status)
        response.content_type = answer.content_type
        await response.prepare(request)
        for piece in answer.body:
            await response.write(piece)
        if answer.cut:
            assert request.transport is not None
            request.transport.close()
        if answer.hold:
            self.held.set()
            await asyncio.Event().wait()
        return response

    def _answer(self, request: web.Request) -> Answer:
        _, found, run = request.path.rpartition("/api/v1/runs/")
        if found:
            running = b'{"status":"running","exit_code":null,"signal":null}'
            return self.runs.get(run, Answer((running,), content_type="application/json"))
        self.asked.append(request.path_qs)
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@asynccontextmanager
async def serve(*answers: Answer, path: str | None = None) -> AsyncGenerator[FakeRelay, None]:
    """
    Serve answers on a free port, or on a unix socket.

    Args:
        answers: one for each connection.
        path: of the unix socket.
    """
    fake = FakeRelay(list(answers))
    app = web.Application()
    app.router.add_get("/{path:.*}", fake.answer)
    if path is None:
        async with TestServer(app) as server:
            fake.url = str(server.make_url("/")).rstrip("/")
            yield fake
        return
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.UnixSite(runner, path).start()
        fake.url = f"unix:{path}"
        yield fake
    finally:
        await runner.cleanup()
