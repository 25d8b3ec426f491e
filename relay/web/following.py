"""
What every live stream does, whatever carries it: where it starts, and what it gives until it ends.
"""

import asyncio
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

from aiohttp import web

from relay import __version__
from relay.encode import Encoder
from relay.entry import Gap
from relay.errors import QueryError
from relay.history import newest_cursor
from relay.hub import Hub
from relay.render import chunk
from relay.request import Request
from relay.restart import BEGINNING, restart_gaps
from relay.span import Span
from relay.subscription import Delivery
from relay.web.connections import Connection
from relay.web.keys import CONNECTIONS, HUB, MATCHES, RENDERER
from relay.web.parameters import require_known
from relay.web.writer import StreamWriter

__all__ = ["Follower", "is_over", "start_cursor"]

DEFAULT_TAIL = 100


def is_over(hub: Hub, asked: Request) -> bool:
    """Tell whether a reader resumes at or after the end of the run: it is to stop."""
    run = hub.runs.get(asked.query.single_run or "")
    if run is None or run.ending_id is None or asked.after is None:
        return False
    return run.ending_id <= asked.after <= hub.last_id


async def start_cursor(request: web.Request, asked: Request) -> int:
    """
    Return the id after which a stream starts: ``hello``'s cursor.

    Raises:
        NotFoundError: what is named is not there, and no cursor shows that it ever was.
    """
    hub, query = request.app[HUB], asked.query
    if asked.after is not None:
        return asked.after
    if query.single_run is None:
        # Jobs are watched before their first line: a run that is not known is waited for.
        require_known(hub, asked.query)
    if query.since_ns is not None and asked.tail is None:
        return hub.beginning
    tail = DEFAULT_TAIL if asked.tail is None else asked.tail
    cursor, _ = await newest_cursor(hub, request.app[MATCHES], query, tail)
    run = hub.runs.get(query.single_run or "")
    if run is not None and run.ending_id is not None:
        cursor = min(cursor, run.ending_id - 1)
    return cursor


def never() -> bool:
    """Say that nobody interrupts."""
    return False


class Follower:
    """
    Gives one client what it asked for; use as a context manager.

    Order of calls: ``greet`` once, then ``pump`` until it says that the stream is over.

    Args:
        request: the client's.
        asked: what it asks for.
        encoder: the format.
        writer: to the client.
        cursor: the id after which it starts.
    """

    __slots__ = (
        "_asked",
        "_connection",
        "_connections",
        "_cursor",
        "_encoder",
        "_end",
        "_hub",
        "_is_due",
        "_lost",
        "_renderer",
        "_subscription",
        "_taken",
        "_writer",
    )

    def __init__(
        self,
        request: web.Request,
        asked: Request,
        encoder: Encoder,
        writer: StreamWriter,
        cursor: int,
    ) -> None:
        app = request.app
        self._hub, self._connections, self._renderer = app[HUB], app[CONNECTIONS], app[RENDERER]
        self._asked, self._encoder, self._writer = asked, encoder, writer
        self._cursor, self._end = cursor, self._hub.last_id
        brought, query = asked.after, asked.query
        self._lost = [] if brought is None else restart_gaps(self._hub, query, brought)
        # Without a cursor of its own a reader has not lost what left before it came.
        since_ns = query.since_ns if brought is None else None
        if self._lost:
            start = self._hub.start_id
        else:
            start = self._hub.beginning if cursor == BEGINNING else cursor
        self._subscription = self._hub.subscribe(query, start, since_ns)
        self._connection = Connection(encoder.name.partition("+")[0], query, self._subscription)
        self._is_due = False
        """Whether :meth:`_take` will be called."""
        self._taken: Sequence[Delivery] | None = None
        """What was taken and could not be written without waiting."""

    def __enter__(self) -> Self:
        # Not by generators, which would stay with every idle client.
        self._subscription.__enter__()
        self._connections.open(self._connection)
        if self._asked.follow:
            self._subscription.on_news = self._on_news
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connections.close(self._connection)
        self._subscription.on_news = None
        self._subscription.close()

    def poke(self) -> None:
        """Let ``pump`` look whether it is interrupted."""
        self._subscription.poke()

    async def greet(self) -> None:
        """Write ``hello``, and what a cursor from another life has lost."""
        encoder = self._encoder
        channels = [channel.name for channel in self._hub.selected(self._asked.query)]
        hello = encoder.hello(__version__, self._cursor, channels)
        await self._writer.write(self._framed(hello, *map(encoder.gap, self._lost)))

    async def pump(self, interrupted: Callable[[], bool] = never) -> bool:
        """
        Write what the subscription gives until the client, the run or the relay ends.

        Args:
            interrupted: whether to stop between two writes; who makes it true calls ``poke``.

        Returns:
            Whether the stream is over; else it was interrupted and may be pumped again.

        Raises:
            ConnectionResetError: the client is gone.
            QueryError: a pattern turned out to cost too much over what it met.
        """
        connection, connections = self._connection, self._connections
        subscription = self._subscription
        while not interrupted():
            deliveries, self._taken = self._taken, None
            if deliveries is None:
                deliveries = await subscription.read()
            bodies, ended = self._render(deliveries)
            is_last = connections.stopping and not deliveries
            if not bodies and (is_last or connections.is_silent(connection)):
                bodies = [self._framed(self._encoder.cursor(subscription.cursor))]
            if bodies:
                connection.heard = connections.tick
                await self._writer.write_all(bodies)
            if ended or is_last or (not self._asked.follow and subscription.cursor >= self._end):
                return True
            if subscription.has_news or connections.stopping:
                await asyncio.sleep(0)
            elif not interrupted():
                await subscription.wait()
        return False

    def _on_news(self) -> None:
        # Not at once: the hub has more to tell of.
        if not self._is_due:
            self._is_due = True
            self._connections.call_soon(self._take)

    def _take(self) -> None:
        """
        Write what has just come, while ``pump`` waits on.

        Waking it, through all who await it, would take longer than all that is done here.
        """
        self._is_due = False
        subscription = self._subscription
        if not subscription.is_awaited:
            return
        latest, is_written = subscription.take(), False
        try:
            is_written = latest is not None and self._write_soon(latest[0])
        finally:
            if not is_written:
                self._taken = latest
                subscription.poke()

    def _write_soon(self, span: Span) -> bool:
        """Write what was taken, if that goes without waiting; tell whether it is written."""
        try:
            body = self._entries(span)
        except QueryError:
            # Raised again where it is awaited.
            return False
        if body:
            if not self._writer.write_soon(body):
                return False
            self._connection.heard = self._connections.tick
        return True

    def _render(self, deliveries: Sequence[Delivery]) -> tuple[list[bytes], bool]:
        """Return deliveries as bytes, and whether the run that was asked for ended."""
        bodies: list[bytes] = []
        query = self._asked.query
        for delivery in deliveries:
            if isinstance(delivery, Span):
                if body := self._entries(delivery):
                    bodies.append(body)
            elif isinstance(delivery, Gap):
                bodies.append(self._framed(self._encoder.gap(delivery)))
            elif query.selects_run(delivery.run):
                bodies.append(self._framed(self._encoder.ending(delivery)))
                if delivery.run == query.single_run:
                    return bodies, True
        return bodies, False

    def _entries(self, span: Span) -> bytes:
        return self._renderer.render(
            span, self._asked.query, self._encoder, chunked=self._writer.chunked
        )

    def _framed(self, *bodies: bytes) -> bytes:
        body = b"".join(bodies)
        return chunk(body) if self._writer.chunked else body
